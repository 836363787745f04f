/* bench-unet.c - one evaluation of a denoiser, one LoRA training step, or one policy step, on any
 * engine
 *
 *   bench-unet --config FILE --engine SPEC [--batch N] [--latent N] [--lora RANK [--policy]]
 *              [--segments] [--rounds N]
 *
 * The denoiser is made from a diffusers config and has random weights, so that no model has to be
 * at hand. A policy step is all of it: states of a rollout go in, denoiser with and without
 * adapters, the value's gradient, the backward pass, AdamW. Prints one JSON object: the median of
 * the rounds after two to warm up, the products' operations by the engine's own count, bytes of
 * memory that the engine held at most. VARD_TRACE=FILE makes an engine time its steps one by one;
 * trace-sums.py adds them up.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench-model.h"

#include "base/vard-random.h"
#include "algorithms/vard/vard-value-net.h"
#include "nn/vard-lora.h"
#include "engine/vard-engine-loader.h"
#include "learn/vard-optimizer.h"
#include "algorithms/vard/vard-policy-step.h"

#include "engine/vard-executable.h"

#define N_TOKENS 77
#define VALUE_CHANNELS 32 /* of the value network's first level, as trainings have it */
#define MAX_ROUNDS 1000

static int batch = 1, latent = 64, rank, rounds = 5;
static char *config_path, *engine_spec;
static gboolean has_segments, is_policy;

/* clang-format off */
static const GOptionEntry entries[] = {
  { "config", 'c', 0, G_OPTION_ARG_FILENAME, &config_path, "config.json of a denoiser", "FILE" },
  { "engine", 'e', 0, G_OPTION_ARG_STRING, &engine_spec, "What computes, with its settings",
    "SPEC" },
  { "batch", 'b', 0, G_OPTION_ARG_INT, &batch, "States at once", "N" },
  { "latent", 'l', 0, G_OPTION_ARG_INT, &latent, "Side of the latent", "N" },
  { "lora", 'r', 0, G_OPTION_ARG_INT, &rank, "A training step of a LoRA of this rank; 0: a forward",
    "RANK" },
  { "policy", 'p', 0, G_OPTION_ARG_NONE, &is_policy, "A policy step with that LoRA", NULL },
  { "segments", 's', 0, G_OPTION_ARG_NONE, &has_segments, "Recompute blocks in the reverse sweep",
    NULL },
  { "rounds", 'n', 0, G_OPTION_ARG_INT, &rounds,
    "Rounds after the first two; 0 tells what memory it needs", "N" },
  { NULL },
};
/* clang-format on */

typedef struct
{
  VardEngine *engine;
  VardUnet *unet;
  VardParameterSet *set;
  VardOptimizer *optimizer;
  VardExecutable *executable; /* of a forward or a training step */

  /* of a policy step */
  VardModel *model;
  VardValueNet *value_net;
  VardFrozenWeights *frozen;
  VardPolicyStep *policy;
  float *x;
  VardCondition *condition;
  VardSamplerStep sampler_step;
  VardPolicyState *states;
} Bench;

/* Small enough that values stay in range through all layers. A linear congruential generator: there
 * are hundreds of millions to make, and a device waits. */
static void
fill_parameter (const char *path, VardParameter *parameter, gpointer data)
{
  gint64 n = vard_tensor_get_count (parameter->tensor);
  float *values = vard_tensor_peek_f32 (parameter->tensor);
  guint32 state = g_str_hash (path);

  for (gint64 i = 0; i < n; i++)
    {
      state = state * 1664525u + 1013904223u;
      values[i] = ((gint32) state >> 8) * (0.04f / (1 << 23));
    }
}

static gboolean
make_unet (Bench *self, GError **error)
{
  VardUnetConfig config;
  g_autoptr (VardConfigReader) reader = vard_config_reader_new (config_path, error);

  if (reader == NULL || !vard_unet_config_read (&config, reader, error))
    return FALSE;
  self->unet = vard_unet_new (&config);
  vard_module_foreach_parameter (VARD_MODULE (self->unet), fill_parameter, NULL);
  vard_module_set_segments (VARD_MODULE (self->unet), has_segments);
  return TRUE;
}

