/* cli-estimate.c - how long a training would take on this machine
 *
 * A few evaluations of the denoiser are timed and multiplied by how many there will be. Rewards are
 * not counted, nor the value network, whose steps are cheap beside them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-estimate.h"

#include "diffusion/vard-pipeline-private.h"
#include "algorithms/vard/vard-vard-settings.h"
#include "train/vard-trainer-private.h"

#include <stdio.h>

/* A policy update evaluates the policy, the reference and the value network, and goes back through
 * the policy */
#define FORWARDS_PER_STATE 4.0
/* One picture at a time is timed first; what takes less than this is timed again as a batch */
#define QUICK 0.1
#define DAY 86400.0

guint
cli_estimate_count_evaluations (VardTrainerSettings *trainer)
{
  const VardTrainingSettings *settings = VARD_TRAINING_SETTINGS (trainer);
  guint interval = settings->evaluation_interval;

  return 1 + (settings->steps > 0 ? 1 + (interval ? (settings->steps - 1) / interval : 0) : 0);
}

static double
count_forwards (VardTrainerSettings *trainer)
{
  const VardTrainingSettings *s = VARD_TRAINING_SETTINGS (trainer);
  const VardVardSettings *v =
    VARD_VARD_SETTINGS (vard_trainer_settings_get_algorithm_settings (trainer, "vard"));
  double branches = s->guidance_scale != 1 ? 2 : 1;
  double pictures = v->pool_size + (double) s->steps * s->batch_size
                    + (double) cli_estimate_count_evaluations (trainer) * s->evaluation_prompts
                        * s->evaluation_seeds;

  return branches
         * (pictures * s->sampler_steps
            + FORWARDS_PER_STATE * s->steps * s->policy_updates * s->states_per_update);
}

/* seconds that one evaluation takes with @n pictures at once; latents are not decoded. A prompt of
 * the run's own is encoded already: another one would bring the text encoder back into memory. */
static double
time_forward (VardRunner *runner, guint n, guint n_steps, GCancellable *cancellable, GError **error)
{
  VardPipeline *pipeline = vard_runner_get_pipeline (runner);
  VardTrainingSettings *s =
    VARD_TRAINING_SETTINGS (vard_run_settings_get_trainer (vard_runner_get_settings (runner)));
  const char *prompts[] = { vard_runner_get_trainer (runner)->training->texts[0], NULL };
  g_autofree guint64 *seeds = g_new0 (guint64, n);
  g_autofree guint *prompt_of = g_new0 (guint, n);
  g_autoptr (VardSampler) sampler = vard_sampler_new (vard_pipeline_peek_process (pipeline),
                                                      s->sampler, n_steps, s->sampler_eta, error);
  VardSampleRequest request = { .n = n,
                                .prompts = prompts,
                                .prompt_of = prompt_of,
                                .seeds = seeds,
                                .sampler = sampler,
                                .guidance_scale = s->guidance_scale };
  gint64 began = 0;

  /* the first one compiles */
  for (guint i = 0; sampler && i < 2; i++)
    {
      began = g_get_monotonic_time ();

      g_autoptr (VardTrajectory) trajectory =
        vard_pipeline_rollout (pipeline, &request, NULL, NULL, cancellable, error);

      if (!trajectory)
        return -1;
    }
  return !sampler ? -1
                  : (g_get_monotonic_time () - began) * 1e-6
                      / (n * n_steps * (s->guidance_scale != 1 ? 2 : 1));
}

gboolean
cli_estimate_measure (CliEstimate *self,
                      VardRunner *runner,
                      GCancellable *cancellable,
                      GError **error)
{
  VardTrainerSettings *settings = vard_run_settings_get_trainer (vard_runner_get_settings (runner));

  self->n_forwards = count_forwards (settings);
  self->seconds_each = time_forward (runner, 1, 1, cancellable, error);
  if (self->seconds_each >= 0 && self->seconds_each < QUICK)
    self->seconds_each = time_forward (runner,
                                       MIN (VARD_TRAINING_SETTINGS (settings)->batch_size, 16), 2,
                                       cancellable, error);
  vard_pipeline_invalidate (vard_runner_get_pipeline (runner));
  return self->seconds_each >= 0;
}

gboolean
cli_estimate_warn (VardRunner *runner, GCancellable *cancellable, GError **error)
{
  CliEstimate estimate;
  g_autoptr (GError) problem = NULL;

  if (!cli_estimate_measure (&estimate, runner, cancellable, &problem))
    {
      /* what else goes wrong here, the training says better */
      if (!g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (estimate.n_forwards * estimate.seconds_each >= DAY)
    {
      g_autofree char *time = cli_format_time (estimate.n_forwards * estimate.seconds_each);

      fprintf (stderr,
               "would take about %s on this machine: %.0f denoiser evaluations of %.3g s; a "
               "smaller --steps, --batch-size, --sampler-steps or --pool-size takes less\n",
               time, estimate.n_forwards, estimate.seconds_each);
    }
  return TRUE;
}
