/* cli-dry-run.c - what a training would take, found out without training
 *
 * Counts follow from the settings. Time is measured on a short rollout and scaled by the number of
 * denoiser evaluations; memory is measured for what is loaded, and counted for what training will
 * fill.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-dry-run.h"

#include "cli-estimate.h"

#include "diffusion/vard-pipeline-private.h"
#include "train/vard-trainer-memory.h"
#include "learn/vard-training-settings-private.h"
#include "algorithms/vard/vard-vard-settings.h"

#include <stdio.h>
#include <sys/statvfs.h>

typedef struct
{
  const VardTrainingSettings *settings;
  const VardVardSettings *vard;
  VardPipeline *pipeline;
  gsize n_weights, n_trained; /* scalars */
  guint n_evaluations;
  VardMemoryEstimate memory;
} Plan;

static void
count_weights (const char *path, VardParameter *parameter, gpointer data)
{
  Plan *plan = data;
  gsize count = vard_tensor_get_count (parameter->tensor);

  plan->n_weights += count;
  if (parameter->is_trainable)
    plan->n_trained += count;
}

static void
print_size (const char *what, double n_bytes, const char *remedy)
{
  g_autofree char *size = g_format_size (n_bytes);

  if (n_bytes > 0)
    printf ("  %-34s %10s%s%s\n", what, size, remedy ? "   " : "", remedy ? remedy : "");
}

static void
print_counts (const Plan *plan)
{
  const VardTrainingSettings *s = plan->settings;
  const VardVardSettings *v = plan->vard;
  double online = v->value_refresh    ? (double) s->steps * s->batch_size
                  : v->score_interval ? (double) (s->steps / v->score_interval) * s->batch_size
                                      : 0;
  double evaluated = (double) plan->n_evaluations * s->evaluation_prompts * s->evaluation_seeds;

  printf ("Work\n");
  printf ("  %u steps, each of %u trajectories of %u denoising steps and %u policy updates of %u "
          "states\n",
          s->steps, s->batch_size, s->sampler_steps, s->policy_updates, s->states_per_update);
  printf ("  first %u pictures of the base model and %u value updates of %u states\n", v->pool_size,
          v->value_fit_updates, v->value_batch);
  printf ("  %u evaluations of %u prompts x %u seeds\n", plan->n_evaluations, s->evaluation_prompts,
          s->evaluation_seeds);
  printf ("  %.0f reward calls: %u for the pool, %.0f in training, %.0f in evaluations\n",
          v->pool_size + online + evaluated, v->pool_size, online, evaluated);
}

static void
print_memory (const Plan *plan)
{
  const VardMemoryEstimate *m = &plan->memory;

  printf ("Memory\n");
  print_size ("denoiser", m->denoiser, NULL);
  print_size ("text encoder", m->text_encoder, NULL);
  print_size ("frozen copy for the KL", m->frozen, "--weights lora needs none");
  print_size ("decoder, rewards and program", m->loaded, NULL);
  print_size ("gradients and Adam's moments", m->optimizer, NULL);
  print_size ("pool of trajectories", m->pool, "--pool-size lowers it");
  print_size ("ring of trajectories", m->ring, "--ring-size lowers it");
  print_size ("activations", m->activations,
              m->is_policy ? "--micro-batch and --segments lower it" : "--batch-size lowers it");
  print_size ("a batch of pictures", m->batch, "--batch-size lowers it");
  print_size ("at its peak, about", m->peak, NULL);
}

static void
print_device_memory (const VardDeviceMemory *m)
{
  printf ("Memory of the device\n");
  print_size ("weights", m->weights, "--engine cuda:precision=bf16 halves them");
  print_size ("trained, moments, inputs, outputs", m->buffers, "--weights lora lowers it");
  print_size ("activations", m->workspace, "--micro-batch, --batch-size and --segments lower it");
  print_size ("matrix library", m->libraries, NULL);
  print_size ("in all, beside the driver's own", m->needed, NULL);
  print_size ("room there", m->free + m->needed - m->missing, NULL);
}

static guint64
get_free_space (const char *path)
{
  g_autofree char *place = g_canonicalize_filename (path, NULL);
  struct statvfs info;

  while (statvfs (place, &info) != 0)
    {
      char *parent = g_path_get_dirname (place);

      g_free (place);
      place = parent;
    }
  return (guint64) info.f_bavail * info.f_frsize;
}

static void
print_disk (const Plan *plan, VardRunner *runner, const char *path)
{
  const VardTrainingSettings *s = plan->settings;
  const VardVardSettings *v = plan->vard;
  double trajectory = (s->sampler_steps + 1.0) * vard_pipeline_get_state_size (plan->pipeline)
                      * sizeof (float);
  double checkpoint = plan->n_trained * 12.0 + v->pool_size * trajectory
                      + (v->value_refresh ? v->ring_size * trajectory : 0);
  guint kept = vard_run_settings_get_keep_checkpoints (vard_runner_get_settings (runner));
  guint n_written = 1 + (s->checkpoint_interval ? s->steps / s->checkpoint_interval : 0);

  printf ("Disk, at %s\n", path);
  print_size ("a checkpoint, about", checkpoint, "--pool-size lowers it");
  print_size ("checkpoints that are kept",
              checkpoint * (kept ? MIN (kept + 1, n_written) : n_written),
              "--keep-checkpoints lowers it");
  print_size ("free there", get_free_space (path), NULL);
}

CliExit
cli_dry_run (VardRunner *runner, const char *path)
{
  VardRunSettings *settings = vard_runner_get_settings (runner);
  Plan plan = {
    .settings = VARD_TRAINING_SETTINGS (vard_run_settings_get_trainer (settings)),
    .vard = VARD_VARD_SETTINGS (
      vard_trainer_settings_get_algorithm_settings (vard_run_settings_get_trainer (settings),
                                                    "vard")),
    .pipeline = vard_runner_get_pipeline (runner),
  };
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (GError) error = NULL;
  CliEstimate estimate;

  /* memory first: the time is found by running */
  if (!vard_trainer_estimate_memory (vard_runner_get_trainer (runner), &plan.memory, &error)
      || !cli_estimate_measure (&estimate, runner, NULL, &error))
    return cli_fail ("train", g_steal_pointer (&error));
  plan.n_evaluations = cli_estimate_count_evaluations (vard_run_settings_get_trainer (settings));
  vard_module_foreach_parameter (vard_model_peek_denoiser (
                                   vard_pipeline_peek_model (plan.pipeline)),
                                 count_weights, &plan);

  json_node_take_object (node, vard_run_settings_to_json (settings));
  printf ("Settings\n");
  cli_print_json (node);
  print_counts (&plan);
  print_memory (&plan);
  if (plan.memory.has_device)
    print_device_memory (&plan.memory.device);
  print_disk (&plan, runner, path);

  g_autofree char *time = cli_format_time (estimate.n_forwards * estimate.seconds_each);

  printf ("Time\n  would take about %s on this machine: %.0f denoiser evaluations of %.3g ms, and "
          "the rewards\n",
          time, estimate.n_forwards, 1000 * estimate.seconds_each);
  return CLI_DONE;
}
