/* vard-trainer-settings.c - every number that decides how a model is fine-tuned
 *
 * Nothing here is from the paper: the defaults are those that were measured on small models, and
 * the ranges are where the method is defined.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-settings-private.h"

#include "base/vard-fields.h"

/* where none is set; of the fine-tuning scripts that people come from */
#define LORA_LEARNING_RATE 3e-4
#define FULL_LEARNING_RATE 3e-5

G_DEFINE_FINAL_TYPE (VardTrainerSettings, vard_trainer_settings, G_TYPE_OBJECT)

G_DEFINE_ENUM_TYPE (VardTrainedWeights,
                    vard_trained_weights,
                    G_DEFINE_ENUM_VALUE (VARD_TRAINED_WEIGHTS_LORA, "lora"),
                    G_DEFINE_ENUM_VALUE (VARD_TRAINED_WEIGHTS_FULL, "full"))

G_DEFINE_ENUM_TYPE (VardWhitening,
                    vard_whitening,
                    G_DEFINE_ENUM_VALUE (VARD_WHITENING_BASE, "base"),
                    G_DEFINE_ENUM_VALUE (VARD_WHITENING_RUNNING, "running"))

#define BOOLEAN(m, blurb, value) VARD_FIELD_BOOLEAN (VardTrainerSettings, m, blurb, value)
#define UINT(m, blurb, min, max, value) \
  VARD_FIELD_UINT (VardTrainerSettings, m, blurb, min, max, value)
#define UINT64(m, blurb, min, max, value) \
  VARD_FIELD_UINT64 (VardTrainerSettings, m, blurb, min, max, value)
#define DOUBLE(m, blurb, min, max, value) \
  VARD_FIELD_DOUBLE (VardTrainerSettings, m, blurb, min, max, value)
#define STRING(m, blurb, value) VARD_FIELD_STRING (VardTrainerSettings, m, blurb, value)
#define STRV(m, blurb) VARD_FIELD_STRV (VardTrainerSettings, m, blurb)

