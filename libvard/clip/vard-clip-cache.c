/* vard-clip-cache.c - shares one encoder among the rewards of a process that use the same weights
 *
 * Two rewards come from two plugin files, so what they share cannot be in either. The table holds
 * no encoder alive: the last reward that lets go of one frees it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip-cache.h"

#include "engine/vard-engine-loader.h"

#include <stdlib.h>

static GMutex mutex;
static GHashTable *encoders; /* key -> GWeakRef */

static void
vard_clip_cache_free_reference (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

/* a path without links; as given where there is nothing, so that its reader says what is wrong */
static void
vard_clip_cache_append_path (GString *key, const char *path)
{
  char *real = path != NULL ? realpath (path, NULL) : NULL;

  g_string_append_printf (key, "%s\n", real != NULL ? real : path != NULL ? path : "");
  free (real);
}

static char *
vard_clip_cache_make_key (const VardClipFiles *files, const char *engine, guint threads)
{
  GString *key = g_string_new (NULL);

  vard_clip_cache_append_path (key, files->folder);
  vard_clip_cache_append_path (key, files->weights);
  vard_clip_cache_append_path (key, files->tokenizer);
  g_string_append_printf (key, "%s\n%u", engine, threads);

  return g_string_free (key, FALSE);
}

static VardClip *
vard_clip_cache_load (const VardClipFiles *files, const char *engine, guint threads, GError **error)
{
  g_autoptr (VardEngine) device = vard_load_engine (engine, threads, error);

  return device != NULL ? vard_clip_new (files, device, error) : NULL;
}

/**
 * vard_load_clip: (skip)
 * @files: where the encoder comes from
 * @engine: the name of an engine: "cpu"
 * @threads: how many; 0 for one a core
 * @error: return location for an error
 *
 * Rewards of one process share encoders: a second call with the same files (by their real paths),
 * engine and threads returns the same object while somebody holds it.
 *
 * Returns: (transfer full): an encoder, or %NULL
 */
VardClip *
vard_load_clip (const VardClipFiles *files, const char *engine, guint threads, GError **error)
{
  g_return_val_if_fail (files != NULL && files->folder != NULL && engine != NULL, NULL);

  g_autofree char *key = vard_clip_cache_make_key (files, engine, threads);

  /* held while weights are read: who asks for the same ones waits for them */
  g_mutex_lock (&mutex);
  if (encoders == NULL)
    encoders =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, vard_clip_cache_free_reference);

  GWeakRef *reference = g_hash_table_lookup (encoders, key);
  VardClip *clip = reference != NULL ? g_weak_ref_get (reference) : NULL;

  if (clip == NULL)
    clip = vard_clip_cache_load (files, engine, threads, error);
  if (clip != NULL && reference == NULL)
    {
      reference = g_new0 (GWeakRef, 1);
      g_hash_table_insert (encoders, g_steal_pointer (&key), reference);
      g_weak_ref_init (reference, clip);
    }
  else if (clip != NULL)
    g_weak_ref_set (reference, clip);
  g_mutex_unlock (&mutex);

  return clip;
}