static VardGraph *
record (Bench *self)
{
  const VardUnetConfig *config = vard_unet_peek_config (self->unet);
  VardShape shape = VARD_SHAPE (batch, latent, latent, config->n_in);
  VardGraph *graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, shape);
  VardNode *t = vard_input (graph, "t", VARD_DTYPE_F32, VARD_SHAPE (batch));
  VardNode *context = vard_input (graph, "context", VARD_DTYPE_F32,
                                  VARD_SHAPE (batch, N_TOKENS, config->context_width[0]));
  VardNode *out = vard_unet_record (self->unet, x, t, context);
  VardNode *loss = vard_mean (vard_square (vard_sub (out, x)), 0xf);

  vard_graph_add_output (graph, "out", self->set != NULL ? loss : out);
  if (self->set != NULL)
    vard_parameter_set_record_gradients (self->set, vard_sum_all (loss));
  return graph;
}

static VardNode *
record_value (VardNode *x, VardNode *t, VardNode *summary, gpointer data)
{
  return vard_value_net_record (data, x, t, summary);
}

static void
make_states (Bench *self)
{
  const VardModelInfo *info = vard_model_peek_info (self->model);
  gsize size = info->height * info->width * info->channels;

  self->x = g_new (float, batch *size);
  self->condition = vard_condition_new (&info->condition);
  self->states = g_new0 (VardPolicyState, batch);
  vard_random_fill_normal (1, 0, self->x, batch * size);
  vard_random_fill_normal (2, 0, vard_condition_peek_values (self->condition, 0),
                           vard_condition_layout_get_size (&info->condition, 0) / sizeof (float));
  self->sampler_step = (VardSamplerStep) { .model_time = 500,
                                           .value_time = 450,
                                           .x_scale = 1,
                                           .out_scale = -0.1,
                                           .sigma = 0.3,
                                           .change_per_out = 1,
                                           .kl_per_change = 0.2 };
  for (int i = 0; i < batch; i++)
    self->states[i] = (VardPolicyState) { .x = self->x + i * size,
                                          .step = &self->sampler_step,
                                          .value_time = 450,
                                          .condition = self->condition,
                                          .noise_key = i + 1,
                                          .gain = 1,
                                          .gradient_limit = 1e9 };
}

static gboolean
prepare_policy (Bench *self, GError **error)
{
  const VardUnetConfig *config = vard_unet_peek_config (self->unet);

  self->model = bench_model_new (g_object_ref (self->unet), latent, N_TOKENS);
  self->value_net = vard_value_net_new (config->n_in, config->context_width[0], VALUE_CHANNELS, 1);
  self->frozen = vard_frozen_weights_new (self->engine, VARD_MODULE (self->unet), TRUE, error);
  if (self->frozen == NULL)
    return FALSE;

  VardPolicyStepConfig policy = {
    .engine = self->engine,
    .model = self->model,
    .frozen = self->frozen,
    .set = self->set,
    .n = batch,
    .guidance_scale = 1,
    .value = { .record = record_value,
               .data = self->value_net,
               .module = VARD_MODULE (self->value_net) },
  };

  make_states (self);
  self->policy = vard_policy_step_new (&policy, error);
  return self->policy != NULL;
}

static gboolean
prepare (Bench *self, GError **error)
{
  static const char *const targets[] = { "to_q", "to_k", "to_v", "to_out.0", NULL };
  VardModule *denoiser = VARD_MODULE (self->unet);

  if (rank > 0)
    {
      if (!vard_lora_attach (denoiser, targets, rank, rank, 1, error))
        return FALSE;
      vard_lora_set_merging (denoiser, is_policy && vard_engine_is_exact (self->engine));
      self->set = vard_parameter_set_new (self->engine, denoiser, error);
      self->optimizer = self->set != NULL ? vard_optimizer_new (self->set, 0, error) : NULL;
      if (self->optimizer == NULL)
        return FALSE;
    }
  if (is_policy)
    return prepare_policy (self, error);

  g_autoptr (VardGraph) graph = record (self);

  self->executable = vard_engine_compile (self->engine, graph, error);
  return self->executable != NULL;
}

static gboolean
set_random (Bench *self, const char *name, gsize count, GError **error)
{
  g_autofree float *values = g_new (float, count);

  vard_random_fill_normal (1, count, values, count);
  return vard_executable_set_input (self->executable, name, values, count * sizeof *values, error);
}

static gboolean
set_inputs (Bench *self, GError **error)
{
  const VardUnetConfig *config = vard_unet_peek_config (self->unet);

  if (is_policy)
    return TRUE;
  return set_random (self, "x", (gsize) batch * latent * latent * config->n_in, error)
         && set_random (self, "t", batch, error)
         && set_random (self, "context", (gsize) batch * N_TOKENS * config->context_width[0],
                        error);
}

