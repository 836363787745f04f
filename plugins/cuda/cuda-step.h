/* cuda-step.h - what a step carries from compile time to its execution
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-device.h"
#include "kernels/cuda-args.h"

G_BEGIN_DECLS

#define CUDA_TYPE_PRECISION (cuda_precision_get_type ())

/* How products are computed; everything else is computed in single precision, and cuda-storage.c
 * says how it is stored */
typedef enum
{
  CUDA_PRECISION_FP32,
  CUDA_PRECISION_TF32,
  CUDA_PRECISION_BF16
} CudaPrecision;

GType cuda_precision_get_type (void);

typedef struct _CudaStorage CudaStorage;

/* A lowered graph, shared by its steps: the replay that was captured, and the addresses it was
 * captured with */
typedef struct
{
  grefcount ref_count;
  CudaDevice *device;
  CudaPrecision precision;
  CUgraphExec graph;
  GArray *addresses; /* gpointer: what the capture holds */
  /* CudaWeight: what the steps read beside their inputs, or in place of them */
  GPtrArray *weights;
  GPtrArray *assigned;  /* VardTensor, borrowed from the graph */
  CudaStorage *storage; /* while it is lowered */
  gboolean has_run;
  guint n_captures;
} CudaProgram;

CudaProgram *cuda_program_new (CudaDevice *device, CudaPrecision precision);
CudaProgram *cuda_program_ref (CudaProgram *self);
void cuda_program_unref (CudaProgram *self);
/* brings the weights up to date */
gboolean cuda_program_prepare (CudaProgram *self, GError **error);
gboolean cuda_program_run (CudaProgram *self,
                           VardProgram *program,
                           gboolean use_graph,
                           GCancellable *cancellable,
                           GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CudaProgram, cuda_program_unref)

/* One step's own: the program first, then what the claim put there */
typedef struct
{
  CudaProgram *program;
  CUfunction function;
  GDestroyNotify free_plan;
  gpointer plan;
} CudaStepData;

typedef struct
{
  CudaProgram *program;
  VardLowering *lowering;
  VardNode *node;
  VardStep step; /* in and out start as the node's */
  CudaStepData *data;
  /* in place of the node's: outputs, and inputs of a claim that reads more */
  VardNode *out[3], *in[5];
} CudaClaim;

#define CUDA_DATA(step) ((const CudaStepData *) (step)->data)
#define CUDA_DEVICE(step) (CUDA_DATA (step)->program->device)

CudaStepData *cuda_step_data_new (CudaProgram *program);
void cuda_step_data_free (gpointer data);

gboolean cuda_claim_supports (const VardNode *node);
/* adds the step of one node; FALSE: nobody computes it */
gboolean cuda_claim_node (CudaProgram *program, VardLowering *lowering, VardNode *node);
/* sets the step's name, what runs it, and its plan */
gboolean cuda_claim_set (CudaClaim *claim,
                         const char *name,
                         VardKernel kernel,
                         gpointer plan,
                         GDestroyNotify free_plan);

/* ---- claims by file ---- */
gboolean cuda_claim_slice (CudaClaim *claim);
gboolean cuda_claim_pad (CudaClaim *claim);
gboolean cuda_claim_concat (CudaClaim *claim);
gboolean cuda_claim_resample (CudaClaim *claim);
gboolean cuda_claim_gather (CudaClaim *claim);
gboolean cuda_claim_cast (CudaClaim *claim);
gboolean cuda_claim_random_normal (CudaClaim *claim);
gboolean cuda_claim_sum (CudaClaim *claim);
gboolean cuda_claim_softmax (CudaClaim *claim);
gboolean cuda_claim_normalize (CudaClaim *claim);
gboolean cuda_claim_matmul (CudaClaim *claim);
gboolean cuda_claim_conv (CudaClaim *claim);
gboolean cuda_claim_attention (CudaClaim *claim);
gboolean cuda_claim_attention_gradient (CudaClaim *claim);

/* ---- by cuDNN; FALSE: it is not there, or has no way ---- */
gboolean cuda_claim_conv_cudnn (CudaClaim *claim);
/* for a person */
char *cuda_dnn_describe (CudaDevice *device);
void cuda_dnn_close (CudaDevice *device);

/* CUDA_TYPE_F32 or CUDA_TYPE_BF16: how a node of floats lies in memory */
int cuda_claim_get_type (const CudaClaim *claim, const VardNode *node);
/* threads of a block that works on n elements together: whole warps */
guint cuda_block_size (gint64 n);
/* of a block that normalises one group */
guint cuda_normalize_block_size (gint64 count);
/* a normalisation's arguments but for the addresses */
CudaNormalizeArgs cuda_normalize_get_args (VardLowering *lowering, const VardNode *node);

/* ---- lowering ---- */
gboolean cuda_lower (CudaProgram *program, VardLowering *lowering, GError **error);

G_END_DECLS
