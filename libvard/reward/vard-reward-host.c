/* vard-reward-host.c - a reward in a process of its own
 *
 * It looks like any reward. The real one lives in the helper program vard-reward-host, so that a crash, a leak or
 * a library that nothing else gets along with stays there. Pictures are copied once, into memory
 * that both sides map; all else is JSON on a socket pair.
 *
 * A process that dies or does not answer costs the batch it had: each picture of it fails with the reason. The
 * next batch starts another process, a few times; after that the reward as a whole has failed, because a plugin
 * that always crashes should not look like one that sometimes has no score.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#define _GNU_SOURCE /* memfd_create, mremap */

#include "reward/vard-reward-host.h"

#include "base/vard-error.h"
#include "base/vard-fields.h"
#include "plugin/vard-plugin-private.h"
#include "reward/vard-reward-wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long a reward has to answer a request to stop before its process is ended */
#define GRACE (2 * G_USEC_PER_SEC)

struct _VardRewardHost
{
  VardReward parent_instance;
  guint answer_seconds, restarts;
  char *path, *spec;
  VardRewardNeeds needs;
  char **keys;
  GMutex lock; /* of all below: one question at a time */
  GSubprocess *child; /* NULL when there is none */
  int socket_fd, memory_fd;
  guint8 *memory;
  gsize size; /* bytes of memory */
  gint64 id; /* of the last question */
  guint n_restarts;
  gboolean is_prepared; /* the process that there is */
  gboolean is_forgiven; /* the last process was ended at a request to stop: the next one is no restart */
};

G_DEFINE_FINAL_TYPE (VardRewardHost, vard_reward_host, VARD_TYPE_REWARD)

static const VardField fields[] = {
  VARD_FIELD_UINT (VardRewardHost, answer_seconds, "How long the reward may take for one batch, or to load", 1, 86400,
                   600),
  VARD_FIELD_UINT (VardRewardHost, restarts, "How often its process is started again after a crash", 0, 1000, 3),
};

/* ---- the process ---- */

static void
vard_reward_host_drop (VardRewardHost *self)
{
  if (self->child != NULL)
    {
      g_subprocess_force_exit (self->child);
      g_subprocess_wait (self->child, NULL, NULL);
    }
  g_clear_object (&self->child);
  if (self->socket_fd >= 0)
    close (self->socket_fd);
  self->socket_fd = -1;
  self->is_prepared = FALSE;
}

/* Ends the process and says what became of it: a sentence after "the reward's process" */
static char *
vard_reward_host_bury (VardRewardHost *self,
                       const GError   *why)
{
  g_autoptr (GSubprocess) child = g_object_ref (self->child);
  gboolean is_closed = g_error_matches (why, G_IO_ERROR, G_IO_ERROR_CLOSED);

  if (is_closed)
    g_subprocess_wait (child, NULL, NULL); /* the socket closes when the process ends */
  vard_reward_host_drop (self);
  if (g_error_matches (why, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return g_strdup_printf ("did not answer within %u s, and was ended", self->answer_seconds);
  if (!is_closed)
    return g_strdup_printf ("is out of order (%s), and was ended", why->message);
  if (g_subprocess_get_if_signaled (child))
    return g_strdup_printf ("crashed (%s)", g_strsignal (g_subprocess_get_term_sig (child)));
  return g_strdup_printf ("ended with status %d", g_subprocess_get_exit_status (child));
}

static gboolean
vard_reward_host_spawn (VardRewardHost *self,
                        GError        **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autofree char *helper = vard_plugin_find_helper ("vard-reward-host", "VARD_REWARD_HOST");
  int pair[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "no socket for a process of its own: %s",
                   g_strerror (errno));
      return FALSE;
    }
  self->socket_fd = pair[0];
  g_subprocess_launcher_take_fd (launcher, pair[1], 3);
  g_subprocess_launcher_take_fd (launcher, fcntl (self->memory_fd, F_DUPFD_CLOEXEC, 3), 4);
  g_subprocess_launcher_unsetenv (launcher, "VARD_TRACE"); /* it is ours to write */
  self->child = g_subprocess_launcher_spawn (launcher, error, helper, NULL);
  if (self->child == NULL)
    vard_reward_host_drop (self);
  return self->child != NULL;
}

/* ---- questions ---- */

/* An answer that is an error; takes the place of the reward's own */
static gboolean
vard_reward_host_check (JsonObject *answer,
                        GError    **error)
{
  const char *message = json_object_get_string_member_with_default (answer, "error", NULL);

  if (message == NULL)
    return TRUE;
  if (json_object_get_boolean_member_with_default (answer, "cancelled", FALSE))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, message);
  else
    g_set_error_literal (error, VARD_ERROR,
                         json_object_get_int_member_with_default (answer, "code", VARD_ERROR_REWARD), message);
  return FALSE;
}

