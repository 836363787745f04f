/* verb-sample.c - vard sample: pictures of a model or of a run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-lora.h"
#include "cli-options.h"

#include "diffusion/vard-pipeline-private.h"
#include "cli-pictures.h"
#include "cli-signals.h"


#define CLI_TYPE_SAMPLE_SETTINGS (cli_sample_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliSampleSettings, cli_sample_settings, CLI, SAMPLE_SETTINGS, GObject)

struct _CliSampleSettings
{
  GObject parent_instance;
  char *model;
  char **lora;
  guint64 checkpoint;
  char **prompt;
  char *prompts;
  guint steps;
  guint64 seed;
  guint count;
  double eta;
  double guidance_scale;
  guint batch;
  char *output;
  gboolean grid;
  char *noise;
  char *latents;
  char *engine;
  guint threads;
};

G_DEFINE_FINAL_TYPE (CliSampleSettings, cli_sample_settings, G_TYPE_OBJECT)

#define NEWEST G_MAXUINT64

static const VardField fields[] = {
  VARD_FIELD_STRING (CliSampleSettings, model, "Folder of the model; a run knows its own", NULL),
  VARD_FIELD_STRV (CliSampleSettings, lora, "FILE[:STRENGTH] of a LoRA to add, in any common spelling"),
  VARD_FIELD_UINT64 (CliSampleSettings, checkpoint, "Which checkpoint of a run, by its step; the newest unless named",
                     0, NEWEST, NEWEST),
  VARD_FIELD_STRV (CliSampleSettings, prompt, "What to show"),
  VARD_FIELD_STRING (CliSampleSettings, prompts, "File of prompts, one a line or JSON lines", NULL),
  VARD_FIELD_UINT (CliSampleSettings, steps, "Denoising steps", 1, 1000, 20),
  VARD_FIELD_UINT64 (CliSampleSettings, seed, "Seed of each prompt's first picture; the next ones count up", 0,
                     G_MAXINT64, 0),
  VARD_FIELD_UINT (CliSampleSettings, count, "Pictures a prompt", 1, 100000, 1),
  VARD_FIELD_DOUBLE (CliSampleSettings, eta, "Noise of the sampler: 0 is deterministic DDIM, 1 is DDPM", 0, 1, 1),
  VARD_FIELD_DOUBLE (CliSampleSettings, guidance_scale, "How strongly the prompt is followed: 1 is the plain model, "
                     "Stable Diffusion wants 5 or more; a run is sampled as it was trained", 1, 30, 1),
  VARD_FIELD_UINT (CliSampleSettings, batch, "Pictures at once", 1, 4096, 16),
  VARD_FIELD_STRING (CliSampleSettings, output, "Folder for the pictures", "out"),
  VARD_FIELD_BOOLEAN (CliSampleSettings, grid, "Write grid.png too: a row a prompt, a column a seed", FALSE),
  VARD_FIELD_STRING (CliSampleSettings, noise, "safetensors file with the initial noise (tensor noise, [n, channels, "
                     "height, width]) and each step's (tensor steps, [steps, n, ...]), to compare with other tools", NULL),
  VARD_FIELD_STRING (CliSampleSettings, latents, "safetensors file to write the finished latents to", NULL),
  VARD_FIELD_STRING (CliSampleSettings, engine, "What computes: cpu or reference", "cpu"),
  VARD_FIELD_UINT (CliSampleSettings, threads, "Threads of the engine, 0 for one per core", 0, 1024, 0),
};

static void
cli_sample_settings_class_init (CliSampleSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_sample_settings_init (CliSampleSettings *self)
{
}

static char **
dup_prompts (CliSampleSettings *settings,
             GError           **error)
{
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();

  if (settings->prompt)
    g_strv_builder_addv (list, (const char **) settings->prompt);
  if (settings->prompts && *settings->prompts)
    {
      g_autoptr (VardPromptSource) source = vard_prompt_source_new_from_file (settings->prompts, error);

      if (!source)
        return NULL;
      for (guint i = 0; i < vard_prompt_source_get_count (source); i++)
        g_strv_builder_add (list, vard_prompt_source_get_text (source, i));
    }

  g_auto (GStrv) prompts = g_strv_builder_end (list);

  if (*prompts)
    return g_steal_pointer (&prompts);
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "nothing to show: use --prompt or --prompts");
  return NULL;
}

/* What the run trained with is what its pictures are sampled with, unless the command line says otherwise */
static void
adopt_run_settings (CliSampleSettings   *settings,
                    CliOptions          *options,
                    VardTrainerSettings *trainer)
{
  static const char *const names[][2] = {
    { "steps", "sampler-steps" }, { "eta", "sampler-eta" }, { "guidance-scale", "guidance-scale" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;

      if (cli_options_has (options, names[i][0]))
        continue;
      g_object_get_property (G_OBJECT (trainer), names[i][1], &value);
      g_object_set_property (G_OBJECT (settings), names[i][0], &value);
    }
}

static VardPipeline *
load_run (CliSampleSettings *settings,
          CliOptions        *options,
          const char        *path,
          GError           **error)
{
  g_autoptr (VardRun) run = vard_run_open (path, error);
  g_autoptr (VardRunSettings) known = run ? vard_run_dup_settings (run, error) : NULL;

  if (!known)
    return NULL;

  VardTrainerSettings *trainer = vard_run_settings_get_trainer (known);

  if (settings->model && *settings->model)
    g_object_set (known, "model", settings->model, NULL);
  if (cli_options_has (options, "engine"))
    g_object_set (trainer, "engine", settings->engine, NULL);
  if (cli_options_has (options, "threads"))
    g_object_set (trainer, "threads", settings->threads, NULL);
  adopt_run_settings (settings, options, trainer);

  g_autoptr (VardRunner) runner = vard_runner_new (known, error);

  return runner && vard_runner_load_checkpoint (runner, run, settings->checkpoint, error)
           ? g_object_ref (vard_runner_get_pipeline (runner)) : NULL;
}

static VardPipeline *
load_pipeline (CliSampleSettings *settings,
               CliOptions        *options,
               GError           **error)
{
  const char *run = cli_options_get_words (options)[0];

  if (run)
    return load_run (settings, options, run, error);
  if (settings->model && *settings->model)
    return vard_load_pipeline (settings->model, settings->engine, settings->threads, error);
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "which model? use --model FOLDER, or name a run");
  return NULL;
}

