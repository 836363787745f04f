/* vard-sampler-kind.h - the names of the samplers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * VardSamplerKind:
 * @VARD_SAMPLER_KIND_DDIM: DDIM, with as much noise as eta says (arXiv 2010.02502)
 * @VARD_SAMPLER_KIND_DDPM: the posterior of DDPM on the chosen timesteps (arXiv 2006.11239)
 * @VARD_SAMPLER_KIND_EULER: Euler's method on the probability flow (arXiv 2206.00364)
 * @VARD_SAMPLER_KIND_EULER_ANCESTRAL: the same with fresh noise in every step
 * @VARD_SAMPLER_KIND_DPMPP_2M: DPM-Solver++ of second order, multistep (arXiv 2211.01095)
 *
 * What goes from noise to a picture. All but the last are steps that know the present state alone.
 */
typedef enum
{
  VARD_SAMPLER_KIND_DDIM,
  VARD_SAMPLER_KIND_DDPM,
  VARD_SAMPLER_KIND_EULER,
  VARD_SAMPLER_KIND_EULER_ANCESTRAL,
  VARD_SAMPLER_KIND_DPMPP_2M,
} VardSamplerKind;

#define VARD_TYPE_SAMPLER_KIND (vard_sampler_kind_get_type ())
GType vard_sampler_kind_get_type (void) G_GNUC_CONST;
const char *vard_sampler_kind_to_string (VardSamplerKind kind);
/* An error unless every step is a Gaussian whose density is known, as training needs it */
gboolean vard_sampler_kind_check_train (VardSamplerKind kind, GError **error);

G_END_DECLS
