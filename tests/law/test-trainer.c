/* test-trainer.c - the whole trainer on a toy: it learns, resumes exactly, stops and fails in good
 * order
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "toy-run.h"

#include "base/vard-error.h"
#include "tensor/vard-safetensors.h"

#include <glib/gstdio.h>
#include <math.h>

/* ---- what is heard of a run ---- */

typedef struct
{
  guint n_steps, n_evaluations, n_samples, n_checkpoints;
  GString *phases;
  const char *last_noisy; /* the metric of the last state with noise */
  double base_kl, last_kl, gain;
} Heard;

static void
on_progress (VardTrainer *trainer,
             const char *phase,
             double fraction,
             VardMetrics *metrics,
             Heard *heard)
{
  g_assert_cmpfloat (fraction, >=, 0);
  g_assert_cmpfloat (fraction, <=, 1 + 1e-9);
  if (!g_str_has_suffix (heard->phases->str, phase))
    g_string_append_printf (heard->phases, " %s", phase);
}

static void
on_step (VardTrainer *trainer, guint64 step, VardMetrics *metrics, Heard *heard)
{
  g_assert_cmpuint (step, ==, heard->n_steps++);
  toy_run_lookup (metrics, "reward/mean");
  toy_run_lookup (metrics, "kl/trajectory");
  if (step == 0)
    toy_run_lookup (metrics, heard->last_noisy);
}

static void
on_evaluation (VardTrainer *trainer, guint64 step, VardEvaluation *evaluation, Heard *heard)
{
  VardMetrics *metrics = vard_evaluation_peek_metrics (evaluation);

  heard->n_evaluations++;
  heard->last_kl = toy_run_lookup (metrics, "kl/trajectory");
  if (step == 0)
    heard->base_kl = heard->last_kl;
  else
    heard->gain = toy_run_lookup (metrics, "reward/gain-sd");
  g_assert_cmpfloat (toy_run_lookup (metrics, "diversity/pairwise"), >, 0);
  g_assert_cmpint (vard_image_get_width (vard_evaluation_get_image (evaluation, 1, 3)), ==, 4);
  g_assert_true (isfinite (vard_evaluation_get_score (evaluation, "grey", 1, 3)));
}

static void
on_samples (VardTrainer *trainer, guint64 step, VardEvaluation *evaluation, Heard *heard)
{
  heard->n_samples++;
  g_assert_cmpuint (vard_evaluation_get_n_seeds (evaluation), ==, 2);
}

static void
on_checkpoint (VardTrainer *trainer, guint64 step, Heard *heard)
{
  heard->n_checkpoints++;
}

static void
listen (ToyRun *run, Heard *heard)
{
  *heard = (Heard) { .phases = g_string_new (""), .last_noisy = "value/r2/1" };
  g_signal_connect (run->trainer, "progress", G_CALLBACK (on_progress), heard);
  g_signal_connect (run->trainer, "step", G_CALLBACK (on_step), heard);
  g_signal_connect (run->trainer, "evaluation", G_CALLBACK (on_evaluation), heard);
  g_signal_connect (run->trainer, "samples", G_CALLBACK (on_samples), heard);
  g_signal_connect (run->trainer, "checkpoint", G_CALLBACK (on_checkpoint), heard);
}

/* ---- it learns ---- */

typedef struct
{
  const char *name;
  VardTrainedWeights weights;
  gboolean refreshes;
  double guidance, ema;
  VardSamplerKind sampler;
  const char *last_noisy;
  double w_max;
} LearnRow;

