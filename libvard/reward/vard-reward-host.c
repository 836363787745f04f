/* vard-reward-host.c - an isolated reward: the side of the run
 *
 * It behaves like any reward. The real one lives in the helper program vard-reward-host
 * (vard-reward-process.c), so a crash, a leak or an incompatible library stays there. The helper
 * reads pictures of the mix's pool in place; other pictures are copied into the pool first.
 *
 * If the process dies, vard starts another and sends the batch again. If that one crashes too, vard
 * sends one picture at a time (groups of one prompt together), so only the picture that causes the
 * crash fails. A process that does not answer in time gets the batch once more; then the whole
 * batch fails. vard counts the starts. After a limit the reward as a whole has failed, because a
 * plugin that always crashes must not look like one that sometimes has no score.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-host.h"

#include "base/vard-error.h"
#include "base/vard-fields.h"
#include "base/vard-settings.h"
#include "reward/vard-reward-message.h"
#include "reward/vard-reward-process.h"

#include <string.h>

struct _VardRewardHost
{
  VardReward parent_instance;
  guint start_seconds, answer_seconds, restarts;
  char *path, *spec;
  VardRewardNeeds needs;
  char **keys;
  VardImagePool *pool;
  GMutex lock;                /* of all below: one question at a time */
  VardRewardProcess *process; /* NULL when there is none */
  guint n_restarts;
  gboolean is_prepared; /* the process that there is */
  /* the last process was ended at a request to stop: the next one is no restart */
  gboolean is_forgiven;
};

G_DEFINE_FINAL_TYPE (VardRewardHost, vard_reward_host, VARD_TYPE_REWARD)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_UINT (VardRewardHost, start_seconds,
                   "Seconds that an isolated reward may take to load", 1, 86400, 600),
  VARD_FIELD_UINT (VardRewardHost, answer_seconds,
                   "Seconds that an isolated reward may take for one batch", 1, 86400, 600),
  VARD_FIELD_UINT (VardRewardHost, restarts,
                   "How often vard restarts the process of an isolated reward in total", 0,
                   1000, 8),
};
/* clang-format on */

/* ---- the process ---- */

/* What a question came to when it was no answer: a process that has died is let go of. Returns its
 * epitaph. */
static char *
vard_reward_host_mourn (VardRewardHost *self, VardRewardDeath *death)
{
  *death = vard_reward_process_get_death (self->process);
  if (*death == VARD_REWARD_DEATH_NONE)
    return NULL;

  char *epitaph = g_strdup (vard_reward_process_get_epitaph (self->process));
  g_autofree char *line = g_strconcat ("its own process ", epitaph, NULL);
  vard_reward_add_message (VARD_REWARD (self), line);
  self->is_forgiven = *death == VARD_REWARD_DEATH_STOPPED;
  self->is_prepared = FALSE;
  g_clear_pointer (&self->process, vard_reward_process_free);

  return epitaph;
}

/* A question whose answer is awaited before the reward can score: death is an error. */
static JsonObject *
vard_reward_host_demand (VardRewardHost *self,
                         const char *what,
                         const char *text,
                         GCancellable *cancellable,
                         GError **error)
{
  g_autoptr (JsonObject) message = json_object_new ();
  VardRewardDeath death;

  json_object_set_string_member (message, what, text);
  json_object_set_string_member (message, "path", self->path);
  JsonObject *answer =
    vard_reward_process_ask (self->process, message, self->start_seconds, cancellable, error);
  if (answer == NULL)
    g_free (vard_reward_host_mourn (self, &death));

  return answer;
}

