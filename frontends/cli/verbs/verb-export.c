/* verb-export.c - vard export: writes weights for other programs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-lora.h"
#include "cli-options.h"

#include <stdio.h>
#include <string.h>

#define CLI_TYPE_EXPORT_SETTINGS (cli_export_settings_get_type ())
G_DECLARE_FINAL_TYPE (CliExportSettings, cli_export_settings, CLI, EXPORT_SETTINGS, GObject)

struct _CliExportSettings
{
  GObject parent_instance;
  VardExportFormat format;
  char *output;
  char **lora;
  char *model;
  guint64 checkpoint;
  gboolean half;
  char *title;
  char *tokenizer;
  char *engine;
  guint threads;
};

G_DEFINE_FINAL_TYPE (CliExportSettings, cli_export_settings, G_TYPE_OBJECT)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_ENUM (CliExportSettings, format,
                   "Format: diffusers or kohya for the adapters; merged-folder or "
                   "merged-single-file for the whole model with the adapters merged in",
                   vard_export_format_get_type, VARD_EXPORT_FORMAT_DIFFUSERS),
  VARD_FIELD_STRING (CliExportSettings, output,
                     "File to write, or folder for merged-folder", NULL),
  VARD_FIELD_STRV (CliExportSettings, lora,
                   "LoRA to add, as FILE[:STRENGTH]; diffusers, PEFT and kohya files work"),
  VARD_FIELD_STRING (CliExportSettings, model, "Folder of a run's base model, if it has moved",
                     NULL),
  VARD_FIELD_UINT64 (CliExportSettings, checkpoint,
                     "Step of a run's checkpoint; the default is its final weights", 0,
                     G_MAXUINT64, VARD_CHECKPOINT_FINAL),
  VARD_FIELD_BOOLEAN (CliExportSettings, half, "Write merged weights in half precision", FALSE),
  VARD_FIELD_STRING (CliExportSettings, title,
                     "Title for the file's header; the default is the name of the run or file",
                     NULL),
  VARD_FIELD_STRING (CliExportSettings, tokenizer,
                     "Folder with vocab.json and merges.txt, for a single-file model without one "
                     "beside it",
                     NULL),
  VARD_FIELD_STRING (CliExportSettings, engine,
                     "Engine that compares the outputs: cpu, cuda or reference",
                     "cpu"),
  VARD_FIELD_UINT (CliExportSettings, threads,
                   "Threads of the engine; 0 uses one per core", 0, 1024,
                   0),
};
/* clang-format on */