static const LearnRow learn_rows[] = {
  { "/trainer/learns/full", VARD_TRAINED_WEIGHTS_FULL, FALSE, 1, 0, VARD_SAMPLER_KIND_DDIM,
    "value/r2/1", 1 },
  { "/trainer/learns/full-refresh", VARD_TRAINED_WEIGHTS_FULL, TRUE, 1, 0, VARD_SAMPLER_KIND_DDIM,
    "value/r2/1", 1 },
  { "/trainer/learns/full-guided-ema", VARD_TRAINED_WEIGHTS_FULL, FALSE, 2, 0.5,
    VARD_SAMPLER_KIND_DDIM, "value/r2/1", 1 },
  { "/trainer/learns/euler-ancestral", VARD_TRAINED_WEIGHTS_FULL, FALSE, 1, 0,
    VARD_SAMPLER_KIND_EULER_ANCESTRAL, "value/r2/0", 4 },
  { "/trainer/learns/flow", VARD_TRAINED_WEIGHTS_FULL, TRUE, 1, 0, VARD_SAMPLER_KIND_FLOW_SDE,
    "value/r2/166.667", 1 },
};

static void
test_trainer_learns (gconstpointer data)
{
  const LearnRow *row = data;
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  ToyRun run;
  Heard heard;

  g_object_set (settings, "weights", row->weights, "value-refresh", row->refreshes, "steps", 12,
                "guidance-scale", row->guidance, "ema", row->ema, "learning-rate", 0.05,
                "value-fit-updates", 80, "value-gradient-quantile", 0.9, "sample-interval", 5,
                "sampler", row->sampler, "w-max", row->w_max, NULL);
  toy_run_init (&run, settings, 2);
  listen (&run, &heard);
  heard.last_noisy = row->last_noisy;
  toy_run_go (&run);
  g_test_message ("KL %.3f nats, gain %.2f sd", heard.last_kl, heard.gain);

  g_assert_cmpstr (heard.phases->str, ==,
                   " pool value-fit evaluation step evaluation step evaluation step evaluation");
  g_assert_cmpuint (heard.n_steps, ==, 13);
  g_assert_cmpuint (heard.n_evaluations, ==, 2);
  g_assert_cmpuint (heard.n_samples, ==, 2);
  g_assert_cmpuint (heard.n_checkpoints, ==, 1);
  g_assert_cmpfloat (heard.base_kl, ==, 0);
  g_assert_cmpfloat (heard.last_kl, >, 0.1);
  g_assert_cmpfloat (heard.gain, >, 0.5);
  g_assert_true (vard_trainer_is_finished (run.trainer));
  g_string_free (heard.phases, TRUE);
  toy_run_clear (&run);
}

/* ---- adapters ---- */

static void
remove_folder (const char *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);

  for (const char *name = g_dir_read_name (dir); name != NULL; name = g_dir_read_name (dir))
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      g_unlink (file);
    }
  g_dir_close (dir);
  g_rmdir (path);
}

/* What is not an adapter stays; no KL before the first update, some after it; the file is as
 * diffusers spells it */
/* Fitted on finished pictures alone, the value network knows those, and less than it could of the
 * states before */
static void
test_trainer_value_of_pictures (void)
{
  double finished[2], noisy[2];

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
      ToyRun run;
      guint n_steps;

      g_object_set (settings, "value-noisy", i == 0, "value-fit-updates", 150, "pool-size", 128,
                    "steps", 1, NULL);
      toy_run_init (&run, settings, 2);
      toy_run_go (&run);
      n_steps = run.trainer->training->sampler->n_steps;
      finished[i] = toy_run_peek_vard (&run)->r2[n_steps];
      noisy[i] = toy_run_peek_vard (&run)->r2[n_steps / 2];
      toy_run_clear (&run);
    }
  g_test_message ("R2 of finished and half noisy states: %.3f %.3f, and without noisy ones %.3f "
                  "%.3f",
                  finished[0], noisy[0], finished[1], noisy[1]);
  g_assert_cmpfloat (finished[1], >, 0.8);
  g_assert_cmpfloat (noisy[1], <, noisy[0] - 0.05);
}