static gboolean
vard_reward_host_open (VardRewardHost *self, GError **error)
{
  self->process = vard_reward_process_new (VARD_REWARD (self), error);
  if (self->process == NULL)
    return FALSE;

  g_autoptr (JsonObject) answer = vard_reward_host_demand (self, "open", self->spec, NULL, error);
  if (answer == NULL)
    {
      g_clear_pointer (&self->process, vard_reward_process_free);
      return FALSE;
    }

  JsonArray *keys = json_object_get_array_member (answer, "keys");
  g_strfreev (self->keys);
  self->keys = g_new0 (char *, json_array_get_length (keys) + 1);
  for (guint i = 0; i < json_array_get_length (keys); i++)
    self->keys[i] = g_strdup (json_array_get_string_element (keys, i));
  self->needs = json_object_get_int_member (answer, "needs");

  return TRUE;
}

static gboolean
vard_reward_host_may_start (VardRewardHost *self)
{
  return self->process != NULL || self->is_forgiven || self->n_restarts < self->restarts;
}

/* A living process that has loaded the reward; called with the lock held */
static gboolean
vard_reward_host_ensure (VardRewardHost *self, GCancellable *cancellable, GError **error)
{
  if (!vard_reward_host_may_start (self))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                   "its own process was started %u times, which is the limit: raise "
                   "isolate-restarts to allow more",
                   self->n_restarts + 1);
      return FALSE;
    }
  if (self->process == NULL)
    {
      self->n_restarts += !self->is_forgiven;
      self->is_forgiven = FALSE;
      if (!vard_reward_host_open (self, error))
        return FALSE;
    }
  if (self->is_prepared)
    return TRUE;

  g_autoptr (JsonObject) answer = vard_reward_host_demand (self, "prepare", "", cancellable, error);
  self->is_prepared = answer != NULL;

  return answer != NULL;
}

static gboolean
vard_reward_host_prepare (VardReward *reward, GCancellable *cancellable, GError **error)
{
  VardRewardHost *self = VARD_REWARD_HOST (reward);

  g_mutex_lock (&self->lock);
  gboolean ok = vard_reward_host_ensure (self, cancellable, error);
  g_mutex_unlock (&self->lock);

  return ok;
}

/* ---- one question ---- */

/* Some pictures of a batch, on their way */
typedef struct
{
  VardRewardHost *self;
  VardRewardBatch *batch;
  const guint *indices; /* [n] */
  guint n;
  VardImagePlace *places; /* [n] */
  GPtrArray *copies;      /* of GBytes: pictures that were not in the pool */
} VardRewardParcel;

static gboolean
vard_reward_parcel_locate (VardRewardParcel *parcel, guint i, GError **error)
{
  VardImagePool *pool = parcel->self->pool;
  GBytes *pixels = vard_reward_batch_get_pixels (parcel->batch, parcel->indices[i]);
  gsize size;
  gconstpointer bytes = g_bytes_get_data (pixels, &size);
  guint8 *copy;

  if (vard_image_pool_locate (pool, pixels, &parcel->places[i]))
    return TRUE;
  GBytes *shared = vard_image_pool_allocate (pool, size, &copy);
  if (shared == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED,
                   "cannot allocate %" G_GSIZE_FORMAT " bytes of shared memory", size);
      return FALSE;
    }
  memcpy (copy, bytes, size);
  g_ptr_array_add (parcel->copies, shared);

  return vard_image_pool_locate (pool, shared, &parcel->places[i]);
}

/* slab, offset, width, height and group of each: one array is read in a fifth of the time of an
 * object a picture */
static JsonArray *
vard_reward_parcel_list_places (VardRewardParcel *parcel)
{
  JsonArray *array = json_array_sized_new (5 * parcel->n);

  for (guint i = 0; i < parcel->n; i++)
    {
      json_array_add_int_element (array, parcel->places[i].slab);
      json_array_add_int_element (array, parcel->places[i].offset);
      json_array_add_int_element (array,
                                  vard_reward_batch_get_width (parcel->batch, parcel->indices[i]));
      json_array_add_int_element (array,
                                  vard_reward_batch_get_height (parcel->batch, parcel->indices[i]));
      json_array_add_int_element (array,
                                  vard_reward_batch_get_group (parcel->batch, parcel->indices[i]));
    }

  return array;
}

