/* vard-model-saver.c - writes a complete model folder
 *
 * Everything but one component's weights is copied as it is. Weights that readers would not look for are left out
 * (pickles beside safetensors, other variants), and what exists only as the fp16 variant gets the plain name, so that
 * the folder loads without naming a variant.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-model-saver.h"

#include "base/vard-error.h"
#include "models/vard-weights.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define WEIGHTS_NAME "diffusion_pytorch_model"
/* of files at the top: model cards and licences, not checkpoints */
#define MAX_TOP_FILE (4 * 1024 * 1024)

static gboolean
has_suffix_of (const char        *name,
               const char *const *suffixes)
{
  for (guint i = 0; suffixes[i]; i++)
    if (g_str_has_suffix (name, suffixes[i]))
      return TRUE;
  return FALSE;
}

static gboolean
is_pickle (const char *name)
{
  static const char *const suffixes[] = { ".bin", ".bin.index.json", ".ckpt", ".pt", ".pth", ".msgpack", ".onnx",
                                          ".h5", NULL };

  return has_suffix_of (name, suffixes);
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        remove_tree (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

static gboolean
copy_file (const char *from_folder,
           const char *from_name,
           const char *to_folder,
           const char *to_name,
           GError    **error)
{
  g_autofree char *from_path = g_build_filename (from_folder, from_name, NULL);
  g_autofree char *to_path = g_build_filename (to_folder, to_name, NULL);
  g_autoptr (GFile) from = g_file_new_for_path (from_path);
  g_autoptr (GFile) to = g_file_new_for_path (to_path);

  return g_file_copy (from, to, G_FILE_COPY_TARGET_DEFAULT_PERMS, NULL, NULL, NULL, error);
}

/* the name a file gets in the copy, or NULL when it is left out; (transfer full) */
static char *
choose_name (const char *folder,
             const char *name,
             gboolean    has_safetensors,
             gboolean    is_replaced)
{
  const char *variant = strstr (name, ".fp16.");
  g_autofree char *plain = NULL;
  g_autofree char *plain_path = NULL;

  if (is_replaced && (g_str_has_prefix (name, WEIGHTS_NAME) || is_pickle (name)))
    return NULL;
  if (has_safetensors && is_pickle (name))
    return NULL;
  if (!variant)
    return g_strdup (name);
  plain = g_strdup_printf ("%.*s%s", (int) (variant - name), name, variant + strlen (".fp16"));
  plain_path = g_build_filename (folder, plain, NULL);
  return g_file_test (plain_path, G_FILE_TEST_EXISTS) ? NULL : g_steal_pointer (&plain);
}

static gboolean
contains_safetensors (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)))
    if (g_str_has_suffix (name, ".safetensors"))
      return TRUE;
  return FALSE;
}

static gboolean
copy_component (const char *from,
                const char *to,
                gboolean    is_replaced,
                GError    **error)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, error);
  gboolean has_safetensors = contains_safetensors (from);
  const char *name;

  if (!dir)
    return FALSE;
  if (g_mkdir (to, 0755) != 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot create %s: %s", to, g_strerror (errno));
      return FALSE;
    }
  while ((name = g_dir_read_name (dir)))
    {
      g_autofree char *path = g_build_filename (from, name, NULL);
      g_autofree char *target = choose_name (from, name, has_safetensors, is_replaced);

      if (target && g_file_test (path, G_FILE_TEST_IS_REGULAR) && !copy_file (from, name, to, target, error))
        return FALSE;
    }
  return TRUE;
}

/* model_index.json, model card, licence: not checkpoints that lie beside the folders */
static gboolean
is_small_file (const char *path,
               const char *name)
{
  GStatBuf info;

  return name[0] != '.' && !is_pickle (name) && !g_str_has_suffix (name, ".safetensors")
    && g_stat (path, &info) == 0 && S_ISREG (info.st_mode) && info.st_size <= MAX_TOP_FILE;
}

static gboolean
copy_all (const char *from,
          const char *to,
          const char *component,
          GError    **error)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, error);
  const char *name;

  if (!dir)
    return FALSE;
  while ((name = g_dir_read_name (dir)))
    {
      g_autofree char *path = g_build_filename (from, name, NULL);
      g_autofree char *target = g_build_filename (to, name, NULL);

      if (name[0] != '.' && g_file_test (path, G_FILE_TEST_IS_DIR))
        {
          if (!copy_component (path, target, g_str_equal (name, component), error))
            return FALSE;
        }
      else if (is_small_file (path, name) && !copy_file (from, name, to, name, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
vard_model_saver_save (const char *from,
                       const char *to,
                       const char *component,
                       VardModule *module,
                       VardDType   dtype,
                       GError    **error)
{
  g_autofree char *partial = g_strconcat (to, ".XXXXXX", NULL);
  g_autofree char *weights = NULL;
  gboolean ok;

  if (g_file_test (to, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_EXISTS, "%s exists: a model folder is not overwritten", to);
      return FALSE;
    }
  if (!g_mkdtemp_full (partial, 0755))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot create %s: %s", to, g_strerror (errno));
      return FALSE;
    }
  weights = g_build_filename (partial, component, WEIGHTS_NAME ".safetensors", NULL);
  ok = copy_all (from, partial, component, error) && vard_weights_save (module, weights, dtype, NULL, error);
  if (ok && g_rename (partial, to) != 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot rename %s to %s: %s", partial, to,
                   g_strerror (errno));
      ok = FALSE;
    }
  if (!ok)
    remove_tree (partial);
  return ok;
}
