/* cuda-cudnn-step.h - a step of the engine that cuDNN computes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-cudnn.h"
#include "cuda-storage.h"

G_BEGIN_DECLS

/* A plan, and which of its ways is taken. The device has one for all steps of the same key: some
 * ways take half a second to compile. */
typedef struct
{
  char *key;
  CudaDnnPlan *plan; /* NULL: nothing fits */
  gint chosen;       /* -1: the ways are timed when one of the steps first runs */
} CudaDnnWork;

/* its workspace is in the step's scratch */
typedef struct
{
  CudaDevice *device;
  CudaDnnWork *work; /* the device's */
  gsize workspace_at;
} CudaDnnStep;

/* NULL: the setting says no, or there is no library */
const CudaDnnTarget *cuda_dnn_step_get_target (CudaClaim *claim);
/* what a way must not do in a precision */
guint cuda_dnn_get_refused_notes (CudaPrecision precision);
/* Takes the graph, and makes room in the claim's scratch. key names the graph's shapes. NULL:
 * nothing fits. */
CudaDnnStep *cuda_dnn_step_new (CudaClaim *claim, CudaDnnGraph *graph, const char *key);
void cuda_dnn_step_run (CudaDnnStep *self, const gpointer *pointers, guint8 *scratch);

/* ---- on disk (cuda-cudnn-kept.c) ---- */
void cuda_dnn_keep (CudaDevice *device, const char *key, gint way, const char *text);
/* NULL: there is none, or it is not whole */
char *cuda_dnn_dup_kept (CudaDevice *device, const char *key, gint way);

/* A tensor as the library may read or write it: at an address that 16 divides. Views and parameters
 * are copied when they are not there. */
typedef struct
{
  CudaOperand operand;
  gsize size;    /* bytes */
  gsize room_at; /* in scratch */
  gboolean has_room;
} CudaDnnPlace;

void cuda_dnn_place_init (CudaDnnPlace *self, CudaClaim *claim, VardNode *node);
void cuda_dnn_place_init_out (CudaDnnPlace *self, CudaClaim *claim, VardNode *node);
gpointer cuda_dnn_place_read (const CudaDnnPlace *self,
                              CudaDevice *device,
                              gconstpointer in,
                              guint8 *scratch);
/* where to write, and afterwards: from there to where it belongs */
gpointer cuda_dnn_place_begin (const CudaDnnPlace *self, gpointer out, guint8 *scratch);
void cuda_dnn_place_end (const CudaDnnPlace *self,
                         CudaDevice *device,
                         gpointer out,
                         gpointer written);

/* the description of a convolution or of one of its gradients; tensors are x, w and y */
CudaDnnGraph *cuda_conv_describe (const CudaDnnTarget *target,
                                  const VardNode *node,
                                  CudaPrecision precision);
/* of attention, or of as many pictures and heads of its gradients as the workspace has room for at
 * a time; in bf16 */
CudaDnnGraph *cuda_attention_describe (const CudaDnnTarget *target,
                                       const VardNode *node,
                                       gsize workspace);

G_END_DECLS
