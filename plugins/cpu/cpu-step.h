/* cpu-step.h - what a step carries from compile time to its kernel
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-attention.h"
#include "cpu-cast.h"
#include "cpu-conv.h"
#include "cpu-gemm.h"
#include "cpu-move.h"
#include "cpu-normalize.h"
#include "cpu-reduce.h"
#include "cpu-weight.h"

#include <vard-engine-sdk.h>

G_BEGIN_DECLS

typedef struct
{
  CpuConv conv;
  CpuConvKind kind;
} CpuConvPlan;

typedef struct
{
  guint n_parts;
  CpuCopyRows parts[];
} CpuConcatPlan;

typedef struct
{
  CpuPool *pool; /* the engine's */
  guint n_threads;
  CpuRegion *region;     /* NULL: nothing fused behind the kernel */
  CpuRegion *prologue;   /* NULL: nothing fused before the kernel */
  guint n_own;           /* inputs before the regions' */
  guint n_prologue;      /* inputs of the prologue, which come before the region's */
  guint own_out;         /* which output the kernel writes; the region writes the first */
  gsize own_scratch;     /* bytes of scratch before the regions' */
  gsize region_scratch;  /* bytes a thread, shared by the two */
  gboolean reads_stored; /* the kernel can take the second input as it is stored */
  gboolean has_weight;   /* the second input is stored, and else widened into scratch */
  gboolean keeps_order;  /* the kernel can take a convolution's weight with its taps last */
  CpuWeight weight;
  gsize weight_scratch; /* where in scratch */
  gint outputs[3];      /* attention gradient: which output is dq, dk, dv, or -1 */
  union
  {
    CpuGemm gemm;
    CpuConvPlan conv;
    CpuAttention attention;
    CpuNormalize normalize;
    CpuSum sum;
    CpuPermute permute;
    CpuCopyRows rows;
    CpuConcatPlan *concat;
    CpuResample resample;
  } plan;
} CpuStepData;

typedef struct
{
  CpuPool *pool;
  VardLowering *lowering;
  VardNode *node;
  VardStep step; /* in and out start as the node's */
  CpuStepData *data;
  VardNode *out[3];
} CpuClaim;

/* An operation and how it becomes a step: fills in kernel, name, plan, scratch. A producer leaves
 * room for a region that works on its blocks. FALSE: it cannot. */
typedef struct
{
  const VardOpClass *op;
  gboolean (*claim) (CpuClaim *claim);
  gboolean is_producer;
} CpuOpRule;

const CpuOpRule *cpu_find_rule (const VardOpClass *op);
gboolean cpu_claim_supports (const VardNode *node);
gboolean cpu_claim_node (CpuPool *pool, VardLowering *lowering, VardNode *node, CpuClaim *claim);
void cpu_step_data_free (gpointer data);
CpuEpilogue cpu_step_epilogue (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch);

CpuEpilogue cpu_step_prologue (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch);

/* the second input in single precision in the graph's layout */
const float *cpu_step_weight (const VardStep *step, gpointer *in, gpointer scratch);

/* shape of the claimed node's input */
static inline const VardShape *
cpu_claim_shape (const CpuClaim *claim, guint i)
{
  return &claim->node->inputs[i]->shape;
}

static inline gboolean
cpu_claim_kernel (CpuClaim *claim, const char *name, VardKernel kernel)
{
  claim->step.name = name;
  claim->step.kernel = kernel;
  return TRUE;
}

/* The rules of cpu-claim-move.c */
gboolean cpu_claim_permute (CpuClaim *claim);
gboolean cpu_claim_slice (CpuClaim *claim);
gboolean cpu_claim_pad (CpuClaim *claim);
gboolean cpu_claim_concat (CpuClaim *claim);
gboolean cpu_claim_resample (CpuClaim *claim);
gboolean cpu_claim_gather (CpuClaim *claim);
gboolean cpu_claim_cast (CpuClaim *claim);
gboolean cpu_claim_random_normal (CpuClaim *claim);

/* Region kernels: see cpu-lower.c */
void cpu_region_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch);
gboolean cpu_op_is_elementwise (const VardNode *node);
CpuInstruction cpu_instruction_for (const VardNode *node);

gboolean cpu_lower (CpuPool *pool, VardLowering *lowering);

G_END_DECLS