/* Asks the reward to stop; one that does not soon enough loses its process, which is no fault of it. */
static void
vard_reward_host_stop (VardRewardHost *self)
{
  g_autoptr (JsonObject) message = json_object_new ();
  g_autoptr (JsonObject) answer = NULL;
  gint64 deadline = g_get_monotonic_time () + GRACE;

  json_object_set_int_member (message, "cancel", self->id);
  if (vard_reward_wire_send (self->socket_fd, message, deadline, NULL))
    answer = vard_reward_wire_receive (self->socket_fd, deadline, NULL, NULL);
  if (answer != NULL)
    return;
  vard_reward_host_drop (self);
  self->is_forgiven = TRUE;
}

/* NULL with *death when the process did not survive it, and NULL with an error when it said one */
static JsonObject *
vard_reward_host_ask (VardRewardHost *self,
                      JsonObject     *message,
                      GCancellable   *cancellable,
                      char          **death,
                      GError        **error)
{
  g_autoptr (JsonObject) answer = NULL;
  g_autoptr (GError) inner = NULL;
  gint64 deadline = g_get_monotonic_time () + (gint64) self->answer_seconds * G_USEC_PER_SEC;

  json_object_set_int_member (message, "id", ++self->id);
  if (vard_reward_wire_send (self->socket_fd, message, deadline, &inner))
    answer = vard_reward_wire_receive (self->socket_fd, deadline, cancellable, &inner);
  if (answer != NULL)
    return vard_reward_host_check (answer, error) ? g_steal_pointer (&answer) : NULL;
  if (g_error_matches (inner, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      vard_reward_host_stop (self);
      g_propagate_error (error, g_steal_pointer (&inner));
    }
  else if (g_error_matches (inner, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE))
    g_propagate_error (error, g_steal_pointer (&inner));
  else
    *death = vard_reward_host_bury (self, inner);
  return NULL;
}

/* A question whose answer is awaited before the reward can score: death is an error. */
static JsonObject *
vard_reward_host_demand (VardRewardHost *self,
                         const char     *what,
                         const char     *text,
                         GCancellable   *cancellable,
                         GError        **error)
{
  g_autoptr (JsonObject) message = json_object_new ();
  g_autofree char *death = NULL;

  json_object_set_string_member (message, what, text);
  json_object_set_string_member (message, "path", self->path);
  JsonObject *answer = vard_reward_host_ask (self, message, cancellable, &death, error);
  if (death != NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "its own process %s", death);
  return answer;
}

static gboolean
vard_reward_host_open (VardRewardHost *self,
                       GError        **error)
{
  if (!vard_reward_host_spawn (self, error))
    return FALSE;

  g_autoptr (JsonObject) answer = vard_reward_host_demand (self, "open", self->spec, NULL, error);
  if (answer == NULL)
    {
      vard_reward_host_drop (self);
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

/* A living process that has loaded the reward; called with the lock held */
static gboolean
vard_reward_host_ensure (VardRewardHost *self,
                         GCancellable   *cancellable,
                         GError        **error)
{
  if (self->child == NULL && !self->is_forgiven && self->n_restarts >= self->restarts)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                   "its own process was started %u times, and is not started again", self->n_restarts + 1);
      return FALSE;
    }
  if (self->child == NULL)
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
vard_reward_host_prepare (VardReward   *reward,
                          GCancellable *cancellable,
                          GError      **error)
{
  VardRewardHost *self = VARD_REWARD_HOST (reward);

  g_mutex_lock (&self->lock);
  gboolean ok = vard_reward_host_ensure (self, cancellable, error);
  g_mutex_unlock (&self->lock);
  return ok;
}

/* ---- scoring ---- */

static gboolean
vard_reward_host_reserve (VardRewardHost *self,
                          gsize           needed,
                          GError        **error)
{
  gsize size = MAX (self->size, 1 << 20);

  while (size < needed)
    size *= 2;
  if (size == self->size)
    return TRUE;

  gpointer memory = ftruncate (self->memory_fd, (off_t) size) != 0 ? MAP_FAILED
                    : self->memory == NULL
                      ? mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->memory_fd, 0)
                      : mremap (self->memory, self->size, size, MREMAP_MAYMOVE);
  if (memory == MAP_FAILED)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "no shared memory of %" G_GSIZE_FORMAT " bytes: %s", size,
                   g_strerror (errno));
      return FALSE;
    }
  self->memory = memory;
  self->size = size;
  return TRUE;
}

