/* verb-sample.c - vard sample: draws pictures with a model or a run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-lora.h"
#include "cli-options.h"
#include "cli-pictures.h"
#include "cli-prompts.h"
#include "cli-signals.h"

#define CLI_TYPE_SAMPLE_SETTINGS (cli_sample_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliSampleSettings, cli_sample_settings, CLI, SAMPLE_SETTINGS, GObject)

/* What becomes of the pictures; how they are made is VardSampling's */
struct _CliSampleSettings
{
  GObject parent_instance;
  char *output;
  gboolean grid;
};

G_DEFINE_FINAL_TYPE (CliSampleSettings, cli_sample_settings, G_TYPE_OBJECT)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_STRING (CliSampleSettings, output, "Folder for the pictures", "out"),
  VARD_FIELD_BOOLEAN (CliSampleSettings, grid,
                      "Also write grid.png, with a row per prompt and a column per seed", FALSE),
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

/* What the run was trained with is what its pictures are sampled with, unless the command line says
 * otherwise */
static gboolean
cli_sample_apply (VardSampling *sampling, CliOptions *options, GError **error)
{
  const char *path = cli_options_get_words (options)[0];
  g_autoptr (VardRun) run = path != NULL ? vard_run_open (path, error) : NULL;

  if (path == NULL && !cli_options_has (options, "model"))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "no model is given: use --model FOLDER, or name a run");
      return FALSE;
    }

  return (path == NULL || (run != NULL && vard_sampling_set_run (sampling, run, error)))
         && cli_options_apply (options, error);
}

/* An option without an effect is an error */
static gboolean
cli_sample_check (VardSampling *sampling, CliOptions *options, GError **error)
{
  VardSamplerKind sampler;

  g_object_get (sampling, "sampler", &sampler, NULL);
  if ((vard_sampler_kind_get_flags (sampler) & VARD_SAMPLER_FLAGS_HAS_ETA) != 0
      || !cli_options_has (options, "eta"))
    return TRUE;

  g_autofree char *names = vard_sampler_kind_list (VARD_SAMPLER_FLAGS_HAS_ETA);

  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
               "--eta is for the sampler %s, and this one is %s", names,
               vard_sampler_kind_to_string (sampler));

  return FALSE;
}

/* What the model makes of the request: layers that LoRA files change, prompts that are too long */
static void
cli_sample_tell (VardSampling *sampling, const char *const *prompts)
{
  VardModel *model = vard_sampling_get_model (sampling);
  g_auto (GStrv) lora = NULL;
  g_autofree char *negative = NULL;

  g_object_get (sampling, "lora", &lora, "negative-prompt", &negative, NULL);
  for (guint i = 0; lora != NULL && lora[i] != NULL; i++)
    cli_lora_tell (lora[i], vard_sampling_get_lora_layers (sampling, i));
  cli_prompts_say_cuts (model, prompts);
  if (negative != NULL)
    cli_prompts_say_cuts (model, (const char *const[]) { negative, NULL });
}

static gboolean
cli_sample_run (CliSampleSettings *settings,
                VardSampling *sampling,
                CliOptions *options,
                GError **error)
{
  GCancellable *cancellable = cli_signals_catch ();
  g_auto (GStrv) prompts = NULL;

  if (!cli_sample_apply (sampling, options, error) || !cli_sample_check (sampling, options, error))
    return FALSE;
  prompts = vard_sampling_dup_prompts (sampling, error);
  if (prompts == NULL || !vard_sampling_load (sampling, cancellable, error))
    return FALSE;
  cli_sample_tell (sampling, (const char *const *) prompts);
  cli_signals_serve (NULL);

  return cli_pictures_make (sampling, (const char *const *) prompts, settings->output,
                            settings->grid, cancellable, error);
}

static CliExit
cli_sample (int argc, char **argv)
{
  g_autoptr (CliSampleSettings) settings = g_object_new (CLI_TYPE_SAMPLE_SETTINGS, NULL);
  g_autoptr (VardSampling) sampling = vard_sampling_new ();
  g_autoptr (CliOptions) options =
    cli_options_new ("sample [RUN] --prompt TEXT [OPTION...]",
                     "Draws pictures with a model (--model FOLDER) or a run and writes them as PNG "
                     "files, with every setting stored as text inside. A picture depends on its "
                     "prompt and seed, not on the other pictures.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Sampling", G_OBJECT (sampling));
  cli_options_add_object (options, "Output", G_OBJECT (settings));
  cli_options_add_short (options, 'o', "output");
  if (cli_options_parse (options, argc, argv, &error))
    cli_sample_run (settings, sampling, options, &error);

  return error != NULL ? cli_fail ("sample", g_steal_pointer (&error)) : CLI_DONE;
}

const CliVerb cli_verb_sample = { "sample", "draws pictures with a model or a run", cli_sample };
