/* vard-reward-child.c - an isolated reward: the side of the child process
 *
 * One thread reads, so that a request to stop reaches a reward that is scoring, and so that the
 * process ends with who started it even when the reward hangs. The main thread works. Pictures are
 * read where the other side put them: a slab of the other side's pool is mapped once, until the
 * other side says that it has gone and no picture in it is left here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-child.h"

#include "base/vard-error.h"
#include "plugin/vard-plugin-module.h"
#include "plugin/vard-plugin-private.h"
#include "plugin/vard-plugin-spec.h"
#include "reward/vard-reward-private.h"
#include "reward/vard-reward-wire.h"
#include "reward/vard-reward.h"

#include <sys/mman.h>
#include <unistd.h>

/* A slab as it is seen here; one reference for the table and one for each picture */
typedef struct
{
  guint8 *memory;
  gsize size;
} VardRewardSlab;

typedef struct
{
  int socket_fd;
  GAsyncQueue *messages;     /* of JsonObject */
  GCancellable *cancellable; /* of the work at hand: one message is worked on at a time */
  gint64 id;                 /* of that message, so that a late request to stop hits nothing else */
  GMutex lock;               /* of slabs */
  GHashTable *slabs;         /* guint64 -> VardRewardSlab */
  VardReward *reward;
} VardRewardChild;

/* ---- shared memory ---- */

static void
vard_reward_slab_clear (gpointer data)
{
  VardRewardSlab *slab = data;

  munmap (slab->memory, slab->size);
}

static void
vard_reward_slab_unref (gpointer slab)
{
  g_atomic_rc_box_release_full (slab, vard_reward_slab_clear);
}

/* A slab that cannot be mapped is missed when a picture in it comes. */
static void
vard_reward_child_map (VardRewardChild *self, JsonArray *places, GArray *fds)
{
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < fds->len && 2 * i + 1 < json_array_get_length (places); i++)
    {
      gint64 id = json_array_get_int_element (places, 2 * i),
             size = json_array_get_int_element (places, 2 * i + 1);
      gpointer memory = mmap (NULL, size, PROT_READ, MAP_SHARED, g_array_index (fds, int, i), 0);

      if (memory == MAP_FAILED)
        continue;
      VardRewardSlab *slab = g_atomic_rc_box_new0 (VardRewardSlab);
      slab->memory = memory;
      slab->size = size;
      g_hash_table_replace (self->slabs, g_memdup2 (&id, sizeof id), slab);
    }
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < fds->len; i++)
    close (g_array_index (fds, int, i));
  g_array_set_size (fds, 0);
}

static void
vard_reward_child_unmap (VardRewardChild *self, JsonArray *gone)
{
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < json_array_get_length (gone); i++)
    g_hash_table_remove (self->slabs, &(gint64) { json_array_get_int_element (gone, i) });
  g_mutex_unlock (&self->lock);
}

/* NULL when no such picture lies there */
static GBytes *
vard_reward_child_find (VardRewardChild *self, gint64 id, gsize offset, gsize length)
{
  g_mutex_lock (&self->lock);
  VardRewardSlab *slab = g_hash_table_lookup (self->slabs, &id);
  if (slab != NULL && (offset > slab->size || length > slab->size - offset))
    slab = NULL;
  if (slab != NULL)
    g_atomic_rc_box_acquire (slab);
  g_mutex_unlock (&self->lock);
  if (slab == NULL)
    return NULL;

  return g_bytes_new_with_free_func (slab->memory + offset, length, vard_reward_slab_unref, slab);
}

/* ---- messages ---- */

/* TRUE when it was a message for this thread */
static gboolean
vard_reward_child_handle (VardRewardChild *self, JsonObject *message, GArray *fds)
{
  if (json_object_has_member (message, "map"))
    vard_reward_child_map (self, json_object_get_array_member (message, "map"), fds);
  else if (json_object_has_member (message, "unmap"))
    vard_reward_child_unmap (self, json_object_get_array_member (message, "unmap"));
  else if (!json_object_has_member (message, "cancel"))
    return FALSE;
  else if (json_object_get_int_member (message, "cancel") == self->id)
    g_cancellable_cancel (self->cancellable);

  return TRUE;
}

