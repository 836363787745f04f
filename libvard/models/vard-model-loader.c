/* vard-model-loader.c - looks into a folder and builds the class of model it names
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-config-reader.h"
#include "models/vard-model.h"
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

static gboolean
check_folder (const char *path,
              GError    **error)
{
  static const char *const pickles[] = { ".ckpt", ".bin", ".pt", ".pth" };

  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return TRUE;
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "there is no model folder %s", path);
      return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (pickles); i++)
    if (g_str_has_suffix (path, pickles[i]))
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
                     "%s is a pickle, which can run code when it is read; convert it with diffusers: "
                     "StableDiffusionPipeline.from_single_file (file).save_pretrained (folder)", path);
        return FALSE;
      }
  g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
               "%s is a file; a model is a folder as diffusers writes it (convert a single file with "
               "StableDiffusionPipeline.from_single_file (file).save_pretrained (folder))", path);
  return FALSE;
}

VardModel *
vard_model_load (const char *path,
                 GError    **error)
{
  g_return_val_if_fail (path != NULL, NULL);

  g_autofree char *index_path = g_build_filename (path, "model_index.json", NULL);

  if (!check_folder (path, error))
    return NULL;
  if (!g_file_test (index_path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s has no model_index.json: it is not a model folder as diffusers writes it", path);
      return NULL;
    }

  g_autoptr (VardConfigReader) index = vard_config_reader_new (index_path, error);

  if (!index)
    return NULL;

  const char *name = vard_config_reader_get_string (index, "_class_name", "");

  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    if (g_str_equal (classes[i].class_name, name))
      return classes[i].load (path, index, error);
  g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED, "%s is a %s; supported is %s", path,
               *name ? name : "pipeline without _class_name", classes[0].class_name);
  return NULL;
}
