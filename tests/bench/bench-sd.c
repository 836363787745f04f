/* bench-sd.c - one denoiser evaluation, or one LoRA training step, of a model at a given size:
 * seconds and memory
 *
 *   bench-sd --model DIR [--latent N] [--lora RANK] [--segments] [--threads N]
 *            [--rounds N] [--profile]
 *
 * Prints one JSON object. "load" is how many seconds the model took to load; "memory" is the
 * highest resident memory while it ran, less what was resident with the model loaded.
 * tests/bench/compare-sd.py runs it beside PyTorch.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-engine.h"
#include <vard-internal.h>

#include "models/vard-model-class.h"
#include "nn/vard-lora.h"
#include "learn/vard-optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int threads = 2, rounds = 3, latent = 64, rank;
static char *model_path;
static gboolean has_segments, has_profile;

static const GOptionEntry entries[] = {
  { "model", 'm', 0, G_OPTION_ARG_FILENAME, &model_path, "Model folder", "DIR" },
  { "latent", 'l', 0, G_OPTION_ARG_INT, &latent, "Side of the latent", "N" },
  { "lora", 'r', 0, G_OPTION_ARG_INT, &rank, "A training step of a LoRA of this rank; 0: a forward",
    "RANK" },
  { "segments", 's', 0, G_OPTION_ARG_NONE, &has_segments, "Recompute blocks in the reverse sweep",
    NULL },
  { "threads", 't', 0, G_OPTION_ARG_INT, &threads, "Threads", "N" },
  { "rounds", 'n', 0, G_OPTION_ARG_INT, &rounds, "Runs after the first; the fastest counts", "N" },
  { "profile", 'p', 0, G_OPTION_ARG_NONE, &has_profile, "Seconds by kernel, on standard error",
    NULL },
  { NULL },
};

typedef struct
{
  VardEngine *engine;
  VardParameterSet *set;
  VardOptimizer *optimizer;
  VardExecutable *executable;
  double load; /* seconds */
} Bench;

/* a line of /proc/self/status, in bytes */
static double
read_status (const char *field)
{
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL)
      || (line = strstr (text, field)) == NULL)
    return 0;
  return 1024.0 * g_ascii_strtoull (line + strlen (field) + 1, NULL, 10);
}

static void
reset_peak (void)
{
  FILE *file = fopen ("/proc/self/clear_refs", "w");

  if (file == NULL)
    return;
  fputs ("5", file);
  fclose (file);
}

static VardGraph *
record (Bench *self, VardModel *model)
{
  const VardModelInfo *info = vard_model_peek_info (model);
  VardShape shape = VARD_SHAPE (1, latent, latent, info->channels);
  VardGraph *graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, shape);
  VardNode *t = vard_input (graph, "t", VARD_DTYPE_F32, VARD_SHAPE (1));
  VardNode *slots[VARD_CONDITION_MAX_SLOTS];
  VardNode *target = vard_input (graph, "target", VARD_DTYPE_F32, shape);

  vard_condition_layout_record_inputs (&info->condition, graph, "condition", 1, slots);

  VardNode *out = vard_model_record_predict (model, x, t, slots);

  if (rank == 0)
    vard_graph_add_output (graph, "out", out);
  else
    {
      VardNode *loss = vard_mean (vard_square (vard_sub (out, target)), 0xf);

      vard_graph_add_output (graph, "loss", loss);
      vard_parameter_set_record_gradients (self->set, vard_sum_all (loss));
    }
  return graph;
}

static gboolean
prepare (Bench *self, VardModel *model, GError **error)
{
  static const char *const targets[] = { "to_q", "to_k", "to_v", "to_out.0", NULL };
  VardModule *denoiser = vard_model_peek_denoiser (model);

  vard_module_set_segments (denoiser, has_segments);
  if (rank > 0)
    {
      if (!vard_lora_attach (denoiser, targets, rank, rank, 1, error))
        return FALSE;
      self->set = vard_parameter_set_new (self->engine, denoiser, error);
      self->optimizer = self->set != NULL ? vard_optimizer_new (self->set, 0, error) : NULL;
      if (self->optimizer == NULL)
        return FALSE;
    }

  g_autoptr (VardGraph) graph = record (self, model);

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
set_inputs (Bench *self, VardModel *model, GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (model);
  gsize count = (gsize) latent * latent * info->channels;
  const float t = 500;

  return set_random (self, "x", count, error) && set_random (self, "target", count, error)
         && set_random (self, "condition/context",
                        vard_condition_layout_get_size (&info->condition, 0) / sizeof (float),
                        error)
         && vard_executable_set_input (self->executable, "t", &t, sizeof t, error);
}

static gboolean
step (Bench *self, GError **error)
{
  const VardOptimizerNumbers numbers = { 1e-4, 0.9, 0.999, 1e-8, 0.01, 1 };
  double norm;

  return vard_executable_run (self->executable, NULL, error)
         && (self->optimizer == NULL
             || vard_optimizer_update (self->optimizer, &numbers, &norm, NULL, error));
}

static gboolean
measure (Bench *self, VardModel *model, GError **error)
{
  double best = G_MAXDOUBLE;
  double resident = read_status ("VmRSS");

  reset_peak ();
  if (!prepare (self, model, error) || !set_inputs (self, model, error))
    return FALSE;
  for (int i = 0; i <= rounds; i++)
    {
      gint64 begin = g_get_monotonic_time ();

      g_object_set (self->engine, "profile", has_profile && i > 0, NULL);
      if (!step (self, error))
        return FALSE;
      if (i > 0)
        best = MIN (best, (g_get_monotonic_time () - begin) * 1e-6);
    }
  g_print ("{\"seconds\": %.3f, \"load\": %.2f, \"memory\": %.0f, \"peak\": %.0f, \"workspace\": "
           "%" G_GSIZE_FORMAT "}\n",
           best, self->load, read_status ("VmHWM") - resident, read_status ("VmHWM"),
           vard_executable_get_workspace_size (self->executable));
  return TRUE;
}

int
main (int argc, char *argv[])
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = NULL;
  Bench bench = { NULL };

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || model_path == NULL)
    {
      g_printerr ("%s\n", error != NULL ? error->message : "--model is needed");
      return 2;
    }
  bench.engine = g_object_new (VARD_TYPE_CPU_ENGINE, "threads", threads, NULL);

  gint64 begin = g_get_monotonic_time ();

  model = vard_model_load (model_path, &error);
  bench.load = (g_get_monotonic_time () - begin) * 1e-6;
  if (model == NULL || !measure (&bench, model, &error))
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }

  g_autofree char *profile = vard_cpu_engine_dup_profile (VARD_CPU_ENGINE (bench.engine));

  if (has_profile)
    g_printerr ("%s", profile);
  g_clear_object (&bench.executable);
  vard_optimizer_free (bench.optimizer);
  vard_parameter_set_free (bench.set);
  g_object_unref (bench.engine);
  return 0;
}
