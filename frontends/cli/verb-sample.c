/* verb-sample.c - vard sample: pictures of a model or of a run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-lora.h"
#include "cli-options.h"
#include "cli-pictures.h"
#include "cli-prompts.h"
#include "cli-signals.h"

#include "diffusion/vard-pipeline-private.h"

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
  char *negative_prompt;
  VardSamplerKind sampler;
  guint steps;
  guint width, height;
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

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_STRING (CliSampleSettings, model, "Folder of the model; a run knows its own", NULL),
  VARD_FIELD_STRV (CliSampleSettings, lora,
                   "FILE[:STRENGTH] of a LoRA to add, in any common spelling"),
  VARD_FIELD_UINT64 (CliSampleSettings, checkpoint,
                     "Which checkpoint of a run, by its step; the newest unless named", 0, NEWEST,
                     NEWEST),
  VARD_FIELD_STRV (CliSampleSettings, prompt, "What to show"),
  VARD_FIELD_STRING (CliSampleSettings, prompts, "File of prompts, one a line or JSON lines", NULL),
  VARD_FIELD_STRING (CliSampleSettings, negative_prompt,
                     "What not to show; works by guidance, so guidance-scale must be above 1",
                     NULL),
  VARD_FIELD_ENUM (CliSampleSettings, sampler, "What goes from noise to a picture",
                   vard_sampler_kind_get_type, VARD_SAMPLER_KIND_DDIM),
  VARD_FIELD_UINT (CliSampleSettings, steps, "Denoising steps", 1, 1000, 20),
  VARD_FIELD_UINT (CliSampleSettings, width, "Width in pixels, 0 for that of the model", 0, 8192,
                   0),
  VARD_FIELD_UINT (CliSampleSettings, height, "Height in pixels, 0 for that of the model", 0, 8192,
                   0),
  VARD_FIELD_UINT64 (CliSampleSettings, seed,
                     "Seed of each prompt's first picture; the next ones count up", 0, G_MAXINT64,
                     0),
  VARD_FIELD_UINT (CliSampleSettings, count, "Pictures a prompt", 1, 100000, 1),
  VARD_FIELD_DOUBLE (CliSampleSettings, eta,
                     "Noise of the sampler ddim: 0 is deterministic, 1 is DDPM", 0, 1, 1),
  VARD_FIELD_DOUBLE (CliSampleSettings, guidance_scale,
                     "How strongly the prompt is followed: 1 is the plain model, Stable Diffusion "
                     "wants 5 or more; a run is sampled as it was trained",
                     1, 30, 1),
  VARD_FIELD_UINT (CliSampleSettings, batch, "Pictures at once", 1, 4096, 16),
  VARD_FIELD_STRING (CliSampleSettings, output, "Folder for the pictures", "out"),
  VARD_FIELD_BOOLEAN (CliSampleSettings, grid,
                      "Write grid.png too: a row a prompt, a column a seed", FALSE),
  VARD_FIELD_STRING (CliSampleSettings, noise,
                     "safetensors file with the initial noise (tensor noise, [n, channels, height, "
                     "width]) and each step's (tensor steps, [steps, n, ...]), to compare with "
                     "other tools",
                     NULL),
  VARD_FIELD_STRING (CliSampleSettings, latents,
                     "safetensors file to write the finished latents to", NULL),
  VARD_FIELD_STRING (CliSampleSettings, engine, "What computes: cpu, cuda or reference", "cpu"),
  VARD_FIELD_UINT (CliSampleSettings, threads, "Threads of the engine, 0 for one per core", 0, 1024,
                   0),
};
/* clang-format on */

