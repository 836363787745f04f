/* vard-guidance.c - classifier-free guidance, both branches in one batch
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "diffusion/vard-guidance.h"

static VardNode *
twice (VardNode *node)
{
  return vard_concat ((VardNode *[]) { node, node }, 2, 0);
}

VardNode *
vard_guidance_record (VardModel *model, const VardGuidanceInputs *inputs)
{
  if (inputs->null_context == NULL)
    return vard_model_record_predict (model, inputs->latents, inputs->timesteps, inputs->context);

  gint64 n = inputs->latents->shape.dims[0];
  VardNode *null_context = vard_broadcast (inputs->null_context, inputs->context->shape);
  VardNode *both = vard_concat ((VardNode *[]) { inputs->context, null_context }, 2, 0);
  VardNode *out =
    vard_model_record_predict (model, twice (inputs->latents), twice (inputs->timesteps), both);
  VardNode *prompted = vard_slice (out, 0, 0, n);
  VardNode *null = vard_slice (out, 0, n, n);

  return vard_add (null, vard_mul (inputs->scale, vard_sub (prompted, null)));
}