static gpointer
vard_reward_child_read (gpointer data)
{
  VardRewardChild *self = data;
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  JsonObject *message;

  while ((message = vard_reward_wire_receive (self->socket_fd, fds, G_MAXINT64, NULL, NULL))
         != NULL)
    if (vard_reward_child_handle (self, message, fds))
      json_object_unref (message);
    else
      {
        g_clear_object (&self->cancellable);
        self->cancellable = g_cancellable_new ();
        self->id = json_object_get_int_member (message, "id");
        g_async_queue_push (self->messages, message);
      }
  _exit (0); /* whoever asked has gone */
}

static void
vard_reward_child_ignore_stage (const char *stage, gpointer data)
{
}

static gboolean
vard_reward_child_open (VardRewardChild *self,
                        JsonObject *message,
                        JsonObject *answer,
                        GError **error)
{
  g_autoptr (VardPlugin) plugin = vard_plugin_new (json_object_get_string_member (message, "path"));
  g_autoptr (VardPluginSpec) spec =
    vard_plugin_spec_parse (json_object_get_string_member (message, "open"), error);
  VardPluginState state;

  if (spec == NULL
      || !vard_plugin_module_open (plugin, vard_reward_child_ignore_stage, NULL, &state, error))
    return FALSE;

  GType type = vard_plugin_find_type (plugin, vard_plugin_spec_get_name (spec));
  if (!g_type_is_a (type, VARD_TYPE_REWARD))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN, "%s has no reward \"%s\"",
                   vard_plugin_get_path (plugin), vard_plugin_spec_get_name (spec));
      return FALSE;
    }
  const char *label = vard_plugin_spec_get_value (spec, "label");
  self->reward = g_object_new (type, NULL);
  vard_reward_set_label (self->reward, label != NULL ? label : vard_plugin_spec_get_name (spec));
  if (!vard_plugin_spec_apply (spec, G_OBJECT (self->reward), error))
    return FALSE;

  g_auto (GStrv) keys = vard_reward_dup_metadata_keys (self->reward);
  JsonArray *array = json_array_new ();
  for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
    json_array_add_string_element (array, keys[i]);
  json_object_set_int_member (answer, "needs", vard_reward_get_needs (self->reward));
  json_object_set_array_member (answer, "keys", array);

  return TRUE;
}

/* Element i of what is a list of objects or nulls, or of texts or nulls; NULL for a null */
static JsonNode *
vard_reward_child_get (JsonArray *array, guint i)
{
  JsonNode *node = i < json_array_get_length (array) ? json_array_get_element (array, i) : NULL;

  return node != NULL && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

/* @place is slab, offset, width, height, group */
static gboolean
vard_reward_child_append (VardRewardChild *self,
                          VardRewardBatch *batch,
                          const gint64 *place,
                          JsonNode *prompt,
                          JsonNode *metadata,
                          GError **error)
{
  gsize length = (gsize) 3 * place[2] * place[3];
  g_autoptr (GBytes) pixels = vard_reward_child_find (self, place[0], place[1], length);

  if (pixels == NULL)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_FAILED,
                           "a picture lies outside the shared memory");
      return FALSE;
    }

  return vard_reward_batch_append (batch, pixels, place[2], place[3],
                                   prompt != NULL ? json_node_get_string (prompt) : NULL,
                                   metadata != NULL ? json_node_get_object (metadata) : NULL,
                                   place[4], error);
}

