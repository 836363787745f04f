/* cuda-cudnn-private.h - shared by the description of a graph and its plans
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-cudnn.h"

struct _CudaDnnGraph
{
  const CudaDnnTarget *target;
  GPtrArray *descriptors; /* all, the oldest first */
  GPtrArray *operations;  /* borrowed */
  cudnnBackendDescriptor_t tensors[CUDA_DNN_MAX_TENSORS];
  gboolean is_bound[CUDA_DNN_MAX_TENSORS]; /* has a pointer when it is executed */
  guint n_tensors;
  char *failure;
};

gboolean cuda_dnn_graph_check (CudaDnnGraph *self, cudnnStatus_t status, const char *what);
/* NULL after a failure; freed with the graph */
cudnnBackendDescriptor_t cuda_dnn_graph_create (CudaDnnGraph *self,
                                                cudnnBackendDescriptorType_t type);
void cuda_dnn_graph_set (CudaDnnGraph *self,
                         cudnnBackendDescriptor_t descriptor,
                         cudnnBackendAttributeName_t name,
                         cudnnBackendAttributeType_t type,
                         gint64 count,
                         gconstpointer values);
void cuda_dnn_graph_finalize (CudaDnnGraph *self,
                              cudnnBackendDescriptor_t descriptor,
                              const char *what);
