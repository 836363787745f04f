/* toy-run.c - a trainer on a toy, ready to go
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "toy-run.h"

#include "comm/vard-solo-communicator.h"
#include "engine/vard-engine-loader.h"
#include "engine/vard-reference-engine.h"
#include "process/vard-sampler-class.h"

VardTrainerSettings *
toy_run_settings (void)
{
  return g_object_new (VARD_TYPE_TRAINER_SETTINGS, "steps", 4, "seed", (guint64) 3, "sampler-steps",
                       6, "pool-size", 48, "value-fit-updates", 30, "value-batch", 24,
                       "value-channels", 8, "batch-size", 8, "states-per-update", 12,
                       "policy-updates", 2, "weights", VARD_TRAINED_WEIGHTS_FULL, "learning-rate",
                       0.02, "warm-up", 2, "q-min", -1.0, "ring-size", 16, "value-updates", 2,
                       "evaluation-prompts", 2, "evaluation-seeds", 4, "sample-interval", 0,
                       "checkpoint-interval", 0, NULL);
}

static VardModel *
toy_run_new_model (VardTrainerSettings *settings)
{
  VardSamplerKind sampler;

  g_object_get (settings, "sampler", &sampler, NULL);

  VardProcessKind process = vard_sampler_class_lookup (sampler)->process;

  return toy_model_new (4, 4, 1,
                        process == VARD_PROCESS_FLOW ? VARD_PREDICTION_VELOCITY
                                                     : VARD_PREDICTION_V);
}

/* Takes engine and model */
static void
toy_run_begin (ToyRun *self,
               VardEngine *engine,
               VardModel *model,
               const char *const *prompts,
               VardTrainerSettings *settings,
               double peak,
               VardCommunicator *communicator)
{
  g_autoptr (GError) error = NULL;

  self->engine = engine;
  self->model = model;
  self->pipeline = vard_pipeline_new (self->engine, self->model, &error);
  g_assert_no_error (error);
  self->reward = toy_reward_new (peak);
  self->mix = vard_reward_mix_new ();
  g_assert_true (
    vard_reward_mix_add (self->mix, self->reward, "grey", 1, VARD_REWARD_POLICY_REQUIRED, NULL));
  g_assert_true (vard_reward_mix_prepare (self->mix, NULL, NULL));
  self->prompts = vard_prompt_source_new (prompts);
  self->trainer = vard_trainer_new_on_rank (self->pipeline, self->mix, self->prompts, settings,
                                            communicator, &error);
  g_assert_no_error (error);
}

void
toy_run_init (ToyRun *self, VardTrainerSettings *settings, double peak)
{
  g_autoptr (VardCommunicator) alone = vard_solo_communicator_new ();

  toy_run_init_on_rank (self, settings, peak, alone);
}

void
toy_run_init_on_rank (ToyRun *self,
                      VardTrainerSettings *settings,
                      double peak,
                      VardCommunicator *communicator)
{
  toy_run_begin (self, vard_reference_engine_new (), toy_run_new_model (settings),
                 (const char *[]) { "0.2", "-0.2", NULL }, settings, peak, communicator);
}

void
toy_run_init_tiny (ToyRun *self,
                   VardTrainerSettings *settings,
                   double peak,
                   VardCommunicator *communicator)
{
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "data", "tiny-model", NULL);
  g_autoptr (GError) error = NULL;
  VardModel *model = vard_model_load (path, &error);

  g_assert_no_error (error);

  VardEngine *engine = vard_load_engine ("cpu", 1, &error);

  g_assert_no_error (error);
  toy_run_begin (self, engine, model, (const char *[]) { "cat", "sun", NULL }, settings, peak,
                 communicator);
}

void
toy_run_init_model (ToyRun *self,
                    VardModel *model,
                    const char *const *prompts,
                    VardTrainerSettings *settings,
                    double peak)
{
  g_autoptr (VardCommunicator) alone = vard_solo_communicator_new ();

  toy_run_begin (self, vard_reference_engine_new (), model, prompts, settings, peak, alone);
}

VardVardAlgorithm *
toy_run_peek_vard (ToyRun *self)
{
  return VARD_VARD_ALGORITHM (self->trainer->algorithm);
}

void
toy_run_clear (ToyRun *self)
{
  g_clear_object (&self->trainer);
  g_clear_object (&self->prompts);
  g_clear_object (&self->mix);
  g_clear_object (&self->reward);
  g_clear_object (&self->pipeline);
  g_clear_object (&self->model);
  g_clear_object (&self->engine);
}

void
toy_run_go (ToyRun *self)
{
  g_autoptr (GError) error = NULL;

  vard_trainer_run (self->trainer, NULL, &error);
  g_assert_no_error (error);
}

double
toy_run_lookup (VardMetrics *metrics, const char *name)
{
  double value = 0;

  if (!vard_metrics_lookup (metrics, name, &value))
    g_error ("no metric %s", name);

  return value;
}