/* clang-format off */
static const VardField fields[] = {
  UINT (steps,
        "Policy iterations: more move the model further; learning-rate decay is spread over them",
        0, 1000000, 40),
  UINT64 (seed, "Where all random numbers come from: the same seed repeats the run", 0, G_MAXUINT64,
          1),
  STRING (engine, "What computes: cpu, cuda or reference", "cpu"),
  UINT (threads, "Threads of the engine, 0 for one per core", 0, 1024, 0),

  VARD_FIELD_ENUM (VardTrainerSettings, sampler,
                   "What turns noise into a picture. Training needs steps with a density: ddim, or "
                   "ddpm, which ends clean; a flow model takes flow-sde",
                   vard_sampler_kind_get_type, VARD_SAMPLER_KIND_DDIM),
  UINT (sampler_steps, "Denoising steps per picture; time and stored states grow with it", 2, 1000,
        20),
  DOUBLE (sampler_eta,
          "Noise of ddim and flow-sde: 1 is DDPM; below 1 the KL of a given change grows",
          0.05, 1, 1),
  DOUBLE (guidance_scale, "Classifier-free guidance in training and evaluation; 1 halves the cost",
          1, 30, 1),

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

  VARD_FIELD_ENUM (VardTrainerSettings, whitening,
                   "Whose mean and spread are the units that rewards are learned in: the base "
                   "model's, or with value-refresh those of the newest pictures (running); metrics "
                   "are in the base model's",
                   vard_whitening_get_type, VARD_WHITENING_BASE),

  UINT (batch_size, "Trajectories sampled per step", 1, 65536, 32),
  UINT (states_per_update, "Noisy states per policy update", 1, 65536, 64),
  UINT (micro_batch, "States held in memory at once, 0 for all: lower it when memory is short", 0,
        65536, 0),
  BOOLEAN (segments,
           "Compute the blocks of the model again on the way back instead of keeping what is "
           "inside: less memory, about a quarter more work in policy updates",
           FALSE),
  UINT (policy_updates, "Policy updates per step", 1, 10000, 2),
  VARD_FIELD_ENUM (VardTrainerSettings, weights, "What is trained: lora (adapters) or full",
                   vard_trained_weights_get_type, VARD_TRAINED_WEIGHTS_LORA),
  UINT (lora_rank, "Rank of the adapters: more can change more, and weighs more", 1, 4096, 8),
  DOUBLE (lora_alpha, "Strength of the adapters: they are scaled by alpha over rank", 1e-3, 1e4, 8),
  STRV (lora_targets, "Layers that get an adapter: attention, feed-forward, projections, or the "
                      "end of a layer's name; empty for attention"),
  DOUBLE (learning_rate,
          "Adam's rate of the policy, 0 for what suits the weights: 3e-4 for adapters, 3e-5 for "
          "full; a model of a few million parameters bears five times more",
          0, 1, 0),
  DOUBLE (learning_rate_end,
          "Share of it that is left at the last step; without decay the last model may be a bad "
          "one",
          0, 1, 0.05),
  UINT (decay_steps,
        "Steps over which the rate falls, 0 for all: set it when a run may be prolonged", 0,
        1000000, 0),
  UINT (warm_up, "Policy updates until the full rate", 0, 100000, 10),
  DOUBLE (adam_beta1, "Adam's decay of the mean gradient", 0, 0.9999, 0.9),
  DOUBLE (adam_beta2, "Adam's decay of the squared gradient", 0, 0.999999, 0.99),
  DOUBLE (adam_epsilon, "Added to Adam's denominator", 0, 1, 1e-8),
  DOUBLE (weight_decay, "Decoupled weight decay (AdamW); 0 is Adam", 0, 1, 0),
  DOUBLE (clip_norm, "Gradients longer than this are shortened to it", 1e-6, 1e9, 1),
  DOUBLE (ema, "Decay of the averaged weights that are evaluated and saved; 0 for none", 0, 0.99999,
          0),

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

  UINT (evaluation_interval, "Steps between evaluations; 0 for the first and the last step only", 0,
        1000000, 0),
  UINT (evaluation_prompts, "Prompts of the evaluation, the first ones of the list", 1, 4096, 16),
  UINT (evaluation_seeds, "Pictures per evaluated prompt, with seeds that training never uses", 2,
        4096, 8),
  UINT (score_interval,
        "Steps between scores of training pictures while value-refresh is off; 0 for never: the "
        "reward is only called for the pool and evaluations",
        0, 1000000, 1),
  UINT (sample_interval,
        "Steps between sample pictures, two per evaluated prompt; 0 for evaluations only", 0,
        1000000, 10),
  UINT (checkpoint_interval, "Steps between checkpoints; 0 for the last step only", 0, 1000000, 10),
};
/* clang-format on */

/**
 * vard_trainer_settings_new:
 *
 * Returns: (transfer full): settings with every default
 */
VardTrainerSettings *
vard_trainer_settings_new (void)
{
  return g_object_new (VARD_TYPE_TRAINER_SETTINGS, NULL);
}

/**
 * vard_trainer_settings_copy:
 * @self: settings
 *
 * Returns: (transfer full): other settings of the same values
 */
VardTrainerSettings *
vard_trainer_settings_copy (VardTrainerSettings *self)
{
  g_return_val_if_fail (VARD_IS_TRAINER_SETTINGS (self), NULL);

  VardTrainerSettings *copy = vard_trainer_settings_new ();

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      g_autofree char *name = g_strdelimit (g_strdup (fields[i].member), "_", '-');
      g_auto (GValue) value = G_VALUE_INIT;

      g_object_get_property (G_OBJECT (self), name, &value);
      g_object_set_property (G_OBJECT (copy), name, &value);
    }

  return copy;
}

/**
 * vard_trainer_settings_find_learning_rate:
 * @self: settings
 *
 * Returns: the rate that the policy is trained with: learning-rate, or where that is 0 what suits
 * the weights
 */
double
vard_trainer_settings_find_learning_rate (VardTrainerSettings *self)
{
  g_return_val_if_fail (VARD_IS_TRAINER_SETTINGS (self), 0);

  if (self->learning_rate > 0)
    return self->learning_rate;

  return self->weights == VARD_TRAINED_WEIGHTS_LORA ? LORA_LEARNING_RATE : FULL_LEARNING_RATE;
}

static void
vard_trainer_settings_class_init (VardTrainerSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
vard_trainer_settings_init (VardTrainerSettings *self)
{
}