/* Copies a picture to the shared memory and says where it is */
static JsonObject *
vard_reward_host_describe (VardRewardHost  *self,
                           VardRewardBatch *batch,
                           guint            i,
                           gsize            offset)
{
  JsonObject *item = json_object_new ();
  JsonObject *metadata = vard_reward_batch_get_metadata (batch, i);
  const char *prompt = vard_reward_batch_get_prompt (batch, i);
  gsize n_bytes;
  const guint8 *pixels = vard_reward_batch_peek_pixels (batch, i, &n_bytes);

  memcpy (self->memory + offset, pixels, n_bytes);
  json_object_set_int_member (item, "offset", offset);
  json_object_set_int_member (item, "width", vard_reward_batch_get_width (batch, i));
  json_object_set_int_member (item, "height", vard_reward_batch_get_height (batch, i));
  json_object_set_int_member (item, "group", vard_reward_batch_get_group (batch, i));
  if (prompt != NULL)
    json_object_set_string_member (item, "prompt", prompt);
  if (metadata != NULL)
    json_object_set_object_member (item, "metadata", json_object_ref (metadata));
  return item;
}

static JsonObject *
vard_reward_host_pack (VardRewardHost  *self,
                       VardRewardBatch *batch,
                       GError         **error)
{
  gsize total = 0, offset = 0, n_bytes;
  JsonArray *items = json_array_new ();
  JsonObject *message = json_object_new ();

  json_object_set_array_member (message, "items", items);
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      vard_reward_batch_peek_pixels (batch, i, &n_bytes);
      total += n_bytes;
    }
  if (!vard_reward_host_reserve (self, total, error))
    {
      json_object_unref (message);
      return NULL;
    }
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      vard_reward_batch_peek_pixels (batch, i, &n_bytes);
      json_array_add_object_element (items, vard_reward_host_describe (self, batch, i, offset));
      offset += n_bytes;
    }
  json_object_set_int_member (message, "size", self->size);
  return message;
}