static void
test_trainer_adapters (void)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autofree char *folder = g_dir_make_tmp ("vard-export-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "pytorch_lora_weights.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  ToyRun run;
  Heard heard;

  g_object_set (settings, "weights", VARD_TRAINED_WEIGHTS_LORA, "lora-rank", 2, "lora-alpha", 6.0,
                "lora-targets", (const char *[]) { "to_q", NULL }, NULL);
  toy_run_init (&run, settings, 2);
  listen (&run, &heard);
  toy_run_go (&run);
  g_assert_cmpfloat (heard.base_kl, ==, 0);
  g_assert_cmpfloat (heard.last_kl, >, 0);
  g_assert_cmpint (run.trainer->training->set->n_trainable, ==, 4);
  for (guint i = 0; i < 1000; i++)
    g_assert_cmpfloat (vard_tensor_peek_f32 (
                         toy_model_peek_shift (TOY_MODEL (run.model))->tensor)[i],
                       ==, 0);

  vard_trainer_export (run.trainer, folder, &error);
  g_assert_no_error (error);
  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, &error);
  g_assert_no_error (error);
  g_autoptr (VardTensor) up = vard_safetensors_lookup (file, "unet.to_q.lora.up.weight", &error);
  g_assert_no_error (error);
  g_assert_true (vard_safetensors_contains (file, "unet.to_q.lora.down.weight"));
  /* A is first in the flat weights, B begins at the next boundary; readers take alpha to be the
   * rank */
  g_assert_cmpfloat_with_epsilon (vard_tensor_peek_f32 (up)[1],
                                  3
                                    * vard_tensor_peek_f32 (
                                      run.trainer->training->set->weights)[17],
                                  1e-7);
  g_string_free (heard.phases, TRUE);
  toy_run_clear (&run);
  remove_folder (folder);
}

/* ---- resume ---- */

static float *
dup_weights (ToyRun *run, gsize *size)
{
  VardParameterSet *value = vard_value_fit_peek_parameters (toy_run_peek_vard (run)->value);
  gsize n = run->trainer->training->set->count, m = value->count;
  float *all = g_new (float, n + m);

  memcpy (all, vard_tensor_peek_f32 (run->trainer->training->set->weights), n * sizeof (float));
  memcpy (all + n, vard_tensor_peek_f32 (value->weights), m * sizeof (float));
  *size = (n + m) * sizeof (float);

  return all;
}

/* Saved after @n_units of work and gone on with by another trainer: the same numbers, bit for bit
 */
/* Whether the running statistics of the only reward are others than the pool's */
static gboolean
has_moved (VardRewardMix *mix)
{
  g_autoptr (JsonObject) statistics = vard_reward_mix_get_statistics (mix);
  JsonObject *entry =
    json_object_get_object_member (statistics, vard_reward_mix_get_label (mix, 0));

  return json_object_get_double_member (entry, "mean")
         != json_object_get_double_member (entry, "running-mean");
}

/* added to the units of work before the resume: with running whitening */
#define RUNNING 0x100