static JsonObject *
vard_reward_parcel_write (VardRewardParcel *parcel)
{
  JsonObject *message = json_object_new ();
  JsonArray *prompts = json_array_sized_new (parcel->n),
            *metadata = json_array_sized_new (parcel->n);

  for (guint i = 0; i < parcel->n; i++)
    {
      const char *prompt = vard_reward_batch_get_prompt (parcel->batch, parcel->indices[i]);
      JsonObject *more = vard_reward_batch_get_metadata (parcel->batch, parcel->indices[i]);

      if (prompt != NULL)
        json_array_add_string_element (prompts, prompt);
      else
        json_array_add_null_element (prompts);
      if (more != NULL)
        json_array_add_object_element (metadata, json_object_ref (more));
      else
        json_array_add_null_element (metadata);
    }
  json_object_set_array_member (message, "places", vard_reward_parcel_list_places (parcel));
  json_object_set_array_member (message, "prompts", prompts);
  json_object_set_array_member (message, "metadata", metadata);

  return message;
}

/* The numbers of another process are looked at like any other input. */
static gboolean
vard_reward_parcel_read (VardRewardParcel *parcel, JsonObject *answer, GError **error)
{
  JsonNode *node = json_object_get_member (answer, "scores");
  JsonArray *scores = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node)
                                                                   : NULL;

  if (scores == NULL || json_array_get_length (scores) != parcel->n)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                   "its own process returned %u scores for %u pictures",
                   scores != NULL ? json_array_get_length (scores) : 0, parcel->n);
      return FALSE;
    }
  for (guint i = 0; i < parcel->n; i++)
    {
      JsonNode *score = json_array_get_element (scores, i);

      if (json_node_get_value_type (score) == G_TYPE_STRING)
        vard_reward_batch_set_failed (parcel->batch, parcel->indices[i],
                                      json_node_get_string (score));
      else if (JSON_NODE_HOLDS_VALUE (score))
        vard_reward_batch_set_score (parcel->batch, parcel->indices[i],
                                     json_node_get_double (score));
    }

  return TRUE;
}

static gboolean
vard_reward_parcel_send (VardRewardParcel *parcel, GError **error)
{
  VardRewardHost *self = parcel->self;

  for (guint i = 0; i < parcel->n; i++)
    if (!vard_reward_parcel_locate (parcel, i, error))
      return FALSE;

  /* A process that is gone is noticed by the question. */
  vard_reward_process_share (self->process, self->pool, parcel->places, parcel->n, NULL);
  g_autoptr (JsonObject) message = vard_reward_parcel_write (parcel);
  g_autoptr (JsonObject) answer =
    vard_reward_process_ask (self->process, message, self->answer_seconds,
                             vard_reward_batch_get_cancellable (parcel->batch), error);

  return answer != NULL && vard_reward_parcel_read (parcel, answer, error);
}

/* FALSE with *epitaph when the process died of it; FALSE with an error when it said one, or cannot
 * be started */
static gboolean
vard_reward_host_try (VardRewardHost *self,
                      VardRewardBatch *batch,
                      GArray *indices,
                      char **epitaph,
                      VardRewardDeath *death,
                      GError **error)
{
  g_autofree VardImagePlace *places = g_new (VardImagePlace, indices->len);
  g_autoptr (GPtrArray) copies = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (GError) inner = NULL;
  VardRewardParcel parcel = { self,         batch,  (const guint *) indices->data,
                              indices->len, places, copies };

  if (!vard_reward_host_ensure (self, vard_reward_batch_get_cancellable (batch), error))
    return FALSE;
  if (vard_reward_parcel_send (&parcel, &inner))
    return TRUE;
  *epitaph = vard_reward_host_mourn (self, death);
  if (*epitaph == NULL || *death == VARD_REWARD_DEATH_STOPPED)
    {
      g_clear_pointer (epitaph, g_free);
      g_propagate_error (error, g_steal_pointer (&inner));
    }

  return FALSE;
}