static gboolean
vard_reward_child_append_all (VardRewardChild *self,
                              VardRewardBatch *batch,
                              JsonObject *message,
                              GError **error)
{
  JsonArray *places = json_object_get_array_member (message, "places");
  JsonArray *prompts = json_object_get_array_member (message, "prompts");
  JsonArray *metadata = json_object_get_array_member (message, "metadata");
  gint64 place[5];

  for (guint i = 0; i < json_array_get_length (places) / G_N_ELEMENTS (place); i++)
    {
      for (guint k = 0; k < G_N_ELEMENTS (place); k++)
        place[k] = json_array_get_int_element (places, i * G_N_ELEMENTS (place) + k);
      if (!vard_reward_child_append (self, batch, place, vard_reward_child_get (prompts, i),
                                     vard_reward_child_get (metadata, i), error))
        return FALSE;
    }

  return TRUE;
}

static JsonArray *
vard_reward_child_list_scores (VardRewardBatch *batch)
{
  JsonArray *scores = json_array_new ();
  double score;

  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    if (vard_reward_batch_get_score (batch, i, &score))
      json_array_add_double_element (scores, score);
    else if (vard_reward_batch_get_status (batch, i) == VARD_REWARD_STATUS_FAILED)
      json_array_add_string_element (scores, vard_reward_batch_get_message (batch, i));
    else
      json_array_add_null_element (scores);

  return scores;
}

/* What the class says, in the class's words: the other side adds whose words they are. */
static gboolean
vard_reward_child_settle (gboolean result, GError *inner, GError **error)
{
  if (inner != NULL)
    g_propagate_error (error, inner);
  else if (!result)
    g_set_error_literal (error, VARD_ERROR, VARD_ERROR_REWARD, "it gave no reason");
  return result && inner == NULL;
}

static gboolean
vard_reward_child_prepare (VardRewardChild *self, GError **error)
{
  GError *inner = NULL;
  gboolean result =
    VARD_REWARD_GET_CLASS (self->reward)->prepare (self->reward, self->cancellable, &inner);

  return vard_reward_child_settle (result, inner, error);
}

static gboolean
vard_reward_child_score (VardRewardChild *self,
                         JsonObject *message,
                         JsonObject *answer,
                         GError **error)
{
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();

  if (!vard_reward_child_append_all (self, batch, message, error))
    return FALSE;

  GError *inner = NULL;
  vard_reward_batch_set_cancellable (batch, self->cancellable);
  gboolean result = VARD_REWARD_GET_CLASS (self->reward)->score (self->reward, batch, &inner);
  result = vard_reward_settle_batch (batch, result, &inner);
  if (!vard_reward_child_settle (result, inner, error))
    return FALSE;
  json_object_set_array_member (answer, "scores", vard_reward_child_list_scores (batch));

  return TRUE;
}

static gboolean
vard_reward_child_work (VardRewardChild *self,
                        JsonObject *message,
                        JsonObject *answer,
                        GError **error)
{
  if (json_object_has_member (message, "open"))
    return vard_reward_child_open (self, message, answer, error);
  if (json_object_has_member (message, "prepare"))
    return vard_reward_child_prepare (self, error);
  return vard_reward_child_score (self, message, answer, error);
}

static void
vard_reward_child_answer (VardRewardChild *self, JsonObject *message)
{
  g_autoptr (JsonObject) answer = json_object_new ();
  g_autoptr (GError) error = NULL;

  if (!vard_reward_child_work (self, message, answer, &error))
    {
      json_object_set_string_member (answer, "error", error->message);
      json_object_set_boolean_member (answer, "cancelled",
                                      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
      json_object_set_int_member (answer, "code", vard_reward_get_code (error));
    }
  json_object_set_int_member (answer, "id", self->id);
  vard_reward_wire_send (self->socket_fd, answer, G_MAXINT64, NULL);
}

void
vard_reward_child_serve (int socket_fd)
{
  VardRewardChild self = { .socket_fd = socket_fd };
  JsonObject *message;

  self.messages = g_async_queue_new ();
  g_mutex_init (&self.lock);
  self.slabs = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, vard_reward_slab_unref);
  g_thread_unref (g_thread_new ("reader", vard_reward_child_read, &self));
  while ((message = g_async_queue_pop (self.messages)) != NULL)
    {
      vard_reward_child_answer (&self, message);
      json_object_unref (message);
    }
}