/* The numbers of another process are looked at like any other input. */
static gboolean
vard_reward_host_unpack (VardRewardBatch *batch,
                         JsonObject      *answer,
                         GError         **error)
{
  JsonNode *node = json_object_get_member (answer, "scores");
  JsonArray *scores = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  guint n = vard_reward_batch_get_count (batch);

  if (scores == NULL || json_array_get_length (scores) != n)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "its own process has %u scores for %u pictures",
                   scores != NULL ? json_array_get_length (scores) : 0, n);
      return FALSE;
    }
  for (guint i = 0; i < n; i++)
    {
      JsonNode *score = json_array_get_element (scores, i);

      if (json_node_get_value_type (score) == G_TYPE_STRING)
        vard_reward_batch_set_failed (batch, i, json_node_get_string (score));
      else if (JSON_NODE_HOLDS_VALUE (score))
        vard_reward_batch_set_score (batch, i, json_node_get_double (score));
    }
  return TRUE;
}

static gboolean
vard_reward_host_score_locked (VardRewardHost  *self,
                               VardRewardBatch *batch,
                               GError         **error)
{
  GCancellable *cancellable = vard_reward_batch_get_cancellable (batch);
  g_autofree char *death = NULL;

  if (!vard_reward_host_ensure (self, cancellable, error))
    return FALSE;

  g_autoptr (JsonObject) message = vard_reward_host_pack (self, batch, error);
  if (message == NULL)
    return FALSE;

  g_autoptr (JsonObject) answer = vard_reward_host_ask (self, message, cancellable, &death, error);
  if (answer != NULL)
    return vard_reward_host_unpack (batch, answer, error);
  if (death == NULL)
    return FALSE;

  g_autofree char *words
    = g_strdup_printf ("the process of the reward %s %s", vard_reward_get_label (VARD_REWARD (self)), death);
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    vard_reward_batch_set_failed (batch, i, words);
  return TRUE;
}

static gboolean
vard_reward_host_score (VardReward      *reward,
                        VardRewardBatch *batch,
                        GError         **error)
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

/* ---- public ---- */

/**
 * vard_reward_host_new: (constructor)
 * @manager: where the reward's plugin file is known
 * @spec: `NAME[:key=value,...]`; reserved keys are left alone
 * @error: return location
 *
 * Starts the process, which opens the file and sets the properties.
 *
 * Returns: (transfer full): a reward that does all its work in that process
 */
VardReward *
vard_reward_host_new (VardPluginManager *manager,
                      const char        *spec,
                      GError           **error)
{
  g_return_val_if_fail (VARD_IS_PLUGIN_MANAGER (manager) && spec != NULL, NULL);

  g_autoptr (VardPluginSpec) parts = vard_plugin_spec_parse (spec, error);
  if (parts == NULL)
    return NULL;

  const char *name = vard_plugin_spec_get_name (parts);
  g_autoptr (VardPluginFeature) feature = vard_plugin_manager_find (manager, "reward", name, error);
  g_autoptr (VardPlugin) plugin = feature != NULL ? vard_plugin_manager_find_plugin (manager, feature) : NULL;
  g_autoptr (VardRewardHost) self = plugin != NULL ? g_object_new (VARD_TYPE_REWARD_HOST, NULL) : NULL;
  if (self == NULL)
    {
      if (error != NULL && *error == NULL)
        g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN, "the file of the reward \"%s\" has gone", name);
      return NULL;
    }
  self->path = g_strdup (vard_plugin_get_path (plugin));
  self->spec = g_strdup (spec);
  vard_reward_set_label (VARD_REWARD (self), name);
  vard_reward_set_thread_bound (VARD_REWARD (self), FALSE);
  if (self->memory_fd < 0)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_FAILED, "the system has no memory to share between processes");
      return NULL;
    }
  return vard_reward_host_open (self, error) ? VARD_REWARD (g_steal_pointer (&self)) : NULL;
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

  vard_reward_host_drop (self);
  if (self->memory != NULL)
    munmap (self->memory, self->size);
  if (self->memory_fd >= 0)
    close (self->memory_fd);
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
  self->socket_fd = -1;
  self->memory_fd = memfd_create ("vard-pictures", MFD_CLOEXEC);
  g_mutex_init (&self->lock);
}
