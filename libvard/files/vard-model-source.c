/* vard-model-source.c - locates the parts of a model in a folder or a single file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "files/vard-model-source.h"

#include "base/vard-error.h"

struct _VardModelSource
{
  char *path;
  char *tokenizer;
  VardSingleFile *file; /* (nullable) */
};

VardModelSource *
vard_model_source_new_folder (const char *path)
{
  VardModelSource *self = g_new0 (VardModelSource, 1);

  self->path = g_strdup (path);
  self->tokenizer = g_build_filename (path, "tokenizer", NULL);
  return self;
}

static gboolean
vard_model_source_has_vocabulary (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "vocab.json", NULL);
  g_autofree char *json = g_build_filename (folder, "tokenizer.json", NULL);

  return g_file_test (path, G_FILE_TEST_IS_REGULAR) || g_file_test (json, G_FILE_TEST_IS_REGULAR);
}

/* as named, or the folder "tokenizer" beside the file, or the file's own folder */
static char *
vard_model_source_find_tokenizer (const char *path, const char *named, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *beside = g_build_filename (folder, "tokenizer", NULL);

  if (named != NULL)
    return g_strdup (named);
  if (vard_model_source_has_vocabulary (beside))
    return g_steal_pointer (&beside);
  if (vard_model_source_has_vocabulary (folder))
    return g_steal_pointer (&folder);
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s has no tokenizer, and there is none beside it: copy the folder tokenizer "
               "(vocab.json, merges.txt) of its base model there",
               path);

  return NULL;
}

VardModelSource *
vard_model_source_new_file (const char *path, const VardModelOptions *options, GError **error)
{
  g_autoptr (VardModelSource) self = g_new0 (VardModelSource, 1);

  self->path = g_strdup (path);
  self->file = vard_single_file_open (path, error);
  self->tokenizer =
    self->file != NULL
      ? vard_model_source_find_tokenizer (path, options != NULL ? options->tokenizer : NULL, error)
      : NULL;

  return self->tokenizer != NULL ? g_steal_pointer (&self) : NULL;
}

void
vard_model_source_free (VardModelSource *self)
{
  g_free (self->path);
  g_free (self->tokenizer);
  g_clear_pointer (&self->file, vard_single_file_free);
  g_free (self);
}

const char *
vard_model_source_get_path (VardModelSource *self)
{
  return self->path;
}

VardSingleFile *
vard_model_source_peek_file (VardModelSource *self)
{
  return self->file;
}

const char *
vard_model_source_get_tokenizer (VardModelSource *self)
{
  return self->tokenizer;
}

/* the path of a component's configuration; for a single file only the scheduler's may be beside
 * it */
static char *
vard_model_source_find_config (VardModelSource *self, const char *component)
{
  gboolean is_scheduler = g_str_equal (component, "scheduler");
  g_autofree char *folder = self->file != NULL ? g_path_get_dirname (self->path)
                                               : g_strdup (self->path);
  g_autofree char *path = g_build_filename (folder, component,
                                            is_scheduler ? "scheduler_config.json" : "config.json",
                                            NULL);

  if (self->file != NULL && (!is_scheduler || !g_file_test (path, G_FILE_TEST_EXISTS)))
    return NULL;

  return g_steal_pointer (&path);
}

char *
vard_model_source_dup_config (VardModelSource *self, const char *component, GError **error)
{
  g_autofree char *path = vard_model_source_find_config (self, component);
  char *text = NULL;

  if (path == NULL)
    return vard_single_file_dup_config (self->file, component, error);

  return g_file_get_contents (path, &text, NULL, error) ? text : NULL;
}

VardConfigReader *
vard_model_source_open_config (VardModelSource *self, const char *component, GError **error)
{
  g_autofree char *path = vard_model_source_find_config (self, component);

  if (path != NULL)
    return vard_config_reader_new (path, error);

  g_autofree char *text = vard_single_file_dup_config (self->file, component, error);
  g_autofree char *name = g_strdup_printf ("%s (%s)", self->path, component);

  return text != NULL ? vard_config_reader_new_from_text (name, text, error) : NULL;
}