static gboolean
compute (Bench *self, GError **error)
{
  g_autofree VardPolicySample *samples = g_new (VardPolicySample, batch);

  if (is_policy)
    return vard_policy_step_accumulate (self->policy, self->states, batch, batch, 0.03, 1, samples,
                                        NULL, error);
  return vard_executable_run (self->executable, NULL, error);
}

static gboolean
step (Bench *self, GError **error)
{
  const VardOptimizerNumbers numbers = { 1e-4, 0.9, 0.999, 1e-8, 0.01, 1 };
  double norm;

  return compute (self, error)
         && (self->optimizer == NULL
             || vard_optimizer_update (self->optimizer, &numbers, &norm, NULL, error));
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static gsize
get_workspace (Bench *self)
{
  return is_policy ? vard_policy_step_get_workspace_size (self->policy)
                   : vard_executable_get_workspace_size (self->executable);
}

static const char *
get_task (void)
{
  return is_policy ? "policy" : rank > 0 ? "lora" : "forward";
}

/* what it was told, and what is known before anything runs */
static void
print_plan (Bench *self)
{
  VardDeviceMemory memory = { 0 };
  g_autofree char *device = vard_engine_describe (self->engine);

  vard_engine_describe_memory (self->engine, &memory);
  g_print ("{\"device\": \"%s\", \"task\": \"%s\", \"batch\": %d, \"latent\": %d, \"lora\": %d, "
           "\"segments\": %s, \"workspace\": %" G_GSIZE_FORMAT ", \"weights\": %" G_GSIZE_FORMAT
           ", \"needed\": %" G_GSIZE_FORMAT ", \"peak\": %" G_GSIZE_FORMAT,
           device, get_task (), batch, latent, rank, has_segments ? "true" : "false",
           get_workspace (self), memory.weights, memory.needed, memory.peak);
}

static void
report (Bench *self, double *times)
{
  double flops = is_policy ? vard_policy_step_count_flops (self->policy)
                           : vard_executable_count_flops (self->executable);
  double median;

  qsort (times, rounds, sizeof *times, compare_times);
  median = times[rounds / 2];
  print_plan (self);
  g_print (", \"seconds\": %.6f, \"fastest\": %.6f, \"flops\": %.4e, \"tflops_per_second\": "
           "%.2f}\n",
           median, times[0], flops, flops / median * 1e-12);
}

static gboolean
measure (Bench *self, GError **error)
{
  double times[MAX_ROUNDS];

  if (!make_unet (self, error) || !prepare (self, error) || !set_inputs (self, error))
    return FALSE;
  if (rounds == 0)
    {
      print_plan (self);
      g_print ("}\n");
      return TRUE;
    }
  /* the first loads kernels and chooses algorithms, the second captures */
  for (int i = -2; i < rounds; i++)
    {
      gint64 begin = g_get_monotonic_time ();

      if (!step (self, error))
        return FALSE;
      if (i >= 0)
        times[i] = (g_get_monotonic_time () - begin) * 1e-6;
    }
  report (self, times);
  return TRUE;
}

static void
bench_clear (Bench *self)
{
  g_clear_object (&self->executable);
  g_clear_pointer (&self->policy, vard_policy_step_free);
  vard_optimizer_free (self->optimizer);
  vard_parameter_set_free (self->set);
  g_clear_pointer (&self->frozen, vard_frozen_weights_free);
  g_clear_object (&self->value_net);
  g_clear_object (&self->model);
  g_free (self->states);
  g_clear_pointer (&self->condition, vard_condition_unref);
  g_free (self->x);
  g_clear_object (&self->unet);
  g_clear_object (&self->engine);
}

int
main (int argc, char *argv[])
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Bench bench = { NULL };

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || config_path == NULL
      || engine_spec == NULL || rounds < 0 || rounds > MAX_ROUNDS || batch < 1
      || (is_policy && rank < 1))
    {
      g_printerr ("%s\n", error != NULL
                            ? error->message
                            : "--config and --engine are needed, --lora for --policy, and at "
                              "most 1000 --rounds");
      return 2;
    }
  bench.engine = vard_load_engine (engine_spec, 0, &error);
  if (bench.engine == NULL || !measure (&bench, &error))
    g_printerr ("%s\n", error->message);
  bench_clear (&bench);
  return error != NULL ? 1 : 0;
}
