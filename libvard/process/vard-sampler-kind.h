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
 * @VARD_SAMPLER_KIND_FLOW_EULER: Euler's method on a flow-matching model (arXiv 2210.02747)
 * @VARD_SAMPLER_KIND_FLOW_SDE: a flow-matching model with as much noise as eta says (arXiv
 * 2505.05470)
 *
 * What turns noise into a picture. The members are the lines of vard-samplers.def; each sampler's
 * file says what its steps are.
 */
typedef enum
{
#define VARD_SAMPLER(NAME, name, nick) VARD_SAMPLER_KIND_##NAME,
#include "process/vard-samplers.def"
#undef VARD_SAMPLER
} VardSamplerKind;

/**
 * VardSamplerFlags:
 * @VARD_SAMPLER_FLAGS_NONE: no flag
 * @VARD_SAMPLER_FLAGS_STOCHASTIC: steps add noise of their own
 * @VARD_SAMPLER_FLAGS_HAS_ETA: the user chooses how much, from 0 to 1
 * @VARD_SAMPLER_FLAGS_MULTISTEP: a step also reads the picture that the step before it predicted
 * @VARD_SAMPLER_FLAGS_TRAINABLE: each step's density follows from the state before it, as training
 * needs
 *
 * What callers must know of a sampler.
 */
typedef enum /*< flags >*/
{
  VARD_SAMPLER_FLAGS_NONE = 0,
  VARD_SAMPLER_FLAGS_STOCHASTIC = 1 << 0,
  VARD_SAMPLER_FLAGS_HAS_ETA = 1 << 1,
  VARD_SAMPLER_FLAGS_MULTISTEP = 1 << 2,
  VARD_SAMPLER_FLAGS_TRAINABLE = 1 << 3,
} VardSamplerFlags;

#define VARD_TYPE_SAMPLER_KIND (vard_sampler_kind_get_type ())

GType vard_sampler_kind_get_type (void) G_GNUC_CONST;
const char *vard_sampler_kind_to_string (VardSamplerKind kind);
VardSamplerFlags vard_sampler_kind_get_flags (VardSamplerKind kind);
char *vard_sampler_kind_list (VardSamplerFlags flags);
gboolean vard_sampler_kind_check_train (VardSamplerKind kind, GError **error);

G_END_DECLS