static gboolean
sample (CliSampleSettings *settings,
        CliOptions        *options,
        GError           **error)
{
  GCancellable *cancellable = cli_signals_catch ();
  g_auto (GStrv) prompts = dup_prompts (settings, error);
  g_autoptr (VardPipeline) pipeline = prompts ? load_pipeline (settings, options, error) : NULL;

  if (!pipeline || !cli_lora_add (vard_pipeline_peek_model (pipeline), settings->lora, error))
    return FALSE;
  if (settings->lora)
    vard_pipeline_invalidate (pipeline);

  CliPictures request = {
    .prompts = (const char *const *) prompts, .seed = settings->seed, .count = settings->count,
    .steps = settings->steps, .eta = settings->eta, .guidance_scale = settings->guidance_scale,
    .batch = settings->batch, .noise = settings->noise, .latents = settings->latents,
    .lora = (const char *const *) settings->lora,
  };
  cli_signals_serve (NULL);

  g_autoptr (GPtrArray) images = cli_pictures_sample (pipeline, &request, cancellable, error);

  return images && cli_pictures_write (images, &request, settings->output, settings->grid, cancellable, error);
}

static CliExit
cli_sample (int    argc,
            char **argv)
{
  g_autoptr (CliSampleSettings) settings = g_object_new (CLI_TYPE_SAMPLE_SETTINGS, NULL);
  g_autoptr (CliOptions) options = cli_options_new (
    "sample [RUN] --prompt TEXT [OPTION...]",
    "Writes pictures of a model (--model FOLDER) or of what a run has trained, as PNG files with prompt, seed and "
    "sampler as text inside them. A picture depends on its prompt and seed, not on what is sampled with it.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Sampling", G_OBJECT (settings));
  cli_options_add_short (options, 'o', "output");
  if (cli_options_parse (options, argc, argv, &error) && cli_options_apply (options, &error))
    sample (settings, options, &error);
  return error ? cli_fail ("sample", g_steal_pointer (&error)) : CLI_DONE;
}

const CliVerb cli_verb_sample = { "sample", "writes pictures of a model or a run", cli_sample };
