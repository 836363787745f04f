/* cpu-fuse.c - which nodes the CPU engine computes in one step
 *
 * vard-fusion.c makes the groups. Broadcasts, fills, slices and pads are not members: each group
 * reads them as patterns and immediates. A product, convolution or normalisation that a group reads
 * becomes its producer: the group then runs on each block of the result while the block is in the
 * cache.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-fuse.h"

typedef struct
{
  const VardOpClass *op;
  CpuOp code;
} OpCode;

/* clang-format off */
static const OpCode op_codes[] = {
  { &vard_op_neg, CPU_OP_NEG }, { &vard_op_exp, CPU_OP_EXP }, { &vard_op_log, CPU_OP_LOG },
  { &vard_op_sqrt, CPU_OP_SQRT }, { &vard_op_rsqrt, CPU_OP_RSQRT },
  { &vard_op_square, CPU_OP_SQUARE },
  { &vard_op_reciprocal, CPU_OP_RECIPROCAL }, { &vard_op_sigmoid, CPU_OP_SIGMOID },
  { &vard_op_silu, CPU_OP_SILU }, { &vard_op_tanh, CPU_OP_TANH }, { &vard_op_erf, CPU_OP_ERF },
  { &vard_op_gelu, CPU_OP_GELU }, { &vard_op_sin, CPU_OP_SIN }, { &vard_op_cos, CPU_OP_COS },
  { &vard_op_abs, CPU_OP_ABS }, { &vard_op_step, CPU_OP_STEP }, { &vard_op_affine, CPU_OP_AFFINE },
  { &vard_op_clamp, CPU_OP_CLAMP }, { &vard_op_add, CPU_OP_ADD }, { &vard_op_sub, CPU_OP_SUB },
  { &vard_op_mul, CPU_OP_MUL }, { &vard_op_div, CPU_OP_DIV }, { &vard_op_maximum, CPU_OP_MAXIMUM },
  { &vard_op_minimum, CPU_OP_MINIMUM }, { &vard_op_select, CPU_OP_SELECT },
};
/* clang-format on */

static gboolean
cpu_find_code (const VardOpClass *op, CpuOp *code)
{
  for (guint i = 0; i < G_N_ELEMENTS (op_codes); i++)
    if (op_codes[i].op == op)
      {
        *code = op_codes[i].code;
        return TRUE;
      }

  return FALSE;
}

gboolean
cpu_op_is_elementwise (const VardNode *node)
{
  CpuOp code;

  return node->dtype == VARD_DTYPE_F32 && cpu_find_code (node->op, &code);
}

CpuInstruction
cpu_instruction_for (const VardNode *node)
{
  CpuInstruction instruction = { .out = -1 };

  cpu_find_code (node->op, &instruction.op);
  if (node->op == &vard_op_affine)
    {
      instruction.p = ((const VardAffineAttrs *) node->attrs)->scale;
      instruction.q = ((const VardAffineAttrs *) node->attrs)->shift;
    }
  else if (node->op == &vard_op_clamp)
    {
      instruction.p = ((const VardClampAttrs *) node->attrs)->low;
      instruction.q = ((const VardClampAttrs *) node->attrs)->high;
    }

  return instruction;
}

#define MAX_MEMBERS 48

/* each member but the root is an argument of another, so loads are at most the arguments that are
 * left */
static gboolean
cpu_has_room (const VardFusionGroup *group, const VardNode *node)
{
  return group->members->len < MAX_MEMBERS
         && group->n_arguments + node->n_inputs - group->members->len <= CPU_REGION_MAX_LOADS;
}

static const VardFusionRules rules = { CPU_REGION_MAX_OUTPUTS, cpu_op_is_elementwise,
                                       cpu_has_room };

G_STATIC_ASSERT (CPU_REGION_MAX_OUTPUTS <= VARD_FUSION_MAX_OUTPUTS);

/* ---- producers ---- */

/* The last of the producers that a group reads: the others come before it anyway. A sum of
 * gradients has none: with one its result would lie in memory of its own until all steps are done,
 * next to the sum. */
static void
cpu_group_find_producer (VardFusion *self, VardFusionGroup *group)
{
  gboolean is_output = FALSE, found_output = FALSE;
  VardNode *found = NULL;

  group->producer_output = -1;
  if (vard_fusion_is_update (self, group))
    return;
  for (guint i = 0; i < group->members->len; i++)
    {
      const VardNode *member = group->members->pdata[i];

      for (guint k = 0; k < member->n_inputs; k++)
        {
          VardNode *input = member->inputs[k];
          const CpuOpRule *rule = cpu_find_rule (input->op);

          if (rule == NULL || !rule->is_producer || self->group_of[input->id] != NULL
              || !vard_fusion_can_feed (self, input, group, &is_output)
              || (found != NULL && input->id <= found->id))
            continue;
          found = input;
          found_output = is_output;
        }
    }
  if (found != NULL)
    vard_fusion_set_producer (self, group, found, found_output);
}

/* A cotangent that a normalisation's gradient alone reads is computed picture by picture as that
 * goes */
static void
cpu_group_find_consumer (VardFusion *self, VardFusionGroup *group)
{
  VardNode *reader;

  if (group->producer != NULL || group->n_outputs > 1 || self->is_sink[group->root->id]
      || vard_fusion_count_readers (self, group->root) != 1)
    return;
  reader = vard_fusion_get_reader (self, group->root, 0);
  if (reader->op == &vard_op_normalize_gradient && reader->inputs[0] != group->root
      && reader->inputs[1] == group->root)
    group->consumer = reader;
}

/* ---- the whole ---- */

VardFusion *
cpu_fusion_new (VardLowering *lowering)
{
  VardFusion *self = vard_fusion_new (lowering, &rules);

  for (guint i = 0; i < self->groups->len; i++)
    cpu_group_find_producer (self, self->groups->pdata[i]);
  for (guint i = 0; i < self->groups->len; i++)
    cpu_group_find_consumer (self, self->groups->pdata[i]);

  return self;
}

gboolean
cpu_fusion_is_pattern (const VardNode *node)
{
  if (node->dtype != VARD_DTYPE_F32)
    return FALSE;
  return node->op == &vard_op_broadcast || node->op == &vard_op_fill || node->op == &vard_op_pad
         || (node->op == &vard_op_slice && node->shape.dims[node->shape.n_dims - 1] > 1);
}
