/* test-sampler-kind.c - the table of samplers: names, flags, and what they promise
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-error.h"
#include "process/vard-sampler-class.h"

#include <math.h>
#include <string.h>

static guint
count_kinds (void)
{
  g_autoptr (GEnumClass) kinds = g_type_class_ref (VARD_TYPE_SAMPLER_KIND);

  return kinds->n_values;
}

static VardSampler *
new_sampler (VardSamplerKind kind, double eta)
{
  const VardSamplerClass *klass = vard_sampler_class_lookup (kind);
  gboolean is_flow = klass->process == VARD_PROCESS_FLOW;
  VardScheduleConfig config = {
    .process = klass->process,
    .n_train_timesteps = 1000,
    .beta_start = 0.00085,
    .beta_end = 0.012,
    .betas = VARD_BETAS_SCALED_LINEAR,
    .steps_offset = 1,
    .shift = 1,
    .prediction = is_flow ? VARD_PREDICTION_VELOCITY : VARD_PREDICTION_V,
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (VardProcess) process = vard_process_new (&config, NULL);
  VardSampler *sampler = vard_sampler_new (process, kind, 20, eta, &error);

  g_assert_no_error (error);

  return sampler;
}

/* The names of the enumeration, of the classes and of the order that old numbers rely on */
static void
test_sampler_kind_names (void)
{
  g_autoptr (GEnumClass) kinds = g_type_class_ref (VARD_TYPE_SAMPLER_KIND);

  g_assert_cmpuint (count_kinds (), >=, 7);
  for (guint kind = 0; kind < count_kinds (); kind++)
    {
      const GEnumValue *value = g_enum_get_value (kinds, kind);

      g_assert_nonnull (value);
      g_assert_cmpstr (value->value_nick, ==, vard_sampler_kind_to_string (kind));
      g_assert_true (g_str_has_prefix (value->value_name, "VARD_SAMPLER_KIND_"));
    }
  g_assert_cmpint (VARD_SAMPLER_KIND_DDIM, ==, 0);
  g_assert_cmpint (VARD_SAMPLER_KIND_DPMPP_2M, ==, 4);
  g_assert_cmpstr (vard_sampler_kind_to_string (count_kinds ()), ==, "unknown");
}

/* What the flags say of a sampler, its steps do */
static void
test_sampler_kind_flags (void)
{
  for (guint kind = 0; kind < count_kinds (); kind++)
    {
      VardSamplerFlags flags = vard_sampler_kind_get_flags (kind);
      g_autoptr (VardSampler) all = new_sampler (kind, 1), none = new_sampler (kind, 0);
      gboolean has_noise = FALSE, has_memory = FALSE, has_eta = FALSE, has_density = TRUE;

      g_assert_true (vard_sampler_get_flags (all) == flags);
      for (guint i = 0; i < 20; i++)
        {
          const VardSamplerStep *step = &all->steps[i];

          has_noise |= step->sigma > 0;
          has_memory |= step->clean_scale != 0;
          has_eta |= step->sigma != none->steps[i].sigma;
          has_density &= i == 19 || isfinite (step->kl_per_change);
        }
      g_assert_true (has_noise == ((flags & VARD_SAMPLER_FLAGS_STOCHASTIC) != 0));
      g_assert_true (has_memory == ((flags & VARD_SAMPLER_FLAGS_MULTISTEP) != 0));
      g_assert_true (has_eta == ((flags & VARD_SAMPLER_FLAGS_HAS_ETA) != 0));
      g_assert_true (has_density == ((flags & VARD_SAMPLER_FLAGS_TRAINABLE) != 0));
    }
}

static void
test_sampler_kind_train (void)
{
  g_autoptr (GError) still = NULL, memory = NULL;
  g_autofree char *names = vard_sampler_kind_list (VARD_SAMPLER_FLAGS_TRAINABLE);

  g_assert_cmpstr (names, ==, "ddim, ddpm, euler-ancestral or flow-sde");
  for (guint kind = 0; kind < count_kinds (); kind++)
    if (vard_sampler_kind_get_flags (kind) & VARD_SAMPLER_FLAGS_TRAINABLE)
      g_assert_true (vard_sampler_kind_check_train (kind, NULL));

  g_assert_false (vard_sampler_kind_check_train (VARD_SAMPLER_KIND_EULER, &still));
  g_assert_error (still, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (still->message, "euler cannot train: its steps add no noise"));
  g_assert_nonnull (strstr (still->message, names));
  g_assert_false (vard_sampler_kind_check_train (VARD_SAMPLER_KIND_DPMPP_2M, &memory));
  g_assert_error (memory, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (memory->message, "the step before"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sampler-kind/names", test_sampler_kind_names);
  g_test_add_func ("/sampler-kind/flags", test_sampler_kind_flags);
  g_test_add_func ("/sampler-kind/train", test_sampler_kind_train);
  return g_test_run ();
}