/* ---- a batch ---- */

static void
vard_reward_host_fail (VardRewardHost *self,
                       VardRewardBatch *batch,
                       GArray *indices,
                       const char *epitaph)
{
  g_autofree char *words = g_strdup_printf ("the process of the reward %s %s",
                                            vard_reward_get_label (VARD_REWARD (self)), epitaph);

  for (guint i = 0; i < indices->len; i++)
    vard_reward_batch_set_failed (batch, g_array_index (indices, guint, i), words);
}

/* The pictures from @first on that belong together: one, or all of its group */
static GArray *
vard_reward_host_list_unit (VardRewardHost *self, VardRewardBatch *batch, guint first)
{
  GArray *indices = g_array_new (FALSE, FALSE, sizeof (guint));
  gboolean has_groups = (self->needs & VARD_REWARD_NEEDS_GROUPS) != 0;
  guint n = has_groups ? vard_reward_batch_get_count (batch) : first + 1;

  for (guint i = first; i < n; i++)
    if (vard_reward_batch_get_group (batch, i) == vard_reward_batch_get_group (batch, first))
      g_array_append_val (indices, i);

  return indices;
}

/* Finds those that it crashes on */
static gboolean
vard_reward_host_score_apart (VardRewardHost *self,
                              VardRewardBatch *batch,
                              const char *last_epitaph,
                              GError **error)
{
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      g_autofree char *epitaph = NULL;
      VardRewardDeath death;

      if (vard_reward_batch_get_status (batch, i) != VARD_REWARD_STATUS_UNSET)
        continue;
      g_autoptr (GArray) unit = vard_reward_host_list_unit (self, batch, i);
      if (!vard_reward_host_may_start (self))
        vard_reward_host_fail (self, batch, unit, last_epitaph);
      else if (vard_reward_host_try (self, batch, unit, &epitaph, &death, error))
        continue;
      else if (epitaph == NULL)
        return FALSE;
      else
        vard_reward_host_fail (self, batch, unit, epitaph);
    }

  return TRUE;
}

static gboolean
vard_reward_host_score_locked (VardRewardHost *self, VardRewardBatch *batch, GError **error)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autofree char *epitaph = NULL, *second = NULL;
  VardRewardDeath death;

  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    g_array_append_val (all, i);
  if (vard_reward_host_try (self, batch, all, &epitaph, &death, error))
    return TRUE;
  if (epitaph == NULL)
    return FALSE;
  if (vard_reward_host_may_start (self))
    {
      if (vard_reward_host_try (self, batch, all, &second, &death, error))
        return TRUE;
      if (second == NULL)
        return FALSE;
      if (death == VARD_REWARD_DEATH_ENDED && all->len > 1)
        return vard_reward_host_score_apart (self, batch, second, error);
    }
  vard_reward_host_fail (self, batch, all, epitaph);

  return TRUE;
}

static gboolean
vard_reward_host_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  VardRewardHost *self = VARD_REWARD_HOST (reward);

  g_mutex_lock (&self->lock);
  gboolean ok = vard_reward_host_score_locked (self, batch, error);
  g_mutex_unlock (&self->lock);

  return ok;
}

static VardRewardNeeds
vard_reward_host_get_needs (VardReward *reward)
{
  return VARD_REWARD_HOST (reward)->needs;
}

static char **
vard_reward_host_dup_metadata_keys (VardReward *reward)
{
  return g_strdupv (VARD_REWARD_HOST (reward)->keys);
}