static void
cli_export_settings_class_init (CliExportSettingsClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
cli_export_settings_init (CliExportSettings *self)
{
}

/* an empty option is no option */
static const char *
cli_or_null (const char *text)
{
  return text != NULL && *text ? text : NULL;
}

typedef struct
{
  VardRun *run; /* (nullable) */
  guint64 step; /* of the run */
  VardModel *model;
  char *tokenizer;
} Subject;

static void
subject_clear (Subject *self)
{
  g_clear_object (&self->run);
  g_clear_object (&self->model);
  g_clear_pointer (&self->tokenizer, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Subject, subject_clear)

static gboolean
cli_is_run (const char *path)
{
  g_autofree char *record = g_build_filename (path, "run.json", NULL);

  return g_file_test (record, G_FILE_TEST_EXISTS);
}

static VardModel *
cli_export_load_run (CliExportSettings *settings,
                     Subject *subject,
                     VardEngine *engine,
                     GError **error)
{
  VardRunModelOptions options = {
    .base = cli_or_null (settings->model),
    .tokenizer = cli_or_null (settings->tokenizer),
    .engine = engine,
  };

  if (settings->checkpoint == VARD_CHECKPOINT_FINAL && !vard_run_has_final (subject->run))
    printf ("%s has not ended; exporting its newest checkpoint\n",
            vard_run_get_name (subject->run));

  return vard_run_load_model (subject->run, settings->checkpoint, &options, &subject->step, error);
}

static VardModel *
cli_export_load_model (CliExportSettings *settings, const char *path, GError **error)
{
  VardModelOptions options = { .tokenizer = cli_or_null (settings->tokenizer) };

  return vard_model_load_full (path, &options, error);
}

/* where a reader of the new file finds the tokenizer: with the base model */
static char *
cli_find_tokenizer (CliExportSettings *settings, VardModel *model)
{
  const char *path = vard_model_get_path (model);
  g_autofree char *folder = g_file_test (path, G_FILE_TEST_IS_DIR) ? g_strdup (path)
                                                                   : g_path_get_dirname (path);
  g_autofree char *inner = g_build_filename (folder, "tokenizer", NULL);

  if (cli_or_null (settings->tokenizer) != NULL)
    return g_strdup (settings->tokenizer);

  return g_file_test (inner, G_FILE_TEST_IS_DIR) ? g_steal_pointer (&inner)
                                                 : g_steal_pointer (&folder);
}

static gboolean
cli_load_subject (CliExportSettings *settings,
                  const char *path,
                  Subject *subject,
                  VardEngine *engine,
                  GError **error)
{
  if (cli_is_run (path))
    {
      subject->run = vard_run_open (path, error);
      subject->model = subject->run != NULL ? cli_export_load_run (settings, subject, engine, error)
                                            : NULL;
    }
  else
    subject->model = cli_export_load_model (settings, path, error);
  if (subject->model == NULL || !cli_lora_add (subject->model, settings->lora, error))
    return FALSE;
  subject->tokenizer = cli_find_tokenizer (settings, subject->model);

  return TRUE;
}

static char *
cli_dup_title (CliExportSettings *settings, VardRun *run)
{
  g_autofree char *name = g_path_get_basename (settings->output);
  char *ending = g_strrstr (name, ".safetensors");

  if (cli_or_null (settings->title) != NULL)
    return g_strdup (settings->title);
  if (run != NULL)
    return g_strdup (vard_run_get_name (run));
  if (ending != NULL)
    *ending = 0;

  return g_steal_pointer (&name);
}

static void
cli_print_report (CliExportSettings *settings,
                  const VardExportReport *report,
                  const char *tokenizer)
{
  printf ("%s\n", settings->output);
  if (report->n_layers)
    printf ("  %u adapters, which change the output by %.2g of its largest value\n",
            report->n_layers, report->change);
  if (report->n_layers && report->change == 0)
    printf ("  the adapters have no effect: they were never trained, or their strength is 0\n");
  if (report->n_tensors)
    printf ("  %u tensors, all of them matched when read back\n", report->n_tensors);
  printf ("  read back, its output differs from the live model's by %.2g of the largest value\n",
          report->error);
  if (settings->format == VARD_EXPORT_FORMAT_MERGED_SINGLE_FILE)
    printf ("  vard needs a tokenizer beside it: copy the folder %s there\n", tokenizer);
}

static gboolean export(CliExportSettings *settings, const char *path, GError **error)
{
  g_auto (Subject) subject = { NULL };
  g_autoptr (VardEngine) engine = vard_load_engine (settings->engine, settings->threads, error);

  if (engine == NULL || !cli_load_subject (settings, path, &subject, engine, error))
    return FALSE;

  g_autofree char *title = cli_dup_title (settings, subject.run);
  g_autoptr (GHashTable) metadata = vard_export_dup_metadata (subject.model, subject.run,
                                                              subject.step, title, settings->format,
                                                              (const char *const *) settings->lora);
  VardExportRequest request = {
    .format = settings->format,
    .dtype = settings->half ? VARD_DTYPE_F16 : VARD_DTYPE_F32,
    .tokenizer = subject.tokenizer,
    .metadata = metadata,
  };
  VardExportReport report = { 0 };

  if (!vard_export_model (subject.model, engine, settings->output, &request, &report, error))
    return FALSE;
  cli_print_report (settings, &report, subject.tokenizer);

  return TRUE;
}

static gboolean
verb_export_check_settings (CliExportSettings *settings, CliOptions *options, GError **error)
{
  gboolean is_folder = settings->format == VARD_EXPORT_FORMAT_MERGED_FOLDER;

  if (cli_options_get_words (options)[0] == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "no run or model is given: use vard export RUN|MODEL --format FORMAT -o OUT");
  else if (cli_or_null (settings->output) == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "no output is given: use -o OUT");
  else if (!cli_options_has (options, "format"))
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "no format is given: use --format diffusers, kohya, merged-folder or "
                 "merged-single-file");
  else if (!is_folder && !g_str_has_suffix (settings->output, ".safetensors"))
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "%s: the name must end in .safetensors, or other programs do not load the file",
                 settings->output);
  else
    return TRUE;

  return FALSE;
}

static CliExit
cli_export (int argc, char **argv)
{
  g_autoptr (CliExportSettings) settings = g_object_new (CLI_TYPE_EXPORT_SETTINGS, NULL);
  g_autoptr (CliOptions) options =
    cli_options_new ("export RUN|MODEL --format FORMAT -o OUT [OPTION...]",
                     "Writes the weights of a run, or a model with LoRA files, in a format that "
                     "other programs load. Reads the file back, checks that every tensor fits, and "
                     "compares its output with the model's.");
  g_autoptr (GError) error = NULL;

  cli_options_add_object (options, "Export", G_OBJECT (settings));
  cli_options_add_short (options, 'o', "output");
  if (cli_options_parse (options, argc, argv, &error) && cli_options_apply (options, &error)
      && verb_export_check_settings (settings, options, &error))
    export(settings, cli_options_get_words (options)[0], &error);

  return error != NULL ? cli_fail ("export", g_steal_pointer (&error)) : CLI_DONE;
}

const CliVerb cli_verb_export = { "export", "writes adapters or merged models for other programs",
                                  cli_export };
