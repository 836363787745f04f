/* vard-reward-message.c - queues the log messages of rewards
 *
 * A reward logs with g_message() and g_warning() like any code, and an isolated reward also writes
 * to standard error. This file queues both until the runner collects them, so they reach the run's
 * log under the reward's name. A message belongs to the reward that its thread is calling at that
 * time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-message.h"

#include <string.h>

/* Lines that wait; a reward that says more between two batches loses the rest. */
#define MOST_WAITING 200

typedef struct
{
  GMutex lock;
  GPtrArray *texts; /* of char */
  guint n_lost;
} Messages;

static GPrivate speaker; /* VardReward, borrowed: it is on the stack of who calls it */

static void
messages_free (gpointer data)
{
  Messages *messages = data;

  g_ptr_array_unref (messages->texts);
  g_mutex_clear (&messages->lock);
  g_free (messages);
}

static Messages *
vard_reward_message_get_messages (VardReward *self)
{
  static GMutex lock;
  GQuark quark = g_quark_from_static_string ("vard-reward-messages");

  g_mutex_lock (&lock);
  Messages *messages = g_object_get_qdata (G_OBJECT (self), quark);
  if (messages == NULL)
    {
      messages = g_new0 (Messages, 1);
      g_mutex_init (&messages->lock);
      messages->texts = g_ptr_array_new_with_free_func (g_free);
      g_object_set_qdata_full (G_OBJECT (self), quark, messages, messages_free);
    }
  g_mutex_unlock (&lock);

  return messages;
}

/**
 * vard_reward_add_message:
 * @self: a reward
 * @text: a line
 *
 * Keeps @text for vard_reward_take_messages(). Safe to call from any thread.
 */
void
vard_reward_add_message (VardReward *self, const char *text)
{
  g_return_if_fail (VARD_IS_REWARD (self) && text != NULL);

  Messages *messages = vard_reward_message_get_messages (self);

  if (text[0] == 0)
    return;
  g_mutex_lock (&messages->lock);
  if (messages->texts->len < MOST_WAITING)
    g_ptr_array_add (messages->texts, g_strdup (text));
  else
    messages->n_lost++;
  g_mutex_unlock (&messages->lock);
}

/**
 * vard_reward_take_messages:
 * @self: a reward
 *
 * Returns: (transfer full) (array zero-terminated=1): what it said since the last time, the oldest
 * first
 */
char **
vard_reward_take_messages (VardReward *self)
{
  g_return_val_if_fail (VARD_IS_REWARD (self), NULL);

  Messages *messages = vard_reward_message_get_messages (self);

  g_mutex_lock (&messages->lock);
  if (messages->n_lost > 0)
    g_ptr_array_add (messages->texts, g_strdup_printf ("%u more lines", messages->n_lost));
  messages->n_lost = 0;
  g_ptr_array_add (messages->texts, NULL);
  char **texts = (char **) g_ptr_array_steal (messages->texts, NULL);
  g_mutex_unlock (&messages->lock);

  return texts;
}

/**
 * vard_reward_swap_speaker: (skip)
 * @self: (nullable): a reward
 *
 * For who calls a reward: what this thread logs from now on is of @self.
 *
 * Returns: (nullable) (transfer none): whose it was before
 */
VardReward *
vard_reward_swap_speaker (VardReward *self)
{
  VardReward *former = g_private_get (&speaker);

  g_private_set (&speaker, self);
  return former;
}

static const char *
vard_reward_message_find_field (const GLogField *log_fields,
                                gsize n_fields,
                                const char *key,
                                char **copy)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (log_fields[i].key, key))
      {
        if (log_fields[i].length < 0)
          return log_fields[i].value;
        return *copy = g_strndup (log_fields[i].value, log_fields[i].length);
      }

  return NULL;
}

/**
 * vard_reward_log_writer: (skip)
 * @level: how bad it is
 * @log_fields: (array length=n_fields): what is to be logged
 * @n_fields: how many
 * @data: nothing
 *
 * A #GLogWriterFunc for a program that shows vard_reward_take_messages() itself: what a reward logs
 * while it is called becomes its message, and all else goes to g_log_writer_default().
 *
 * Returns: whether it was written
 */
GLogWriterOutput
vard_reward_log_writer (GLogLevelFlags level,
                        const GLogField *log_fields,
                        gsize n_fields,
                        gpointer data)
{
  VardReward *self = g_private_get (&speaker);
  g_autofree char *copy = NULL;
  const char *text = vard_reward_message_find_field (log_fields, n_fields, "MESSAGE", &copy);

  if (self == NULL || text == NULL
      || (level & (G_LOG_LEVEL_ERROR | G_LOG_FLAG_FATAL | G_LOG_LEVEL_DEBUG)) != 0)
    return g_log_writer_default (level, log_fields, n_fields, data);

  const char *word = (level & G_LOG_LEVEL_CRITICAL) != 0  ? "critical: "
                     : (level & G_LOG_LEVEL_WARNING) != 0 ? "warning: "
                                                          : "";
  g_autofree char *line = g_strconcat (word, text, NULL);
  vard_reward_add_message (self, line);

  return G_LOG_WRITER_HANDLED;
}
