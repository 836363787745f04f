/* vard-model-saver.c - writes a complete model folder
 *
 * Everything but one component's weights is copied as it is. Weights that readers would not look
 * for are left out (pickles beside safetensors, other variants), and what exists only as the fp16
 * variant gets the plain name, so that the folder loads without naming a variant.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "files/vard-model-saver.h"

#include "base/vard-error.h"
#include "files/vard-weights.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

/* of files at the top: model cards and licences, not checkpoints */
#define MAX_TOP_FILE (4 * 1024 * 1024)

static gboolean
vard_model_saver_has_suffix_of (const char *name, const char *const *suffixes)
{
  for (guint i = 0; suffixes[i] != NULL; i++)
    if (g_str_has_suffix (name, suffixes[i]))
      return TRUE;
  return FALSE;
}

static gboolean
vard_model_saver_is_pickle (const char *name)
{
  static const char *const suffixes[] = { ".bin",     ".bin.index.json", ".ckpt", ".pt", ".pth",
                                          ".msgpack", ".onnx",           ".h5",   NULL };

  return vard_model_saver_has_suffix_of (name, suffixes);
}

static void
vard_model_saver_remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        vard_model_saver_remove_tree (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

static gboolean
vard_model_saver_copy_file (const char *from_folder,
                            const char *from_name,
                            const char *to_folder,
                            const char *to_name,
                            GError **error)
{
  g_autofree char *from_path = g_build_filename (from_folder, from_name, NULL);
  g_autofree char *to_path = g_build_filename (to_folder, to_name, NULL);
  g_autoptr (GFile) from = g_file_new_for_path (from_path);
  g_autoptr (GFile) to = g_file_new_for_path (to_path);

  return g_file_copy (from, to, G_FILE_COPY_TARGET_DEFAULT_PERMS, NULL, NULL, NULL, error);
}

/* "model.fp16-00001-of-00002.safetensors" of the stem "model" */
static gboolean
vard_model_saver_is_weight_file (const char *name, const char *stem)
{
  return g_str_has_prefix (name, stem)
         && (g_str_has_suffix (name, ".safetensors") || g_str_has_suffix (name, ".json"))
         && !g_str_equal (name, "model_index.json");
}

/* the name a file gets in the copy, or NULL when it is left out; (transfer full) */
static char *
vard_model_saver_choose_name (const char *folder,
                              const char *name,
                              gboolean has_safetensors,
                              const char *replaced)
{
  const char *variant = strstr (name, ".fp16.");
  g_autofree char *plain = NULL;
  g_autofree char *plain_path = NULL;

  if (replaced != NULL
      && (vard_model_saver_is_weight_file (name, replaced) || vard_model_saver_is_pickle (name)))
    return NULL;
  if (has_safetensors && vard_model_saver_is_pickle (name))
    return NULL;
  if (variant == NULL)
    return g_strdup (name);
  plain = g_strdup_printf ("%.*s%s", (int) (variant - name), name, variant + strlen (".fp16"));
  plain_path = g_build_filename (folder, plain, NULL);

  return g_file_test (plain_path, G_FILE_TEST_EXISTS) ? NULL : g_steal_pointer (&plain);
}

static gboolean
vard_model_saver_contains_safetensors (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".safetensors"))
      return TRUE;

  return FALSE;
}

static gboolean
vard_model_saver_copy_component (const char *from,
                                 const char *to,
                                 const char *replaced,
                                 GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, error);
  gboolean has_safetensors = vard_model_saver_contains_safetensors (from);
  const char *name;

  if (dir == NULL)
    return FALSE;
  if (g_mkdir (to, 0755) != 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot create %s: %s", to,
                   g_strerror (errno));
      return FALSE;
    }
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (from, name, NULL);
      g_autofree char *target =
        vard_model_saver_choose_name (from, name, has_safetensors, replaced);

      if (target != NULL && g_file_test (path, G_FILE_TEST_IS_REGULAR)
          && !vard_model_saver_copy_file (from, name, to, target, error))
        return FALSE;
    }

  return TRUE;
}

/* model_index.json, model card, licence: not checkpoints that lie beside the folders */
static gboolean
vard_model_saver_is_small_file (const char *path, const char *name)
{
  GStatBuf info;

  return name[0] != '.' && !vard_model_saver_is_pickle (name)
         && !g_str_has_suffix (name, ".safetensors") && g_stat (path, &info) == 0
         && S_ISREG (info.st_mode) && info.st_size <= MAX_TOP_FILE;
}

/* the stem of a component that is written new, or NULL */
static const char *
vard_model_saver_find_stem (const VardModelSaverPart *parts, guint n_parts, const char *component)
{
  for (guint i = 0; i < n_parts; i++)
    if (g_str_equal (parts[i].component, component))
      return parts[i].stem;
  return NULL;
}

static gboolean
vard_model_saver_copy_all (const char *from,
                           const char *to,
                           const VardModelSaverPart *parts,
                           guint n_parts,
                           GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, error);
  const char *name;

  if (dir == NULL)
    return FALSE;
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (from, name, NULL);
      g_autofree char *target = g_build_filename (to, name, NULL);

      if (name[0] != '.' && g_file_test (path, G_FILE_TEST_IS_DIR))
        {
          if (!vard_model_saver_copy_component (path, target,
                                                vard_model_saver_find_stem (parts, n_parts, name),
                                                error))
            return FALSE;
        }
      else if (vard_model_saver_is_small_file (path, name)
               && !vard_model_saver_copy_file (from, name, to, name, error))
        return FALSE;
    }

  return TRUE;
}

