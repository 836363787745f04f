/* vard-training-settings.c - the settings of a training that do not depend on its algorithm
 *
 * None of the defaults are from the paper. They were measured on small models, and the ranges are
 * where the method is defined.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-training-settings-private.h"

#include "base/vard-fields.h"

/* Defaults if no rate is set; usual fine-tuning scripts have the same */
#define LORA_LEARNING_RATE 3e-4
#define FULL_LEARNING_RATE 3e-5

/**
 * VardTrainingSettings:
 *
 * The settings of a training that do not depend on its algorithm: the loop, the sampler, the
 * weights to train, the learning rate, and the intervals of evaluations, samples and checkpoints.
 * #VardTrainerSettings adds those of the algorithms.
 */
G_DEFINE_TYPE (VardTrainingSettings, vard_training_settings, G_TYPE_OBJECT)

G_DEFINE_ENUM_TYPE (VardTrainedWeights,
                    vard_trained_weights,
                    G_DEFINE_ENUM_VALUE (VARD_TRAINED_WEIGHTS_LORA, "lora"),
                    G_DEFINE_ENUM_VALUE (VARD_TRAINED_WEIGHTS_FULL, "full"))

G_DEFINE_ENUM_TYPE (VardWhitening,
                    vard_whitening,
                    G_DEFINE_ENUM_VALUE (VARD_WHITENING_BASE, "base"),
                    G_DEFINE_ENUM_VALUE (VARD_WHITENING_RUNNING, "running"))

#define BOOLEAN(m, blurb, value) VARD_FIELD_BOOLEAN (VardTrainingSettings, m, blurb, value)
#define UINT(m, blurb, min, max, value) \
  VARD_FIELD_UINT (VardTrainingSettings, m, blurb, min, max, value)
/* settings that a resume may change */
#define RESUMABLE(m, blurb, min, max, value) \
  VARD_FIELD_UINT_WITH (VardTrainingSettings, m, VARD_FIELD_FLAG_MAY_CHANGE, blurb, min, max, value)
#define UINT64(m, blurb, min, max, value) \
  VARD_FIELD_UINT64 (VardTrainingSettings, m, blurb, min, max, value)
#define DOUBLE(m, blurb, min, max, value) \
  VARD_FIELD_DOUBLE (VardTrainingSettings, m, blurb, min, max, value)
#define STRING(m, blurb, value) VARD_FIELD_STRING (VardTrainingSettings, m, blurb, value)
#define STRV(m, blurb) VARD_FIELD_STRV (VardTrainingSettings, m, blurb)

