/* vard-vard-settings.c - the numbers of the algorithm vard: pool, value network and objective
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
        "Pictures of the base model that the value network is first fitted on; 128 is enough when "
        "value-refresh is on",
        16, 1000000, 512),
  UINT (value_fit_updates,
        "Updates of the first value fit; raise it when value/r2 is still climbing", 1, 1000000,
        300),
  BOOLEAN (value_noisy,
           "Fit the value network on noisy states; off, it learns finished pictures alone and is "
           "followed on noisy ones all the same: to see what the noisy states are worth",
           TRUE),
  UINT (value_batch, "States per value update", 1, 65536, 128),
  UINT (value_channels, "Width of the value network's first stage", 8, 1024, 32),
  DOUBLE (value_learning_rate, "Adam's rate at the start of the value fit", 1e-8, 1, 1e-3),
  DOUBLE (value_learning_rate_end, "Adam's rate at the end of the value fit", 0, 1, 1e-4),
  BOOLEAN (value_refresh,
           "Keep fitting the value network on fresh pictures: calls the reward in every step, "
           "follows the model further",
           FALSE),
  UINT (value_updates,
        "Value updates per step when value-refresh is on; fewer than four times policy-updates "
        "lets the policy outrun it",
        1, 100000, 8),
  DOUBLE (value_refresh_learning_rate, "Adam's rate of these updates", 1e-8, 1, 5e-4),
  UINT (ring_size, "Newest trajectories kept for value-refresh", 1, 1000000, 256),
  DOUBLE (ring_share, "Share of a refresh batch drawn from them, the rest is from the pool", 0, 1,
          0.75),

  VARD_FIELD_ENUM (VardVardSettings, whitening,
                   "Whose mean and spread are the units that rewards are learned in: the base "
                   "model's, or with value-refresh those of the newest pictures (running); metrics "
                   "are in the base model's",
                   vard_whitening_get_type, VARD_WHITENING_BASE),
  UINT (score_interval,
        "Steps between scores of training pictures while value-refresh is off; 0 for never: the "
        "reward is only called for the pool and evaluations",
        0, 1000000, 1),

  DOUBLE (kl_weight,
          "The price of one nat of KL in standard deviations of reward: the main knob; 0 destroys "
          "the pictures, 0.1 is timid",
          0, 1000, 0.03),
  DOUBLE (kl_target, "Nats per trajectory that kl-weight is steered to; 0 leaves it alone", 0, 1e6,
          0),
  DOUBLE (gamma, "Discount of the value per step still to go", 0, 1, 1),
  DOUBLE (q_min, "Steps whose held-out value/r2 is below this get no value gradient; -1 trusts all",
          -1, 1, 0),
  DOUBLE (w_max, "Steps whose KL weight is above this get no value gradient, and this weight", 1e-3,
          1e6, 1),
  DOUBLE (value_gradient_quantile,
          "Value gradients are shortened to this quantile of their noise level's recent norms; 1 "
          "for never",
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
