/* vard-sampler-kind.c - the names of the samplers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process/vard-sampler-kind.h"

#include "base/vard-error.h"
#include "process/vard-sampler-class.h"

static const VardSamplerClass *const sampler_classes[] = {
#define VARD_SAMPLER(NAME, name, nick) [VARD_SAMPLER_KIND_##NAME] = &vard_sampler_##name,
#include "process/vard-samplers.def"
#undef VARD_SAMPLER
};

GType
vard_sampler_kind_get_type (void)
{
  static const GEnumValue values[] = {
#define VARD_SAMPLER(NAME, name, nick) \
  { VARD_SAMPLER_KIND_##NAME, "VARD_SAMPLER_KIND_" #NAME, nick },
#include "process/vard-samplers.def"
#undef VARD_SAMPLER
    { 0, NULL, NULL },
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("VardSamplerKind", values));

  return type;
}

const VardSamplerClass *
vard_sampler_class_lookup (VardSamplerKind kind)
{
  return (guint) kind < G_N_ELEMENTS (sampler_classes) ? sampler_classes[kind] : NULL;
}

/**
 * vard_sampler_kind_to_string:
 * @kind: a sampler
 *
 * Returns: (transfer none): its name on the command line
 */
const char *
vard_sampler_kind_to_string (VardSamplerKind kind)
{
  const VardSamplerClass *klass = vard_sampler_class_lookup (kind);

  return klass != NULL ? klass->name : "unknown";
}

/**
 * vard_sampler_kind_get_flags:
 * @kind: a sampler
 *
 * Returns: what kind of steps it takes
 */
VardSamplerFlags
vard_sampler_kind_get_flags (VardSamplerKind kind)
{
  const VardSamplerClass *klass = vard_sampler_class_lookup (kind);

  g_return_val_if_fail (klass != NULL, VARD_SAMPLER_FLAGS_NONE);

  return klass->flags;
}

static char *
vard_sampler_kind_sampler_kind_join (GPtrArray *names)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < names->len; i++)
    {
      const char *between = i == 0 ? "" : i + 1 == names->len ? " or " : ", ";

      g_string_append_printf (text, "%s%s", between, (const char *) names->pdata[i]);
    }

  return g_string_free (text, FALSE);
}

/**
 * vard_sampler_kind_list:
 * @flags: what the samplers must have, all of it
 *
 * Returns: (transfer full): the names of the samplers that have it, for a message: "ddim, ddpm or
 * flow-sde"
 */
char *
vard_sampler_kind_list (VardSamplerFlags flags)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (sampler_classes); i++)
    if ((sampler_classes[i]->flags & flags) == flags)
      g_ptr_array_add (names, (gpointer) sampler_classes[i]->name);

  return vard_sampler_kind_sampler_kind_join (names);
}

char *
vard_sampler_class_list_process (VardProcessKind process)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (sampler_classes); i++)
    if (sampler_classes[i]->process == process)
      g_ptr_array_add (names, (gpointer) sampler_classes[i]->name);

  return vard_sampler_kind_sampler_kind_join (names);
}

VardSpacing
vard_sampler_class_get_spacing (const VardSamplerClass *klass, const VardProcess *process)
{
  return process->config.has_spacing ? process->config.spacing : klass->spacing;
}

/**
 * vard_sampler_kind_check_train:
 * @kind: a sampler
 * @error: where to put an error
 *
 * Says whether a model can be trained on the steps of this sampler: the KL of two models' steps
 * needs the density of each step, given the state before it.
 *
 * Returns: %TRUE if it can; else %FALSE with %VARD_ERROR_USAGE, which says why and names the
 * samplers that can
 */
gboolean
vard_sampler_kind_check_train (VardSamplerKind kind, GError **error)
{
  VardSamplerFlags flags = vard_sampler_kind_get_flags (kind);
  g_autofree char *others = NULL;

  if (flags & VARD_SAMPLER_FLAGS_TRAINABLE)
    return TRUE;

  others = vard_sampler_kind_list (VARD_SAMPLER_FLAGS_TRAINABLE);
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "%s cannot train: %s; use %s",
               vard_sampler_kind_to_string (kind),
               flags & VARD_SAMPLER_FLAGS_MULTISTEP
                 ? "its steps also depend on the picture that the step before predicted"
                 : "its steps add no noise, so they have no density",
               others);

  return FALSE;
}