/* clang-format off */
static const VardField fields[] = {
  RESUMABLE (steps,
             "Policy iterations. More steps move the model further; the learning rate decays "
             "over all of them",
             0, 1000000, 40),
  UINT64 (seed, "Seed of all random numbers; the same seed repeats the run", 0, G_MAXUINT64,
          1),
  STRING (algorithm, "Algorithm that turns rewards into updates of the model: vard", "vard"),
  STRING (engine, "Engine that computes: cpu, cuda or reference", "cpu"),
  RESUMABLE (threads, "Threads of the engine; 0 uses one per core", 0, 1024, 0),

  VARD_FIELD_ENUM (VardTrainingSettings, sampler,
                   "Sampler, whose steps need a density to train: ddim, or ddpm, which adds no "
                   "noise in its last step; flow-sde for a flow model",
                   vard_sampler_kind_get_type, VARD_SAMPLER_KIND_DDIM),
  UINT (sampler_steps,
        "Denoising steps per picture; time and memory for states grow with it", 2, 1000,
        20),
  DOUBLE (sampler_eta,
          "Noise of ddim and flow-sde, where 1 is DDPM; a lower value makes the same change cost "
          "more KL",
          0.05, 1, 1),
  DOUBLE (guidance_scale,
          "Classifier-free guidance in training and evaluation; 1 turns it off and halves the "
          "cost",
          1, 30, 1),

  UINT (batch_size, "Trajectories sampled per step", 1, 65536, 32),
  UINT (states_per_update, "Noisy states per policy update", 1, 65536, 64),
  UINT (micro_batch, "States in memory at once; 0 takes all. Lower it to save memory", 0,
        65536, 0),
  BOOLEAN (segments,
           "Recompute the blocks of the model in the backward pass instead of storing "
           "activations; saves memory, costs about a quarter more work in policy updates",
           FALSE),
  UINT (policy_updates, "Policy updates per step", 1, 10000, 2),

  VARD_FIELD_ENUM (VardTrainingSettings, weights,
                   "Weights to train: lora (adapters) or full (every weight)",
                   vard_trained_weights_get_type, VARD_TRAINED_WEIGHTS_LORA),
  UINT (lora_rank,
        "Rank of the adapters; a higher rank can change more and makes larger files", 1, 4096, 8),
  DOUBLE (lora_alpha, "Strength of the adapters, which are scaled by alpha / rank", 1e-3, 1e4, 8),
  STRV (lora_targets,
        "Layers that get an adapter: attention (if empty), feed-forward, projections, or the end "
        "of a layer's name"),

  DOUBLE (learning_rate,
          "Learning rate of the policy; 0 takes 3e-4 for adapters and 3e-5 for full. A model of "
          "a few million parameters tolerates five times as much",
          0, 1, 0),
  DOUBLE (learning_rate_end,
          "Learning rate at the last step, as a share of learning-rate; without decay the last "
          "model may be a bad one",
          0, 1, 0.05),
  RESUMABLE (decay_steps,
        "Steps over which the learning rate decays; 0 takes all steps. Set it if you may extend "
        "the run", 0,
        1000000, 0),
  UINT (warm_up, "Policy updates until the learning rate is reached", 0, 100000, 10),
  DOUBLE (adam_beta1, "Adam's beta1, the decay of the mean gradient", 0, 0.9999, 0.9),
  DOUBLE (adam_beta2, "Adam's beta2, the decay of the mean squared gradient", 0, 0.999999, 0.99),
  DOUBLE (adam_epsilon, "Adam's epsilon, added to the denominator", 0, 1, 1e-8),
  DOUBLE (weight_decay, "Decoupled weight decay (AdamW); 0 turns it off", 0, 1, 0),
  DOUBLE (clip_norm,
          "Largest norm of a gradient; longer gradients are scaled down to it", 1e-6, 1e9, 1),
  DOUBLE (ema,
          "Decay of the moving average of the weights, which is evaluated and saved; 0 turns it "
          "off", 0, 0.99999,
          0),

  RESUMABLE (evaluation_interval,
             "Steps between evaluations; 0 evaluates only at the first and the last step",
             0, 1000000, 0),
  UINT (evaluation_prompts,
        "Number of prompts to evaluate, from the start of the list", 1, 4096, 16),
  UINT (evaluation_seeds, "Pictures per evaluated prompt, from seeds that training never uses", 2,
        4096, 8),
  RESUMABLE (sample_interval,
             "Steps between sample pictures, two per evaluated prompt; 0 draws them only in "
             "evaluations", 0,
             1000000, 10),
  RESUMABLE (checkpoint_interval,
             "Steps between checkpoints; 0 writes one only at the last step", 0, 1000000,
             10),
};
/* clang-format on */

/**
 * vard_training_settings_find_learning_rate:
 * @self: settings
 *
 * Returns: the learning rate of the policy: learning-rate, or if that is 0 the default for the
 *   weights that are trained
 */
double
vard_training_settings_find_learning_rate (VardTrainingSettings *self)
{
  g_return_val_if_fail (VARD_IS_TRAINING_SETTINGS (self), 0);

  if (self->learning_rate > 0)
    return self->learning_rate;

  return self->weights == VARD_TRAINED_WEIGHTS_LORA ? LORA_LEARNING_RATE : FULL_LEARNING_RATE;
}

void
vard_training_settings_move_goal (VardTrainingSettings *self, guint steps)
{
  if (self->decay_steps == 0)
    self->decay_steps = self->steps;
  self->steps = steps;
}

static void
vard_training_settings_class_init (VardTrainingSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
vard_training_settings_init (VardTrainingSettings *self)
{
}
