/* cuda-fuse.c - which nodes the CUDA engine computes in one kernel
 *
 * vard-fusion.c makes the groups. A normalisation that one of them reads is computed by the same
 * kernel. Fills, broadcasts, slices and permutations are not members: each group reads them as
 * numbers and index maps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-fuse.h"
#include "cuda-region.h"

typedef struct
{
  const VardOpClass *op;
  const char *text;
} Expression;

/* clang-format off */
static const Expression expressions[] = {
  { &vard_op_neg, "-$0" }, { &vard_op_exp, "expf ($0)" }, { &vard_op_log, "logf ($0)" },
  { &vard_op_sqrt, "sqrtf ($0)" }, { &vard_op_rsqrt, "1 / sqrtf ($0)" },
  { &vard_op_square, "$0 * $0" },
  { &vard_op_reciprocal, "1 / $0" }, { &vard_op_sigmoid, "1 / (1 + expf (-$0))" },
  { &vard_op_silu, "$0 / (1 + expf (-$0))" }, { &vard_op_tanh, "tanhf ($0)" },
  { &vard_op_erf, "erff ($0)" },
  { &vard_op_gelu, "0.5f * $0 * (1 + erff ($0 * 0.70710678f))" }, { &vard_op_sin, "sinf ($0)" },
  { &vard_op_cos, "cosf ($0)" }, { &vard_op_abs, "fabsf ($0)" },
  { &vard_op_step, "$0 > 0 ? 1.0f : 0.0f" },
  { &vard_op_affine, "$p * $0 + $q" }, { &vard_op_clamp, "$0 < $p ? $p : $0 > $q ? $q : $0" },
  { &vard_op_add, "$0 + $1" }, { &vard_op_sub, "$0 - $1" }, { &vard_op_mul, "$0 * $1" },
  { &vard_op_div, "$0 / $1" }, { &vard_op_maximum, "$1 > $0 ? $1 : $0" },
  { &vard_op_minimum, "$1 < $0 ? $1 : $0" }, { &vard_op_select, "$0 > 0 ? $1 : $2" },
};
/* clang-format on */

const char *
cuda_op_find_expression (const VardOpClass *op)
{
  for (guint i = 0; i < G_N_ELEMENTS (expressions); i++)
    if (expressions[i].op == op)
      return expressions[i].text;
  return NULL;
}

gboolean
cuda_op_is_elementwise (const VardNode *node)
{
  return node->dtype == VARD_DTYPE_F32 && cuda_op_find_expression (node->op) != NULL;
}

/* elements of four bytes are moved as floats */
gboolean
cuda_op_is_pattern (const VardNode *node)
{
  return vard_dtype_get_size (node->dtype) == sizeof (float)
         && (node->op == &vard_op_fill || node->op == &vard_op_broadcast
             || node->op == &vard_op_slice || node->op == &vard_op_permute);
}

#define MAX_MEMBERS 32

static guint
cuda_count_numbers (const VardNode *node)
{
  return node->op == &vard_op_affine || node->op == &vard_op_clamp ? 2 : 0;
}

/* Each member but the root is an argument of another, so loads are at most the arguments that are
 * left: any of them may be an input, an index map, or a number */
static gboolean
cuda_has_room (const VardFusionGroup *group, const VardNode *node)
{
  guint n_loads = group->n_arguments + node->n_inputs - group->members->len,
        n_numbers = cuda_count_numbers (node) + n_loads;

  for (guint i = 0; i < group->members->len; i++)
    n_numbers += cuda_count_numbers (group->members->pdata[i]);

  return group->members->len < MAX_MEMBERS && n_loads <= CUDA_REGION_MAX_MAPS
         && n_numbers <= CUDA_REGION_MAX_NUMBERS;
}

static const VardFusionRules rules = { CUDA_REGION_MAX_OUTPUTS, cuda_op_is_elementwise,
                                       cuda_has_room };

G_STATIC_ASSERT (CUDA_REGION_MAX_OUTPUTS <= VARD_FUSION_MAX_OUTPUTS);

VardFusion *
cuda_fusion_new (VardLowering *lowering)
{
  return vard_fusion_new (lowering, &rules);
}

/* a normalisation that a member reads element by element */
static VardNode *
cuda_find_normalized (VardFusion *fusion, const VardFusionGroup *group, gboolean *is_output)
{
  for (guint i = 0; i < group->members->len; i++)
    {
      const VardNode *member = group->members->pdata[i];

      for (guint k = 0; k < member->n_inputs; k++)
        {
          VardNode *input = member->inputs[k];

          while (vard_fusion_passes_through (input) && fusion->group_of[input->id] == group)
            input = input->inputs[0];
          if (input->op == &vard_op_normalize && fusion->group_of[input->id] == NULL
              && vard_fusion_can_feed (fusion, input, group, is_output))
            return input;
        }
    }

  return NULL;
}

void
cuda_fusion_find_normalized (VardFusion *fusion)
{
  for (guint i = 0; i < fusion->groups->len; i++)
    {
      VardFusionGroup *group = fusion->groups->pdata[i];
      gboolean is_output;
      VardNode *node = group->producer == NULL ? cuda_find_normalized (fusion, group, &is_output)
                                               : NULL;

      if (node != NULL)
        vard_fusion_set_producer (fusion, group, node, is_output);
    }
}