static void
cli_sample_settings_class_init (CliSampleSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_sample_settings_init (CliSampleSettings *self)
{
}

/* What the run trained with is what its pictures are sampled with, unless the command line says
 * otherwise */
static void
adopt_run_settings (CliSampleSettings *settings, CliOptions *options, VardTrainerSettings *trainer)
{
  static const char *const names[][2] = {
    { "sampler", "sampler" },
    { "steps", "sampler-steps" },
    { "eta", "sampler-eta" },
    { "guidance-scale", "guidance-scale" },
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

/* @name: what pictures say of the run */
static VardPipeline *
load_run (CliSampleSettings *settings,
          CliOptions *options,
          const char *path,
          char **name,
          GError **error)
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

  if (!runner || !vard_runner_load_checkpoint (runner, run, settings->checkpoint, error))
    return NULL;
  *name = g_strdup_printf ("%s, step %" G_GUINT64_FORMAT, vard_run_get_name (run),
                           vard_trainer_get_step (vard_runner_get_trainer (runner)));
  return g_object_ref (vard_runner_get_pipeline (runner));
}

static VardPipeline *
load_pipeline (CliSampleSettings *settings, CliOptions *options, char **name, GError **error)
{
  const char *run = cli_options_get_words (options)[0];

  if (run)
    return load_run (settings, options, run, name, error);
  if (settings->model && *settings->model)
    return vard_load_pipeline (settings->model, settings->engine, settings->threads, error);
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
               "which model? use --model FOLDER, or name a run");
  return NULL;
}

/* what would have no effect is an error */
static gboolean
check_settings (CliSampleSettings *settings, CliOptions *options, GError **error)
{
  if (!(vard_sampler_kind_get_flags (settings->sampler) & VARD_SAMPLER_FLAGS_HAS_ETA)
      && cli_options_has (options, "eta"))
    {
      g_autofree char *names = vard_sampler_kind_list (VARD_SAMPLER_FLAGS_HAS_ETA);

      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "--eta is for the sampler %s, and this one is %s", names,
                   vard_sampler_kind_to_string (settings->sampler));
    }
  else if (settings->negative_prompt && *settings->negative_prompt && settings->guidance_scale == 1)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "--negative-prompt has no effect at guidance scale 1: use --guidance-scale 5 or "
                 "so");
  else
    return TRUE;
  return FALSE;
}

/* loaded, with everything that changes what it is; the settings are final then */
static VardPipeline *
prepare (CliSampleSettings *settings, CliOptions *options, char **name, GError **error)
{
  g_autoptr (VardPipeline) pipeline = load_pipeline (settings, options, name, error);
  VardModel *model = pipeline ? vard_pipeline_peek_model (pipeline) : NULL;

  if (!model || !check_settings (settings, options, error)
      || !vard_model_set_size (model, settings->width, settings->height, error)
      || !cli_lora_add (model, settings->lora, error))
    return NULL;
  if (settings->lora || settings->width || settings->height)
    vard_pipeline_invalidate (pipeline);
  return g_steal_pointer (&pipeline);
}

static gboolean
sample (CliSampleSettings *settings, CliOptions *options, GError **error)
{
  GCancellable *cancellable = cli_signals_catch ();
  g_auto (GStrv) prompts = cli_prompts_load (settings->prompt, settings->prompts, error);
  g_autofree char *run = NULL;
  g_autoptr (VardPipeline) pipeline = prompts ? prepare (settings, options, &run, error) : NULL;

  if (!pipeline)
    return FALSE;
  cli_prompts_say_cuts (vard_pipeline_peek_model (pipeline), (const char *const *) prompts);
  if (settings->negative_prompt)
    cli_prompts_say_cuts (vard_pipeline_peek_model (pipeline),
                          (const char *const[]) { settings->negative_prompt, NULL });

  g_autofree char *name =
    g_path_get_basename (vard_model_get_path (vard_pipeline_peek_model (pipeline)));
  CliPictures request = {
    .model = name,
    .run = run,
    .prompts = (const char *const *) prompts,
    .seed = settings->seed,
    .count = settings->count,
    .negative_prompt =
      settings->negative_prompt && *settings->negative_prompt ? settings->negative_prompt : NULL,
    .sampler = settings->sampler,
    .steps = settings->steps,
    .eta = settings->eta,
    .guidance_scale = settings->guidance_scale,
    .batch = settings->batch,
    .noise = settings->noise,
    .latents = settings->latents,
    .lora = (const char *const *) settings->lora,
  };
  cli_signals_serve (NULL);

  g_autoptr (GPtrArray) images = cli_pictures_sample (pipeline, &request, cancellable, error);

  return images
         && cli_pictures_write (images, &request, settings->output, settings->grid, cancellable,
                                error);
}

static CliExit
cli_sample (int argc, char **argv)
{
  g_autoptr (CliSampleSettings) settings = g_object_new (CLI_TYPE_SAMPLE_SETTINGS, NULL);
  g_autoptr (CliOptions) options =
    cli_options_new ("sample [RUN] --prompt TEXT [OPTION...]",
                     "Writes pictures of a model (--model FOLDER) or of what a run has trained, as "
                     "PNG files with all that made them as text inside. A picture depends on its "
                     "prompt and seed, not on what is sampled with it.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Sampling", G_OBJECT (settings));
  cli_options_add_short (options, 'o', "output");
  if (cli_options_parse (options, argc, argv, &error) && cli_options_apply (options, &error))
    sample (settings, options, &error);
  return error ? cli_fail ("sample", g_steal_pointer (&error)) : CLI_DONE;
}

const CliVerb cli_verb_sample = { "sample", "writes pictures of a model or a run", cli_sample };
