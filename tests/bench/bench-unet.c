/* bench-unet.c - one evaluation of a denoiser, or one LoRA training step, on any engine: seconds, operations, memory
 *
 *   bench-unet --config FILE --engine SPEC [--batch N] [--latent N] [--lora RANK] [--segments] [--rounds N]
 *
 * The denoiser is made from a diffusers config and has random weights, so that no model has to be at hand. Prints one JSON
 * object: the median of the rounds after two to warm up, and the products' operations by the engine's own count.
 * VARD_TRACE=FILE makes an engine time its steps one by one; trace-sums.py adds them up.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-random.h"
#include "models/vard-unet.h"
#include "nn/vard-lora.h"
#include "run/vard-loader.h"
#include "train/vard-optimizer.h"

#include "engine/vard-executable.h"

#define N_TOKENS 77
#define MAX_ROUNDS 1000

static int batch = 1, latent = 64, rank, rounds = 5;
static char *config_path, *engine_spec;
static gboolean has_segments;

static const GOptionEntry entries[] = {
  { "config", 'c', 0, G_OPTION_ARG_FILENAME, &config_path, "config.json of a denoiser", "FILE" },
  { "engine", 'e', 0, G_OPTION_ARG_STRING, &engine_spec, "What computes, with its settings", "SPEC" },
  { "batch", 'b', 0, G_OPTION_ARG_INT, &batch, "States at once", "N" },
  { "latent", 'l', 0, G_OPTION_ARG_INT, &latent, "Side of the latent", "N" },
  { "lora", 'r', 0, G_OPTION_ARG_INT, &rank, "A training step of a LoRA of this rank; 0: a forward", "RANK" },
  { "segments", 's', 0, G_OPTION_ARG_NONE, &has_segments, "Recompute blocks in the reverse sweep", NULL },
  { "rounds", 'n', 0, G_OPTION_ARG_INT, &rounds, "Rounds after the first two; 0 tells what memory it needs", "N" },
  { NULL },
};

typedef struct
{
  VardEngine *engine;
  VardUnet *unet;
  VardParameterSet *set;
  VardOptimizer *optimizer;
  VardExecutable *executable;
} Bench;

/* Small enough that values stay in range through all layers. A linear congruential generator: there are hundreds of millions
 * to make, and a device waits. */
static void
fill_parameter (const char    *path,
                VardParameter *parameter,
                gpointer       data)
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
make_unet (Bench   *self,
           GError **error)
{
  VardUnetConfig config;
  g_autoptr (VardConfigReader) reader = vard_config_reader_new (config_path, error);

  if (!reader || !vard_unet_config_read (&config, reader, error))
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
  VardNode *context = vard_input (graph, "context", VARD_DTYPE_F32, VARD_SHAPE (batch, N_TOKENS, config->context_width[0]));
  VardNode *out = vard_unet_record (self->unet, x, t, context);
  VardNode *loss = vard_mean (vard_square (vard_sub (out, x)), 0xf);

  vard_graph_add_output (graph, "out", self->set ? loss : out);
  if (self->set)
    vard_parameter_set_record_gradients (self->set, vard_sum_all (loss));
  return graph;
}

static gboolean
prepare (Bench   *self,
         GError **error)
{
  static const char *const targets[] = { "to_q", "to_k", "to_v", "to_out.0", NULL };
  VardModule *denoiser = VARD_MODULE (self->unet);

  if (rank > 0)
    {
      if (!vard_lora_attach (denoiser, targets, rank, rank, 1, error))
        return FALSE;
      self->set = vard_parameter_set_new (self->engine, denoiser, error);
      self->optimizer = self->set ? vard_optimizer_new (self->set, 0, error) : NULL;
      if (!self->optimizer)
        return FALSE;
    }

  g_autoptr (VardGraph) graph = record (self);

  self->executable = vard_engine_compile (self->engine, graph, error);
  return self->executable != NULL;
}

static gboolean
set_random (Bench      *self,
            const char *name,
            gsize       count,
            GError    **error)
{
  g_autofree float *values = g_new (float, count);

  vard_random_fill_normal (1, count, values, count);
  return vard_executable_set_input (self->executable, name, values, count * sizeof *values, error);
}

static gboolean
set_inputs (Bench   *self,
            GError **error)
{
  const VardUnetConfig *config = vard_unet_peek_config (self->unet);

  return set_random (self, "x", (gsize) batch * latent * latent * config->n_in, error)
         && set_random (self, "t", batch, error)
         && set_random (self, "context", (gsize) batch * N_TOKENS * config->context_width[0], error);
}

static gboolean
step (Bench   *self,
      GError **error)
{
  const VardOptimizerNumbers numbers = { 1e-4, 0.9, 0.999, 1e-8, 0.01, 1 };
  double norm;

  return vard_executable_run (self->executable, NULL, error)
         && (!self->optimizer || vard_optimizer_update (self->optimizer, &numbers, &norm, NULL, error));
}

static int
compare_times (gconstpointer a,
               gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static void
report (Bench  *self,
        double *times)
{
  VardProgram *program = vard_executable_peek_program (self->executable);
  g_autofree char *device = vard_engine_describe (self->engine);
  double flops = 0;

  for (guint i = 0; i < vard_program_get_n_steps (program); i++)
    flops += vard_program_get_step (program, i)->flops;
  qsort (times, rounds, sizeof *times, compare_times);
  g_print ("{\"device\": \"%s\", \"batch\": %d, \"latent\": %d, \"lora\": %d, \"segments\": %s, \"seconds\": %.6f, "
           "\"fastest\": %.6f, \"flops\": %.4e, \"tflops_per_second\": %.2f, \"workspace\": %" G_GSIZE_FORMAT "}\n",
           device, batch, latent, rank, has_segments ? "true" : "false", times[rounds / 2], times[0], flops,
           flops / times[rounds / 2] * 1e-12, vard_executable_get_workspace_size (self->executable));
}

/* known before anything runs */
static void
report_plan (Bench *self)
{
  VardDeviceMemory memory = { 0 };

  vard_engine_describe_memory (self->engine, &memory);
  g_print ("{\"batch\": %d, \"latent\": %d, \"lora\": %d, \"segments\": %s, \"workspace\": %" G_GSIZE_FORMAT
           ", \"weights\": %" G_GSIZE_FORMAT ", \"needed\": %" G_GSIZE_FORMAT "}\n",
           batch, latent, rank, has_segments ? "true" : "false", vard_executable_get_workspace_size (self->executable),
           memory.weights, memory.needed);
}

static gboolean
measure (Bench   *self,
         GError **error)
{
  double times[MAX_ROUNDS];

  if (!make_unet (self, error) || !prepare (self, error) || !set_inputs (self, error))
    return FALSE;
  if (rounds == 0)
    {
      report_plan (self);
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
  vard_optimizer_free (self->optimizer);
  vard_parameter_set_free (self->set);
  g_clear_object (&self->unet);
  g_clear_object (&self->engine);
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Bench bench = { NULL };

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || !config_path || !engine_spec || rounds < 0
      || rounds > MAX_ROUNDS)
    {
      g_printerr ("%s\n", error ? error->message : "--config and --engine are needed, and at most 1000 --rounds");
      return 2;
    }
  bench.engine = vard_load_engine (engine_spec, 0, &error);
  if (!bench.engine || !measure (&bench, &error))
    g_printerr ("%s\n", error->message);
  bench_clear (&bench);
  return error ? 1 : 0;
}
