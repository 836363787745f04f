/* cli-dry-run.c - what a training would take, found out without training
 *
 * Counts follow from the settings. Time is measured on a short rollout and scaled by the number of denoiser
 * evaluations; memory is counted for what is known to grow, and measured for the rest.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-dry-run.h"

#include "diffusion/vard-pipeline-private.h"
#include "train/vard-trainer-settings-private.h"

#include <stdio.h>
#include <sys/statvfs.h>

/* A policy update evaluates the policy, the reference and the value network, and goes back through the policy */
#define FORWARDS_PER_STATE 4.0

typedef struct
{
  const VardTrainerSettings *settings;
  VardPipeline *pipeline;
  gsize n_weights, n_trained;  /* scalars */
  guint n_evaluations;
} Plan;

static void
count_weights (const char    *path,
               VardParameter *parameter,
               gpointer       data)
{
  Plan *plan = data;
  gsize count = vard_tensor_get_count (parameter->tensor);

  plan->n_weights += count;
  if (parameter->is_trainable)
    plan->n_trained += count;
}

static void
print_size (const char *what,
            double      n_bytes,
            const char *remedy)
{
  g_autofree char *size = g_format_size (n_bytes);

  if (n_bytes > 0)
    printf ("  %-34s %10s%s%s\n", what, size, remedy ? "   " : "", remedy ? remedy : "");
}

static double
count_pictures (const Plan *plan)
{
  const VardTrainerSettings *s = plan->settings;

  return s->pool_size + (double) s->steps * s->batch_size +
         (double) plan->n_evaluations * s->evaluation_prompts * s->evaluation_seeds;
}

static double
count_forwards (const Plan *plan)
{
  const VardTrainerSettings *s = plan->settings;
  double branches = s->guidance_scale != 1 ? 2 : 1;

  return branches * (count_pictures (plan) * s->sampler_steps +
                     FORWARDS_PER_STATE * s->steps * s->policy_updates * s->states_per_update);
}

static void
print_counts (const Plan *plan)
{
  const VardTrainerSettings *s = plan->settings;
  double online = s->value_refresh ? (double) s->steps * s->batch_size
                                   : s->score_interval ? (double) (s->steps / s->score_interval) * s->batch_size : 0;
  double evaluated = (double) plan->n_evaluations * s->evaluation_prompts * s->evaluation_seeds;

  printf ("Work\n");
  printf ("  %u steps, each of %u trajectories of %u denoising steps and %u policy updates of %u states\n", s->steps,
          s->batch_size, s->sampler_steps, s->policy_updates, s->states_per_update);
  printf ("  first %u pictures of the base model and %u value updates of %u states\n", s->pool_size,
          s->value_fit_updates, s->value_batch);
  printf ("  %u evaluations of %u prompts x %u seeds\n", plan->n_evaluations, s->evaluation_prompts,
          s->evaluation_seeds);
  printf ("  %.0f reward calls: %u for the pool, %.0f in training, %.0f in evaluations\n",
          s->pool_size + online + evaluated, s->pool_size, online, evaluated);
}

/* Highest resident memory of this process so far, in bytes */
static double
get_peak (void)
{
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL) || !(line = strstr (text, "VmHWM:")))
    return 0;
  return 1024.0 * g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10);
}

static void
print_memory (const Plan *plan,
              double      measured)
{
  const VardTrainerSettings *s = plan->settings;
  double trajectory = (s->sampler_steps + 1.0) * vard_pipeline_get_state_size (plan->pipeline) * sizeof (float);
  gboolean is_full = s->weights == VARD_TRAINED_WEIGHTS_FULL;

  printf ("Memory\n");
  print_size ("denoiser", plan->n_weights * 4.0, NULL);
  print_size ("frozen copy for the KL", is_full ? plan->n_weights * 4.0 : 0, "--weights lora needs none");
  print_size ("gradients and Adam's moments", plan->n_trained * 12.0, NULL);
  print_size ("pool of trajectories", s->pool_size * trajectory, "--pool-size lowers it");
  print_size ("ring of trajectories", s->value_refresh ? s->ring_size * trajectory : 0, "--ring-size lowers it");
  print_size ("measured so far, all loaded", measured, "--micro-batch lowers it");
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
print_disk (const Plan *plan,
            VardRunner *runner,
            const char *path)
{
  const VardTrainerSettings *s = plan->settings;
  double trajectory = (s->sampler_steps + 1.0) * vard_pipeline_get_state_size (plan->pipeline) * sizeof (float);
  double checkpoint = plan->n_trained * 12.0 + s->pool_size * trajectory + (s->value_refresh ? s->ring_size * trajectory : 0);
  guint kept = vard_run_settings_get_keep_checkpoints (vard_runner_get_settings (runner));
  guint n_written = 1 + (s->checkpoint_interval ? s->steps / s->checkpoint_interval : 0);

  printf ("Disk, at %s\n", path);
  print_size ("a checkpoint, about", checkpoint, "--pool-size lowers it");
  print_size ("checkpoints that are kept", checkpoint * (kept ? MIN (kept + 1, n_written) : n_written),
              "--keep-checkpoints lowers it");
  print_size ("free there", get_free_space (path), NULL);
}

static gboolean
measure_forward (const Plan *plan,
                 double     *seconds,
                 GError    **error)
{
  const VardTrainerSettings *s = plan->settings;
  const char *prompts[] = { "a picture", NULL };
  guint n = MIN (s->batch_size, 16), n_steps = 2;
  g_autofree guint64 *seeds = g_new0 (guint64, n);
  g_autoptr (GPtrArray) images = NULL;
  gint64 began = 0;

  /* The first one compiles */
  for (guint i = 0; i < 2; i++)
    {
      began = g_get_monotonic_time ();
      g_clear_pointer (&images, g_ptr_array_unref);
      images = vard_pipeline_sample (plan->pipeline, prompts, seeds, n, n_steps, 1, s->guidance_scale, NULL, error);
      if (!images)
        return FALSE;
    }
  *seconds = (g_get_monotonic_time () - began) * 1e-6 / (n * n_steps * (s->guidance_scale != 1 ? 2 : 1));
  return TRUE;
}

CliExit
cli_dry_run (VardRunner *runner,
             const char *path)
{
  VardRunSettings *settings = vard_runner_get_settings (runner);
  Plan plan = {
    .settings = vard_run_settings_get_trainer (settings), .pipeline = vard_runner_get_pipeline (runner),
  };
  guint interval = plan.settings->evaluation_interval;
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (GError) error = NULL;
  double forward;

  if (!measure_forward (&plan, &forward, &error))
    return cli_fail ("train", g_steal_pointer (&error));
  plan.n_evaluations = 1 + (plan.settings->steps > 0 ? 1 + (interval ? (plan.settings->steps - 1) / interval : 0) : 0);
  vard_module_foreach_parameter (vard_model_peek_denoiser (vard_pipeline_peek_model (plan.pipeline)), count_weights, &plan);

  json_node_take_object (node, vard_run_settings_to_json (settings));
  printf ("Settings\n");
  cli_print_json (node);
  print_counts (&plan);
  print_memory (&plan, get_peak ());
  print_disk (&plan, runner, path);

  g_autofree char *time = cli_format_time (count_forwards (&plan) * forward);

  printf ("Time\n  about %s: %.0f denoiser evaluations of %.2f ms, and the rewards\n", time, count_forwards (&plan),
          1000 * forward);
  return CLI_DONE;
}
