/* cuda-cudnn.h - describes graphs of operations to cuDNN
 *
 * A graph is described (tensors, then operations on them), and a plan made of it: the ways to
 * compute it that the library proposes and that fit, one of which is used. The library is optional,
 * when vard is built and when it runs: who gets no plan computes in another way.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <cudnn_graph.h>
#include <vard-engine-sdk.h>

G_BEGIN_DECLS

/* clang-format off */
#define CUDA_DNN_FUNCTIONS(F) \
  F (cudnnGetVersion) F (cudnnGetErrorString) F (cudnnCreate) F (cudnnDestroy) F (cudnnSetStream) \
  F (cudnnBackendCreateDescriptor) F (cudnnBackendDestroyDescriptor) F (cudnnBackendSetAttribute) \
  F (cudnnBackendGetAttribute) F (cudnnBackendFinalize) F (cudnnBackendExecute)
/* clang-format on */

#define CUDA_DNN_MEMBER(name) __typeof__ (name) *name;

typedef struct
{
  CUDA_DNN_FUNCTIONS (CUDA_DNN_MEMBER)
} CudaDnnLibrary;

/* NULL: there is none, or one that is too old */
const CudaDnnLibrary *cuda_dnn_library_open (void);

/* What plans are made for: a device that is there, or one that is only described (cuDNN 9.8) and
 * cannot execute */
typedef struct
{
  const CudaDnnLibrary *library;
  cudnnHandle_t handle; /* or NULL: */
  cudnnBackendDescriptor_t properties;
} CudaDnnTarget;

/* NULL: the library does not start */
CudaDnnTarget *cuda_dnn_target_new (const CudaDnnLibrary *library, gpointer stream);
/* json: the properties of a device as the library itself would write them */
CudaDnnTarget *cuda_dnn_target_new_described (const CudaDnnLibrary *library, const char *json);
void cuda_dnn_target_free (CudaDnnTarget *self);

/* ---- description ---- */

#define CUDA_DNN_MAX_TENSORS 32

typedef enum
{
  CUDA_DNN_VIRTUAL = 1, /* never in memory */
  CUDA_DNN_BY_VALUE = 2 /* one number of the host's */
} CudaDnnTensorFlags;

typedef struct
{
  cudnnDataType_t type;
  CudaDnnTensorFlags flags;
  gint64 dims[4], strides[4]; /* in elements */
} CudaDnnTensor;

typedef struct
{
  gint64 strides[2], before[2], after[2]; /* padding; rows, then columns */
} CudaDnnWindow;

typedef struct _CudaDnnGraph CudaDnnGraph;

/* The first failure is kept, and makes that there is no plan. Tensors are numbered from 0. */
CudaDnnGraph *cuda_dnn_graph_new (const CudaDnnTarget *target);
void cuda_dnn_graph_free (CudaDnnGraph *self);
guint cuda_dnn_graph_add_tensor (CudaDnnGraph *self, const CudaDnnTensor *tensor);
/* dims are [n, c, h, w] and [c_out, c, kh, kw]; kind is one of
 * CUDNN_BACKEND_OPERATION_CONVOLUTION_... */
void cuda_dnn_graph_add_convolution (CudaDnnGraph *self,
                                     cudnnBackendDescriptorType_t kind,
                                     const CudaDnnWindow *window,
                                     guint x,
                                     guint w,
                                     guint y);
void cuda_dnn_graph_add_matmul (CudaDnnGraph *self, guint a, guint b, guint c);
/* n_inputs of x, b, t */
void cuda_dnn_graph_add_pointwise (CudaDnnGraph *self,
                                   cudnnPointwiseMode_t mode,
                                   const guint *inputs,
                                   guint n_inputs,
                                   guint y);
void cuda_dnn_graph_add_reduction (CudaDnnGraph *self,
                                   cudnnReduceTensorOp_t operation,
                                   guint x,
                                   guint y);
/* the same elements by y's dims and strides */
void cuda_dnn_graph_add_reshape (CudaDnnGraph *self, guint x, guint y);
/* what the library said to the call that failed first, or NULL */
const char *cuda_dnn_graph_peek_failure (CudaDnnGraph *self);

/* ---- plans ---- */

typedef struct
{
  guint refused_notes; /* bits of cudnnBackendNumericalNote_t: such a way is not taken */
  gsize workspace;     /* bytes at most */
  guint n_ways;        /* at most */
  gint way;            /* this one alone, or -1 */
} CudaDnnWish;

typedef struct _CudaDnnPlan CudaDnnPlan;

/* takes the graph; NULL: nothing fits */
CudaDnnPlan *cuda_dnn_plan_new (CudaDnnGraph *graph, const CudaDnnWish *wish);
/* A way that was chosen as text, compiled kernels and all: restoring it takes milliseconds where
 * making it took half a second. NULL: the library does not say. */
char *cuda_dnn_plan_dup_text (CudaDnnPlan *self, guint index);
/* takes the graph unless it returns NULL: the text is of another version or device, or of
 * nothing */
CudaDnnPlan *cuda_dnn_plan_restore (CudaDnnGraph *graph, const char *text, gint way);
void cuda_dnn_plan_free (CudaDnnPlan *self);
guint cuda_dnn_plan_get_n_ways (CudaDnnPlan *self);
/* a way's place in what the library proposes, which another run of the same version gives again */
gint cuda_dnn_plan_get_way (CudaDnnPlan *self, guint index);
/* bytes that every way can do with */
gsize cuda_dnn_plan_get_workspace (CudaDnnPlan *self);
/* pointers are of the tensors, by number; those of virtual ones are not read */
gboolean cuda_dnn_plan_execute (CudaDnnPlan *self,
                                guint index,
                                const gpointer *pointers,
                                gpointer workspace);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CudaDnnTarget, cuda_dnn_target_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CudaDnnGraph, cuda_dnn_graph_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CudaDnnPlan, cuda_dnn_plan_free)

G_END_DECLS
