/* vard-vard-settings.c - the settings of the algorithm vard: pool, value network and objective
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-vard-settings.h"

#include "base/vard-fields.h"

G_DEFINE_FINAL_TYPE (VardVardSettings, vard_vard_settings, G_TYPE_OBJECT)

#define BOOLEAN(m, blurb, value) VARD_FIELD_BOOLEAN (VardVardSettings, m, blurb, value)
#define UINT(m, blurb, min, max, value) \
  VARD_FIELD_UINT (VardVardSettings, m, blurb, min, max, value)
#define DOUBLE(m, blurb, min, max, value) \
  VARD_FIELD_DOUBLE (VardVardSettings, m, blurb, min, max, value)

/* clang-format off */
static const VardField fields[] = {
  UINT (pool_size,
        "Pictures of the base model for the first value fit; 128 are enough with value-refresh",
        16, 1000000, 512),
  UINT (value_fit_updates,
        "Updates of the first value fit; raise it while value/r2 still rises at the end",
        1, 1000000,
        300),
  BOOLEAN (value_noisy,
           "Fit the value network on noisy states; if off, it learns only finished pictures but "
           "still guides every step (for ablations)",
           TRUE),
  UINT (value_batch, "States per value update", 1, 65536, 128),
  UINT (value_channels, "Channels of the value network's first stage", 8, 1024, 32),
  DOUBLE (value_learning_rate, "Learning rate at the start of the value fit", 1e-8, 1, 1e-3),
  DOUBLE (value_learning_rate_end, "Learning rate at the end of the value fit", 0, 1, 1e-4),
  BOOLEAN (value_refresh,
           "Keep fitting the value network on new pictures; calls the reward in every step and "
           "stays accurate as the model moves",
           FALSE),
  UINT (value_updates,
        "Value updates per step with value-refresh; use at least four times policy-updates, or "
        "the policy outruns the value network",
        1, 100000, 8),
  DOUBLE (value_refresh_learning_rate,
          "Learning rate of the value updates with value-refresh", 1e-8, 1, 5e-4),
  UINT (ring_size, "Number of newest trajectories kept for value-refresh", 1, 1000000, 256),
  DOUBLE (ring_share,
          "Share of a refresh batch drawn from the ring; the rest comes from the pool", 0, 1,
          0.75),

  VARD_FIELD_ENUM (VardVardSettings, whitening,
                   "Pictures whose mean and standard deviation scale the reward in training: the "
                   "base model's (base), or with value-refresh the newest (running); metrics "
                   "always use the base model's",
                   vard_whitening_get_type, VARD_WHITENING_BASE),
  UINT (score_interval,
        "Steps between scores of training pictures without value-refresh; 0 calls the reward "
        "only for the pool and evaluations",
        0, 1000000, 1),

  DOUBLE (kl_weight,
          "How much reward (in standard deviations) one nat of KL must buy. Higher keeps "
          "pictures closer to the base model; 0 destroys them",
          0, 1000, 0.03),
  DOUBLE (kl_target,
          "KL in nats per trajectory that training aims for by adjusting kl-weight; 0 keeps "
          "kl-weight fixed", 0, 1e6,
          0),
  DOUBLE (gamma, "Discount of the value for each denoising step that remains", 0, 1, 1),
  DOUBLE (q_min,
          "Lowest held-out value/r2 at which a denoising step follows the value gradient; -1 "
          "follows it everywhere",
          -1, 1, 0),
  DOUBLE (w_max,
          "Largest KL weight of a denoising step; steps above it get this weight and no value "
          "gradient", 1e-3,
          1e6, 1),
  DOUBLE (value_gradient_quantile,
          "Quantile of the recent gradient norms at a noise level to which longer value "
          "gradients are scaled down; 1 turns it off",
          0.5, 1, 1),
};
/* clang-format on */

static void
vard_vard_settings_class_init (VardVardSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
vard_vard_settings_init (VardVardSettings *self)
{
}