static void
test_trainer_resume (gconstpointer data)
{
  guint n_units = GPOINTER_TO_UINT (data) & 0xff;
  gboolean is_running = (GPOINTER_TO_UINT (data) & RUNNING) != 0;
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autofree char *folder = g_dir_make_tmp ("vard-state-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;
  ToyRun whole, first, second;
  gsize size, size_again;

  g_object_set (settings, "value-refresh", TRUE, "kl-target", 0.01, "ema", 0.9,
                "value-gradient-quantile", 0.9, "whitening",
                is_running ? VARD_WHITENING_RUNNING : VARD_WHITENING_BASE, NULL);
  toy_run_init (&whole, settings, 0.6);
  toy_run_go (&whole);
  g_autofree float *expected = dup_weights (&whole, &size);
  g_assert_true (has_moved (whole.mix) == is_running);

  toy_run_init (&first, settings, 0.6);
  for (guint i = 0; i < n_units; i++)
    g_assert_true (vard_trainer_advance (first.trainer, NULL, NULL));
  g_assert_true (vard_trainer_save_state (first.trainer, folder, &error));
  g_assert_no_error (error);
  toy_run_clear (&first);

  toy_run_init (&second, settings, 0.6);
  vard_trainer_load_state (second.trainer, folder, &error);
  g_assert_no_error (error);
  toy_run_go (&second);
  g_autofree float *found = dup_weights (&second, &size_again);

  g_assert_cmpuint (size, ==, size_again);
  g_assert_cmpint (memcmp (expected, found, size), ==, 0);
  g_assert_cmpfloat (toy_run_lookup (whole.trainer->training->metrics, "reward/mean"), ==,
                     toy_run_lookup (second.trainer->training->metrics, "reward/mean"));
  g_assert_cmpfloat (toy_run_peek_vard (&whole)->kl.weight, ==,
                     toy_run_peek_vard (&second)->kl.weight);
  g_assert_cmpfloat (toy_run_peek_vard (&whole)->kl.weight, !=,
                     toy_run_peek_vard (&whole)->kl.start);
  toy_run_clear (&whole);
  toy_run_clear (&second);
  remove_folder (folder);
}

static void
test_trainer_other_state (void)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autofree char *folder = g_dir_make_tmp ("vard-state-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;
  ToyRun run;

  toy_run_init (&run, settings, 0.6);
  g_assert_true (vard_trainer_advance (run.trainer, NULL, NULL));
  g_assert_true (vard_trainer_save_state (run.trainer, folder, NULL));
  toy_run_clear (&run);

  g_object_set (settings, "sampler-steps", 7, NULL);
  toy_run_init (&run, settings, 0.6);
  g_assert_false (vard_trainer_load_state (run.trainer, folder, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_false (vard_trainer_advance (run.trainer, NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_FAILED);
  toy_run_clear (&run);
  remove_folder (folder);
}

static void
keep_prompts (VardTrainer *trainer, guint64 step, VardEvaluation *evaluation, GString *text)
{
  for (guint i = 0; i < vard_evaluation_get_n_prompts (evaluation); i++)
    g_string_append_printf (text, " %s", vard_evaluation_get_prompt (evaluation, i));
}

static void
test_trainer_evaluation_prompts (void)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autoptr (VardPromptSource) prompts =
    vard_prompt_source_new ((const char *[]) { "1", "-1", "0", NULL });
  g_autoptr (GString) text = g_string_new ("");
  ToyRun run;

  g_object_set (settings, "steps", 0, NULL);
  toy_run_init (&run, settings, 0.6);
  g_assert_true (vard_trainer_set_evaluation_prompts (run.trainer, prompts, NULL));
  g_signal_connect (run.trainer, "evaluation", G_CALLBACK (keep_prompts), text);
  toy_run_go (&run);
  g_assert_cmpstr (text->str, ==, " 1 -1");
  toy_run_clear (&run);
}

/* ---- stopping and failing ---- */

static void
stop_at_second (VardTrainer *trainer, guint64 step, VardMetrics *metrics, gpointer data)
{
  if (step == 2)
    vard_trainer_stop (trainer);
}

static void
test_trainer_stop (void)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  ToyRun run;
  Heard heard;

  toy_run_init (&run, settings, 0.6);
  listen (&run, &heard);
  g_signal_connect (run.trainer, "step", G_CALLBACK (stop_at_second), NULL);
  toy_run_go (&run);
  g_assert_cmpuint (vard_trainer_get_step (run.trainer), ==, 2);
  g_assert_cmpuint (heard.n_checkpoints, ==, 1);
  g_assert_false (vard_trainer_is_finished (run.trainer));
  toy_run_go (&run);
  g_assert_true (vard_trainer_is_finished (run.trainer));
  g_string_free (heard.phases, TRUE);
  toy_run_clear (&run);
}

static void
cancel_in_step (VardTrainer *trainer,
                const char *phase,
                double fraction,
                VardMetrics *metrics,
                GCancellable *cancellable)
{
  if (g_str_equal (phase, "step"))
    g_cancellable_cancel (cancellable);
}

static void
test_trainer_cancel (void)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  ToyRun run;

  toy_run_init (&run, settings, 0.6);
  g_signal_connect (run.trainer, "progress", G_CALLBACK (cancel_in_step), cancellable);
  g_assert_false (vard_trainer_run (run.trainer, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_false (vard_trainer_save_state (run.trainer, "/nonexistent", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_FAILED);
  toy_run_clear (&run);
}

/* ---- a rate that nobody set ---- */

static void
test_trainer_rate_of_weights (void)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  ToyRun run;

  g_object_set (settings, "learning-rate", 0.0, NULL);
  toy_run_init (&run, settings, 0.6);
  g_assert_cmpfloat (run.trainer->training->settings->learning_rate, ==, 3e-5);
  toy_run_clear (&run);

  g_object_set (settings, "weights", VARD_TRAINED_WEIGHTS_LORA, "lora-rank", 2, "lora-targets",
                (const char *[]) { "to_q", NULL }, NULL);
  toy_run_init (&run, settings, 0.6);
  g_assert_cmpfloat (run.trainer->training->settings->learning_rate, ==, 3e-4);
  toy_run_clear (&run);
}

static void
test_trainer_diverges (void)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autoptr (GError) error = NULL;
  ToyRun run;

  g_object_set (settings, "learning-rate", 1.0, "weight-decay", 0.0, "steps", 3, NULL);
  toy_run_init (&run, settings, 0.6);
  while (run.trainer->phase != VARD_VARD_N_PHASES + 1)
    g_assert_true (vard_trainer_advance (run.trainer, NULL, NULL));
  vard_tensor_peek_f32 (run.trainer->training->set->weights)[991] = NAN;
  for (guint i = 0; i < 1000; i++)
    vard_tensor_peek_f32 (run.trainer->training->set->weights)[i] = NAN;
  g_assert_false (vard_trainer_run (run.trainer, NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_DIVERGED);
  g_assert_nonnull (strstr (error->message, "step 1"));
  toy_run_clear (&run);
}

static void
test_trainer_broken_reward (void)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autoptr (GError) error = NULL;
  ToyRun run;

  toy_run_init (&run, settings, 0.6);
  toy_reward_break (TOY_REWARD (run.reward));
  g_assert_false (vard_trainer_run (run.trainer, NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_REWARD);
  toy_run_clear (&run);
}

/* The prompts of a run have to say what a reward reads of them */
static void
test_trainer_needs (void)
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autoptr (GError) error = NULL;
  ToyRun run;

  toy_run_init (&run, settings, 0.6);
  toy_reward_demand (TOY_REWARD (run.reward), "answer");
  g_assert_null (vard_trainer_new (run.pipeline, run.mix, run.prompts, settings, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "answer"));
  toy_run_clear (&run);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (learn_rows); i++)
    g_test_add_data_func (learn_rows[i].name, &learn_rows[i], test_trainer_learns);
  g_test_add_func ("/trainer/value-of-pictures", test_trainer_value_of_pictures);
  g_test_add_func ("/trainer/adapters", test_trainer_adapters);
  g_test_add_data_func ("/trainer/resume/pool", GUINT_TO_POINTER (3), test_trainer_resume);
  g_test_add_data_func ("/trainer/resume/value-fit", GUINT_TO_POINTER (8), test_trainer_resume);
  g_test_add_data_func ("/trainer/resume/step", GUINT_TO_POINTER (12), test_trainer_resume);
  g_test_add_data_func ("/trainer/resume/running/value-fit", GUINT_TO_POINTER (RUNNING + 8),
                        test_trainer_resume);
  g_test_add_data_func ("/trainer/resume/running/step", GUINT_TO_POINTER (RUNNING + 12),
                        test_trainer_resume);
  g_test_add_func ("/trainer/other-state", test_trainer_other_state);
  g_test_add_func ("/trainer/evaluation-prompts", test_trainer_evaluation_prompts);
  g_test_add_func ("/trainer/stop", test_trainer_stop);
  g_test_add_func ("/trainer/cancel", test_trainer_cancel);
  g_test_add_func ("/trainer/rate-of-weights", test_trainer_rate_of_weights);
  g_test_add_func ("/trainer/diverges", test_trainer_diverges);
  g_test_add_func ("/trainer/broken-reward", test_trainer_broken_reward);
  g_test_add_func ("/trainer/needs", test_trainer_needs);
  return g_test_run ();
}
