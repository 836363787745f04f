/* vard-guidance.c - classifier-free guidance, both branches in one batch
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "diffusion/vard-guidance.h"

static VardNode *
vard_guidance_record_twice (VardNode *node)
{
  return vard_concat ((VardNode *[]) { node, node }, 2, 0);
}

/* the slot with the prompt's rows first and the null prompt's after them */
static VardNode *
vard_guidance_record_slot (VardNode *prompted, VardNode *null)
{
  VardNode *rows = vard_broadcast (null, prompted->shape);

  return vard_concat ((VardNode *[]) { prompted, rows }, 2, 0);
}

VardNode *
vard_guidance_record (VardModel *model, const VardGuidanceInputs *inputs)
{
  if (inputs->scale == NULL)
    return vard_model_record_predict (model, inputs->latents, inputs->timesteps, inputs->condition);

  gint64 n = inputs->latents->shape.dims[0];
  guint n_slots = vard_model_peek_info (model)->condition.n_slots;
  VardNode *both[VARD_CONDITION_MAX_SLOTS];

  for (guint i = 0; i < n_slots; i++)
    both[i] = vard_guidance_record_slot (inputs->condition[i], inputs->null_condition[i]);

  VardNode *out = vard_model_record_predict (model, vard_guidance_record_twice (inputs->latents),
                                             vard_guidance_record_twice (inputs->timesteps), both);
  VardNode *prompted = vard_slice (out, 0, 0, n);
  VardNode *null = vard_slice (out, 0, n, n);

  return vard_add (null, vard_mul (inputs->scale, vard_sub (prompted, null)));
}
