/* vard-model-loader.c - finds out which model class a folder names, and builds it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "files/vard-config-reader.h"
#include "models/vard-model-class.h"
#include "models/vard-stable-diffusion.h"

#include "base/vard-error.h"

typedef VardModel *(*LoadFunc) (const char *path, VardConfigReader *index, GError **error);

static const struct
{
  const char *class_name;
  LoadFunc load;
} classes[] = {
  { "StableDiffusionPipeline", vard_stable_diffusion_load },
};

/* whether there is something that could be a model */
static gboolean
vard_model_loader_check_path (const char *path, GError **error)
{
  static const char *const pickles[] = { ".ckpt", ".bin", ".pt", ".pth" };

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "there is no model folder or .safetensors file %s (vard downloads nothing)",
                   path);
      return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (pickles); i++)
    if (g_str_has_suffix (path, pickles[i]) && !g_file_test (path, G_FILE_TEST_IS_DIR))
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                     "%s is a pickle, and reading it can run code: convert it with diffusers: "
                     "StableDiffusionPipeline.from_single_file (file).save_pretrained (folder)",
                     path);
        return FALSE;
      }
  if (g_file_test (path, G_FILE_TEST_IS_DIR) || g_str_has_suffix (path, ".safetensors"))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
               "%s is neither a model folder in the layout of diffusers nor a .safetensors file",
               path);

  return FALSE;
}

/* the file that is more likely meant than its folder; (nullable) (transfer full) */
static char *
vard_model_loader_find_single_file (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autofree char *found = NULL;
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if ((g_str_has_suffix (name, ".safetensors") || g_str_has_suffix (name, ".ckpt"))
        && (found == NULL || g_strcmp0 (name, found) < 0))
      {
        g_free (found);
        found = g_strdup (name);
      }

  return g_steal_pointer (&found);
}

static void
vard_model_loader_refuse_folder (const char *path, GError **error)
{
  g_autofree char *config = g_build_filename (path, "config.json", NULL);
  g_autofree char *file = vard_model_loader_find_single_file (path);
  const char *what = "it is not a model folder as diffusers writes it";

  if (g_file_test (config, G_FILE_TEST_EXISTS))
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                 "%s has no model_index.json: it is only a part of a model; name the folder that "
                 "contains unet, vae and text_encoder",
                 path);
  else if (file != NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                 "%s has no model_index.json: %s; did you mean the file %s?", path, what, file);
  else
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has no model_index.json: %s", path,
                 what);
}

static VardModel *
vard_model_loader_load_folder (const char *path, GError **error)
{
  g_autofree char *index_path = g_build_filename (path, "model_index.json", NULL);
  g_autoptr (GString) supported = g_string_new (NULL);

  if (!g_file_test (index_path, G_FILE_TEST_EXISTS))
    {
      vard_model_loader_refuse_folder (path, error);
      return NULL;
    }

  g_autoptr (VardConfigReader) index = vard_config_reader_new (index_path, error);

  if (index == NULL)
    return NULL;

  const char *name = vard_config_reader_get_string (index, "_class_name", "");

  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    {
      if (g_str_equal (classes[i].class_name, name))
        return classes[i].load (path, index, error);
      g_string_append_printf (supported, "%s%s", i ? ", " : "", classes[i].class_name);
    }
  g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED, "%s is a %s; vard supports %s%s", path,
               *name ? name : "pipeline without _class_name", supported->str,
               g_str_has_prefix (name, "Flax") || g_str_has_prefix (name, "Onnx")
                 ? " (export the model from PyTorch: save_pretrained of a StableDiffusionPipeline)"
                 : "");

  return NULL;
}

/**
 * vard_model_load_full: (skip)
 * @path: (type filename): the folder of a model as diffusers writes it, or a single file
 * @options: (nullable): what the files leave open
 * @error: return location for an error
 *
 * Loads a model as vard_model_load() does.
 *
 * Returns: (transfer full): the model, or %NULL
 */
VardModel *
vard_model_load_full (const char *path, const VardModelOptions *options, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);

  if (!vard_model_loader_check_path (path, error))
    return NULL;

  return g_file_test (path, G_FILE_TEST_IS_DIR)
           ? vard_model_loader_load_folder (path, error)
           : vard_stable_diffusion_load_file (path, options, error);
}

/**
 * vard_model_load:
 * @path: (type filename): the folder of a model as diffusers writes it, or a single file
 * @error: return location for an error
 *
 * Reads model_index.json and builds the class that it names. Nothing is downloaded.
 *
 * Returns: (transfer full): the model, or %NULL with %VARD_ERROR_CONFIG or %VARD_ERROR_UNSUPPORTED
 */
VardModel *
vard_model_load (const char *path, GError **error)
{
  return vard_model_load_full (path, NULL, error);
}
