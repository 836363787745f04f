/* bench-step.c - how long one policy update of a model takes on the CPU engine, and which kernels
 * take it
 *
 *   bench-step --model DIR [--full] [--threads N] [--states N] [--rounds N] [--profile]
 *
 * The same graph as a training's: both denoisers, the value's gradient, the backward pass, then
 * AdamW. The states and texts are random numbers, since no kernel's time depends on them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-engine.h"

#include "process/vard-sampler.h"
#include "algorithms/vard/vard-value-net.h"
#include "nn/vard-lora.h"
#include "learn/vard-optimizer.h"
#include "algorithms/vard/vard-policy-step.h"

static int threads, n_states = 64, n_rounds = 15;
static char *model_path;
static gboolean is_full, shows_profile;

static const GOptionEntry entries[] = {
  { "threads", 't', 0, G_OPTION_ARG_INT, &threads, "Threads, 0 for one a processor", "N" },
  { "model", 'm', 0, G_OPTION_ARG_FILENAME, &model_path, "Model folder", "DIR" },
  { "states", 'n', 0, G_OPTION_ARG_INT, &n_states, "States of an update", "N" },
  { "rounds", 'r', 0, G_OPTION_ARG_INT, &n_rounds, "Updates that are timed", "N" },
  { "full", 'f', 0, G_OPTION_ARG_NONE, &is_full, "All weights in place of LoRA of rank 8", NULL },
  { "profile", 'p', 0, G_OPTION_ARG_NONE, &shows_profile, "List the kernels", NULL },
  { NULL },
};

typedef struct
{
  VardEngine *engine;
  VardModel *model;
  VardFrozenWeights *frozen;
  VardParameterSet *set;
  VardOptimizer *optimizer;
  VardPolicyStep *policy;
} Bench;

static VardNode *
record_value (VardNode *x, VardNode *t, VardNode *summary, gpointer data)
{
  return vard_value_net_record (data, x, t, summary);
}

static gboolean
bench_prepare (Bench *self, GError **error)
{
  static const char *const targets[] = { "to_q", "to_k", "to_v", "to_out.0", NULL };
  const VardModelInfo *info = vard_model_peek_info (self->model);
  VardModule *denoiser = vard_model_peek_denoiser (self->model);
  VardModule *value_net =
    VARD_MODULE (vard_value_net_new (info->channels, info->condition.summary_width, 32, 1));

  if (is_full)
    vard_module_set_trainable (denoiser, TRUE);
  else if (!vard_lora_attach (denoiser, targets, 8, 8, 1, error))
    return FALSE;
  vard_lora_set_merging (denoiser, vard_engine_is_exact (self->engine));

  self->frozen = vard_frozen_weights_new (self->engine, denoiser, !is_full, error);
  self->set = self->frozen != NULL ? vard_parameter_set_new (self->engine, denoiser, error) : NULL;
  self->optimizer = self->set != NULL ? vard_optimizer_new (self->set, 0, error) : NULL;
  if (self->optimizer == NULL)
    return FALSE;

  VardPolicyStepConfig config = {
    .engine = self->engine,
    .model = self->model,
    .frozen = self->frozen,
    .set = self->set,
    .value = { .record = record_value, .data = value_net, .module = value_net },
    .n = n_states,
    .guidance_scale = 1,
  };

  self->policy = vard_policy_step_new (&config, error);
  return self->policy != NULL;
}

static gboolean
bench_update (Bench *self, const VardPolicyState *states, GError **error)
{
  VardOptimizerNumbers numbers = { 1e-5, 0.9, 0.99, 1e-8, 0, 1 };
  g_autofree VardPolicySample *samples = g_new (VardPolicySample, n_states);
  double norm;

  return vard_policy_step_accumulate (self->policy, states, n_states, n_states, 0.03, 1, samples,
                                      NULL, error)
         && vard_optimizer_update (self->optimizer, &numbers, &norm, NULL, error);
}

static gint
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static gboolean
bench_run (Bench *self, GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (self->model);
  gsize x_size = info->height * info->width * info->channels;
  g_autofree float *x = g_new (float, n_states *x_size);
  g_autoptr (VardCondition) condition = vard_condition_new (&info->condition);
  g_autofree VardPolicyState *states = g_new0 (VardPolicyState, n_states);
  g_autofree double *seconds = g_new0 (double, n_rounds);
  VardSamplerStep step = { .model_time = 500,
                           .value_time = 450,
                           .x_scale = 1,
                           .out_scale = -0.1,
                           .sigma = 0.3,
                           .change_per_out = 1,
                           .kl_per_change = 0.2 };

  vard_random_fill_normal (1, 0, x, n_states * x_size);
  for (guint i = 0; i < info->condition.n_slots; i++)
    vard_random_fill_normal (2, i, vard_condition_peek_values (condition, i),
                             vard_condition_layout_get_size (&info->condition, i) / sizeof (float));
  for (int i = 0; i < n_states; i++)
    states[i] = (VardPolicyState) { .x = x + i * x_size,
                                    .step = &step,
                                    .condition = condition,
                                    .noise_key = i + 1,
                                    .gain = 1,
                                    .gradient_limit = 1e9 };
  for (int round = -2; round < n_rounds; round++)
    {
      gint64 begin = g_get_monotonic_time ();

      if (!bench_update (self, states, error))
        return FALSE;
      if (round >= 0)
        seconds[round] = (g_get_monotonic_time () - begin) / 1e6;
      else
        g_object_set (self->engine, "profile", shows_profile && round == -1, NULL);
    }
  qsort (seconds, n_rounds, sizeof *seconds, compare_doubles);
  g_print ("%s, %d states: median %.1f ms, best %.1f ms of %d\n", is_full ? "all weights" : "LoRA",
           n_states, seconds[n_rounds / 2] * 1e3, seconds[0] * 1e3, n_rounds);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Bench bench = { NULL };

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || model_path == NULL || n_rounds < 1
      || n_states < 1)
    {
      g_printerr ("%s\n",
                  error != NULL ? error->message : "--model names a folder; counts are at least 1");
      return 2;
    }
  bench.engine = g_object_new (VARD_TYPE_CPU_ENGINE, "threads", threads, NULL);
  bench.model = vard_model_load (model_path, &error);
  if (bench.model == NULL || !bench_prepare (&bench, &error) || !bench_run (&bench, &error))
    {
      g_printerr ("%s\n", error->message);
      return 3;
    }
  if (shows_profile)
    {
      g_autofree char *profile = vard_cpu_engine_dup_profile (VARD_CPU_ENGINE (bench.engine));

      g_print ("%s", profile);
    }
  return 0;
}
