/* vard-reward-child.c - a reward in a process of its own: the side of the child
 *
 * One thread reads, so that a request to stop reaches a reward that is scoring, and so that the process ends
 * with who started it even when the reward hangs. The main thread works. Pictures are read where the other
 * side put them: the memory is mapped again when it has grown, and the former mapping stays, because a reward may hold
 * on to a picture.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-child.h"

#include "base/vard-error.h"
#include "plugin/vard-plugin-module.h"
#include "plugin/vard-plugin-private.h"
#include "plugin/vard-plugin-spec.h"
#include "reward/vard-reward-wire.h"
#include "reward/vard-reward.h"

#include <sys/mman.h>
#include <unistd.h>

typedef struct
{
  int socket_fd, memory_fd;
  GAsyncQueue *messages; /* of JsonObject */
  GCancellable *cancellable; /* of the work at hand: one message is worked on at a time */
  gint64 id; /* of that message, so that a late request to stop hits nothing else */
  const guint8 *pictures;
  gsize size;
  VardReward *reward;
} VardRewardChild;

static gpointer
vard_reward_child_read (gpointer data)
{
  VardRewardChild *self = data;
  JsonObject *message;

  while ((message = vard_reward_wire_receive (self->socket_fd, G_MAXINT64, NULL, NULL)) != NULL)
    if (json_object_has_member (message, "cancel"))
      {
        if (json_object_get_int_member (message, "cancel") == self->id)
          g_cancellable_cancel (self->cancellable);
        json_object_unref (message);
      }
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
vard_reward_child_ignore_stage (const char *stage,
                                gpointer    data)
{
}

static gboolean
vard_reward_child_open (VardRewardChild *self,
                        JsonObject      *message,
                        JsonObject      *answer,
                        GError         **error)
{
  g_autoptr (VardPlugin) plugin = vard_plugin_new (json_object_get_string_member (message, "path"));
  g_autoptr (VardPluginSpec) spec
    = vard_plugin_spec_parse (json_object_get_string_member (message, "open"), error);
  VardPluginState state;

  if (spec == NULL
      || !vard_plugin_module_open (plugin, vard_reward_child_ignore_stage, NULL, &state, error))
    return FALSE;

  GType type = vard_plugin_find_type (plugin, vard_plugin_spec_get_name (spec));
  if (!g_type_is_a (type, VARD_TYPE_REWARD))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN, "%s has no reward \"%s\"", vard_plugin_get_path (plugin),
                   vard_plugin_spec_get_name (spec));
      return FALSE;
    }
  self->reward = g_object_new (type, NULL);
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

static gboolean
vard_reward_child_map (VardRewardChild *self,
                       gsize            size,
                       GError         **error)
{
  if (size <= self->size)
    return TRUE;

  gpointer memory = mmap (NULL, size, PROT_READ, MAP_SHARED, self->memory_fd, 0);
  if (memory == MAP_FAILED)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "the pictures' memory of %" G_GSIZE_FORMAT
                   " bytes cannot be mapped", size);
      return FALSE;
    }
  self->pictures = memory;
  self->size = size;
  return TRUE;
}

static gboolean
vard_reward_child_append (VardRewardChild *self,
                          VardRewardBatch *batch,
                          JsonObject      *item,
                          GError         **error)
{
  gsize offset = json_object_get_int_member (item, "offset");
  guint width = json_object_get_int_member (item, "width");
  guint height = json_object_get_int_member (item, "height");
  gsize length = (gsize) 3 * width * height;
  JsonObject *metadata
    = json_object_has_member (item, "metadata") ? json_object_get_object_member (item, "metadata") : NULL;

  if (offset > self->size || length > self->size - offset)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_FAILED, "a picture lies outside of the memory");
      return FALSE;
    }

  g_autoptr (GBytes) pixels = g_bytes_new_static (self->pictures + offset, length);
  return vard_reward_batch_append (batch, pixels, width, height,
                                   json_object_get_string_member_with_default (item, "prompt", NULL), metadata,
                                   json_object_get_int_member (item, "group"), error);
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
vard_reward_child_settle (gboolean result,
                          GError  *inner,
                          GError **error)
{
  if (inner != NULL)
    g_propagate_error (error, inner);
  else if (!result)
    g_set_error_literal (error, VARD_ERROR, VARD_ERROR_REWARD, "it did not say why");
  return result && inner == NULL;
}

static gboolean
vard_reward_child_prepare (VardRewardChild *self,
                           GError         **error)
{
  GError *inner = NULL;
  gboolean result = VARD_REWARD_GET_CLASS (self->reward)->prepare (self->reward, self->cancellable, &inner);

  return vard_reward_child_settle (result, inner, error);
}

static gboolean
vard_reward_child_score (VardRewardChild *self,
                         JsonObject      *message,
                         JsonObject      *answer,
                         GError         **error)
{
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();
  JsonArray *items = json_object_get_array_member (message, "items");

  if (!vard_reward_child_map (self, json_object_get_int_member (message, "size"), error))
    return FALSE;
  for (guint i = 0; i < json_array_get_length (items); i++)
    if (!vard_reward_child_append (self, batch, json_array_get_object_element (items, i), error))
      return FALSE;

  GError *inner = NULL;
  vard_reward_batch_set_cancellable (batch, self->cancellable);
  gboolean result = VARD_REWARD_GET_CLASS (self->reward)->score (self->reward, batch, &inner);
  if (!vard_reward_child_settle (result, inner, error))
    return FALSE;
  json_object_set_array_member (answer, "scores", vard_reward_child_list_scores (batch));
  return TRUE;
}

static gboolean
vard_reward_child_work (VardRewardChild *self,
                        JsonObject      *message,
                        JsonObject      *answer,
                        GError         **error)
{
  if (json_object_has_member (message, "open"))
    return vard_reward_child_open (self, message, answer, error);
  if (json_object_has_member (message, "prepare"))
    return vard_reward_child_prepare (self, error);
  return vard_reward_child_score (self, message, answer, error);
}

static void
vard_reward_child_answer (VardRewardChild *self,
                          JsonObject      *message)
{
  g_autoptr (JsonObject) answer = json_object_new ();
  g_autoptr (GError) error = NULL;

  if (!vard_reward_child_work (self, message, answer, &error))
    {
      json_object_set_string_member (answer, "error", error->message);
      json_object_set_boolean_member (answer, "cancelled",
                                      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
      json_object_set_int_member (answer, "code", error->domain == VARD_ERROR ? error->code : VARD_ERROR_FAILED);
    }
  json_object_set_int_member (answer, "id", self->id);
  vard_reward_wire_send (self->socket_fd, answer, G_MAXINT64, NULL);
}

void
vard_reward_child_serve (int socket_fd,
                         int memory_fd)
{
  VardRewardChild self = { .socket_fd = socket_fd, .memory_fd = memory_fd };
  JsonObject *message;

  self.messages = g_async_queue_new ();
  g_thread_unref (g_thread_new ("reader", vard_reward_child_read, &self));
  while ((message = g_async_queue_pop (self.messages)) != NULL)
    {
      vard_reward_child_answer (&self, message);
      json_object_unref (message);
    }
}
