/* vard-sampler-kind.c - the names of the samplers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-kind.h"

#include "base/vard-error.h"

G_DEFINE_ENUM_TYPE (VardSamplerKind,
                    vard_sampler_kind,
                    G_DEFINE_ENUM_VALUE (VARD_SAMPLER_KIND_DDIM, "ddim"),
                    G_DEFINE_ENUM_VALUE (VARD_SAMPLER_KIND_DDPM, "ddpm"),
                    G_DEFINE_ENUM_VALUE (VARD_SAMPLER_KIND_EULER, "euler"),
                    G_DEFINE_ENUM_VALUE (VARD_SAMPLER_KIND_EULER_ANCESTRAL, "euler-ancestral"),
                    G_DEFINE_ENUM_VALUE (VARD_SAMPLER_KIND_DPMPP_2M, "dpmpp-2m"))

/**
 * vard_sampler_kind_to_string:
 * @kind: a sampler
 *
 * Returns: (transfer none): its name on the command line
 */
const char *
vard_sampler_kind_to_string (VardSamplerKind kind)
{
  g_autoptr (GEnumClass) values = g_type_class_ref (VARD_TYPE_SAMPLER_KIND);
  const GEnumValue *value = g_enum_get_value (values, kind);

  return value != NULL ? value->value_nick : "unknown";
}

/**
 * vard_sampler_kind_check_train:
 * @kind: a sampler
 * @error: where to put an error
 *
 * Says whether a model can be trained on what this sampler does: the KL of two models' steps needs
 * the density of each step.
 *
 * Returns: %TRUE if it can
 */
gboolean
vard_sampler_kind_check_train (VardSamplerKind kind, GError **error)
{
  if (kind == VARD_SAMPLER_KIND_DDIM || kind == VARD_SAMPLER_KIND_DDPM)
    return TRUE;

  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
               "Training needs a sampler whose steps are Gaussians of known density, ddim or ddpm; "
               "%s is for sampling alone",
               vard_sampler_kind_to_string (kind));
  return FALSE;
}