/* The keys of the spec that are about the process: "isolate-restarts" is the property "restarts" */
static gboolean
vard_reward_host_read_keys (VardRewardHost *self, VardPluginSpec *spec, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      g_autofree char *key = g_strconcat (VARD_REWARD_HOST_PREFIX, fields[i].member, NULL);
      const char *text = vard_plugin_spec_get_value (spec, g_strdelimit (key, "_", '-'));

      if (text == NULL
          || vard_settings_set_text (G_OBJECT (self), key + strlen (VARD_REWARD_HOST_PREFIX), text,
                                     error))
        continue;
      g_prefix_error (error, "%s: " VARD_REWARD_HOST_PREFIX, vard_plugin_spec_get_name (spec));
      return FALSE;
    }

  return TRUE;
}

/* ---- public ---- */

/**
 * vard_reward_host_new: (constructor)
 * @manager: where the reward's plugin file is known
 * @spec: `NAME[:key=value,...]`; isolate-start-seconds, isolate-answer-seconds and isolate-restarts
 * set the
 *   properties of that name here, and other reserved keys are left alone
 * @pool: (nullable): where the pictures come from, so that they need not be copied
 * @error: return location
 *
 * Starts the process, which opens the file and sets the properties.
 *
 * Returns: (transfer full): a reward that does all its work in that process
 */
VardReward *
vard_reward_host_new (VardPluginManager *manager,
                      const char *spec,
                      VardImagePool *pool,
                      GError **error)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_MANAGER (manager) && spec != NULL, NULL);

  g_autoptr (VardPluginSpec) parts = vard_plugin_spec_parse (spec, error);
  if (parts == NULL)
    return NULL;

  const char *name = vard_plugin_spec_get_name (parts);
  g_autoptr (VardPluginFeature) feature = vard_plugin_manager_find (manager, "reward", name, error);
  g_autoptr (VardPlugin) plugin =
    feature != NULL ? vard_plugin_manager_find_plugin (manager, feature) : NULL;
  g_autoptr (VardRewardHost) self = plugin != NULL ? g_object_new (VARD_TYPE_REWARD_HOST, NULL)
                                                   : NULL;
  if (self == NULL)
    {
      if (error != NULL && *error == NULL)
        g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN, "the file of the reward \"%s\" has gone",
                     name);
      return NULL;
    }
  self->path = g_strdup (vard_plugin_get_path (plugin));
  self->spec = g_strdup (spec);
  self->pool = pool != NULL ? g_object_ref (pool) : vard_image_pool_new ();
  vard_reward_set_label (VARD_REWARD (self), name);
  vard_reward_set_thread_bound (VARD_REWARD (self), FALSE);

  return vard_reward_host_read_keys (self, parts, error) && vard_reward_host_open (self, error)
           ? VARD_REWARD (g_steal_pointer (&self))
           : NULL;
}

/**
 * vard_reward_host_get_n_restarts:
 * @self: a reward in a process of its own
 *
 * Returns: how often its process was started again
 */
guint
vard_reward_host_get_n_restarts (VardRewardHost *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_HOST (self), 0);

  g_mutex_lock (&self->lock);
  guint n_restarts = self->n_restarts;
  g_mutex_unlock (&self->lock);

  return n_restarts;
}

static void
vard_reward_host_finalize (GObject *object)
{
  VardRewardHost *self = VARD_REWARD_HOST (object);

  vard_reward_process_free (self->process);
  g_clear_object (&self->pool);
  g_free (self->path);
  g_free (self->spec);
  g_strfreev (self->keys);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (vard_reward_host_parent_class)->finalize (object);
}

static void
vard_reward_host_class_init (VardRewardHostClass *klass)
{
  VardRewardClass *reward_class = VARD_REWARD_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = vard_reward_host_finalize;
  reward_class->prepare = vard_reward_host_prepare;
  reward_class->score = vard_reward_host_score;
  reward_class->get_needs = vard_reward_host_get_needs;
  reward_class->dup_metadata_keys = vard_reward_host_dup_metadata_keys;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
vard_reward_host_init (VardRewardHost *self)
{
  g_mutex_init (&self->lock);
}