static gboolean
vard_model_saver_write_weights (const char *folder,
                                const VardModelSaverPart *parts,
                                guint n_parts,
                                VardDType dtype,
                                GHashTable *metadata,
                                GError **error)
{
  for (guint i = 0; i < n_parts; i++)
    {
      g_autofree char *name = g_strconcat (parts[i].stem, ".safetensors", NULL);
      g_autofree char *path = g_build_filename (folder, parts[i].component, name, NULL);

      if (!vard_weights_save (parts[i].module, path, dtype, metadata, error))
        return FALSE;
    }

  return TRUE;
}

/* a new folder beside @to; (transfer full) */
static char *
vard_model_saver_begin_folder (const char *to, GError **error)
{
  g_autofree char *partial = g_strconcat (to, ".XXXXXX", NULL);

  if (g_file_test (to, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_EXISTS,
                   "%s exists, and vard does not overwrite a model folder: choose another name",
                   to);
      return NULL;
    }
  if (g_mkdtemp_full (partial, 0755) == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot create %s: %s", to,
                   g_strerror (errno));
      return NULL;
    }

  return g_steal_pointer (&partial);
}

/* gives the folder its name when all went well, and removes it otherwise */
static gboolean
vard_model_saver_end_folder (const char *partial, const char *to, gboolean ok, GError **error)
{
  if (ok && g_rename (partial, to) != 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot rename %s to %s: %s", partial, to,
                   g_strerror (errno));
      ok = FALSE;
    }
  if (!ok)
    vard_model_saver_remove_tree (partial);

  return ok;
}

gboolean
vard_model_saver_save (const char *from,
                       const char *to,
                       const VardModelSaverPart *parts,
                       guint n_parts,
                       VardDType dtype,
                       GHashTable *metadata,
                       GError **error)
{
  g_autofree char *partial = vard_model_saver_begin_folder (to, error);

  if (partial == NULL)
    return FALSE;

  gboolean ok = vard_model_saver_copy_all (from, partial, parts, n_parts, error)
                && vard_model_saver_write_weights (partial, parts, n_parts, dtype, metadata, error);

  return vard_model_saver_end_folder (partial, to, ok, error);
}

/* ---- from a single file ---- */

static const char index_text[] =
  "{\n  \"_class_name\": \"StableDiffusionPipeline\",\n  \"_diffusers_version\": \"0.21.0\",\n"
  "  \"feature_extractor\": [null, null],\n  \"requires_safety_checker\": false,\n"
  "  \"safety_checker\": [null, null],\n  \"scheduler\": [\"diffusers\", \"DDIMScheduler\"],\n"
  "  \"text_encoder\": [\"transformers\", \"CLIPTextModel\"],\n"
  "  \"tokenizer\": [\"transformers\", \"CLIPTokenizer\"],\n"
  "  \"unet\": [\"diffusers\", \"UNet2DConditionModel\"],\n  \"vae\": [\"diffusers\", "
  "\"AutoencoderKL\"]\n}\n";

static gboolean
vard_model_saver_write_config (const char *folder,
                               const char *component,
                               const char *name,
                               const char *text,
                               GError **error)
{
  g_autofree char *inner = g_build_filename (folder, component, NULL);
  g_autofree char *path = g_build_filename (inner, name, NULL);

  if (g_mkdir (inner, 0755) == 0)
    return g_file_set_contents (path, text, -1, error);
  g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot create %s: %s", inner,
               g_strerror (errno));

  return FALSE;
}

static gboolean
vard_model_saver_copy_tokenizer (const char *from, const char *folder, GError **error)
{
  static const char *const names[] = {
    "vocab.json",     "merges.txt", "special_tokens_map.json", "tokenizer_config.json",
    "tokenizer.json",
  };
  g_autofree char *to = g_build_filename (folder, "tokenizer", NULL);

  if (g_mkdir (to, 0755) != 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot create %s: %s", to,
                   g_strerror (errno));
      return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (from, names[i], NULL);

      if (g_file_test (path, G_FILE_TEST_EXISTS)
          && !vard_model_saver_copy_file (from, names[i], to, names[i], error))
        return FALSE;
    }

  return TRUE;
}

static gboolean
vard_model_saver_write_new (const char *folder,
                            const VardModelSaverPart *parts,
                            guint n_parts,
                            const char *const *configs,
                            GError **error)
{
  g_autofree char *index = g_build_filename (folder, "model_index.json", NULL);

  for (guint i = 0; i < n_parts; i++)
    if (!vard_model_saver_write_config (folder, parts[i].component, "config.json", configs[i],
                                        error))
      return FALSE;

  return vard_model_saver_write_config (folder, "scheduler", "scheduler_config.json",
                                        configs[n_parts], error)
         && g_file_set_contents (index, index_text, -1, error);
}

gboolean
vard_model_saver_save_new (const char *to,
                           const VardModelSaverPart *parts,
                           guint n_parts,
                           const char *const *configs,
                           const char *tokenizer,
                           VardDType dtype,
                           GHashTable *metadata,
                           GError **error)
{
  g_autofree char *partial = vard_model_saver_begin_folder (to, error);

  if (partial == NULL)
    return FALSE;

  gboolean ok = vard_model_saver_write_new (partial, parts, n_parts, configs, error)
                && vard_model_saver_copy_tokenizer (tokenizer, partial, error)
                && vard_model_saver_write_weights (partial, parts, n_parts, dtype, metadata, error);

  return vard_model_saver_end_folder (partial, to, ok, error);
}
