/* test-outside.h - what the tests of rewards outside of the process share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard-internal.h>

#include <string.h>

/* A spec made from a format */
G_GNUC_PRINTF (1, 2)
static inline VardReward *
outside_reward (const char *format, ...)
{
  g_autoptr (GError) error = NULL;
  va_list arguments;

  va_start (arguments, format);
  g_autofree char *spec = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  GObject *reward = vard_plugin_manager_create_from_spec (vard_plugin_manager_get_default (),
                                                          "reward", spec, NULL, &error);
  g_assert_no_error (error);
  vard_reward_set_label (VARD_REWARD (reward), "tested");
  return VARD_REWARD (reward);
}

/* A picture of 2 x 2 pixels of which the first is the number */
static inline void
outside_append (VardRewardBatch *batch, guint number, const char *prompt)
{
  guint8 rgb[12] = { number >> 16, number >> 8, number, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
  g_autoptr (GBytes) pixels = g_bytes_new (rgb, sizeof rgb);

  g_assert_true (vard_reward_batch_append (batch, pixels, 2, 2, prompt, NULL, 0, NULL));
}

static inline VardRewardBatch *
outside_batch (guint first, guint n)
{
  VardRewardBatch *batch = vard_reward_batch_new ();

  for (guint i = 0; i < n; i++)
    outside_append (batch, first + i, "a \"red\" cat\n\xf0\x9f\x90\x88");
  return batch;
}

static inline void
outside_score (VardReward *reward, VardRewardBatch *batch)
{
  g_autoptr (GError) error = NULL;
  gboolean result = vard_reward_score_batch (reward, batch, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (result);
}

static inline void
outside_assert_score (VardRewardBatch *batch, guint index, double expected)
{
  double score = -1;

  if (!vard_reward_batch_get_score (batch, index, &score))
    g_error ("picture %u has no score: %s", index, vard_reward_batch_get_message (batch, index));
  g_assert_cmpfloat (score, ==, expected);
}

static inline void
outside_assert_failed (VardRewardBatch *batch, guint index, const char *word)
{
  const char *message = vard_reward_batch_get_message (batch, index);

  g_assert_cmpint (vard_reward_batch_get_status (batch, index), ==, VARD_REWARD_STATUS_FAILED);
  if (strstr (message, word) == NULL)
    g_error ("\"%s\" is not in the message of picture %u: %s", word, index, message);
  g_assert_null (strchr (message, '\n'));
}

static inline gpointer
outside_cancel (gpointer data)
{
  g_usleep (100 * 1000);
  g_cancellable_cancel (data);
  return NULL;
}

/* Cancels after a tenth of a second; the call must end soon after. */
static inline void
outside_assert_cancels (VardReward *reward, VardRewardBatch *batch)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  gint64 begin = g_get_monotonic_time ();
  GThread *thread = g_thread_new ("cancel", outside_cancel, cancellable);

  g_assert_false (vard_reward_score_batch (reward, batch, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 5 * G_TIME_SPAN_SECOND);
  g_thread_join (thread);
}

/* The reward must not prepare, and say these words */
static inline void
outside_assert_refuses (VardReward *reward, const char *word)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (vard_reward_prepare (reward, NULL, &error));
  g_assert_nonnull (error);
  if (strstr (error->message, word) == NULL || strstr (error->message, "the reward tested") == NULL)
    g_error ("\"%s\" is not in the error: %s", word, error->message);
}

/* The server of the tests; it ends when its input is closed, at the latest with the test. */
typedef struct
{
  GSubprocess *process;
  char *url;
} OutsideServer;

static inline OutsideServer
outside_server_start (const char *certificate, const char *key)
{
  OutsideServer self = { NULL };
  g_autoptr (GError) error = NULL;

  self.process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                                   &error, g_getenv ("PYTHON"), g_getenv ("FAULT_SERVER"),
                                   certificate, key, NULL);
  g_assert_no_error (error);
  g_autoptr (GDataInputStream) lines =
    g_data_input_stream_new (g_subprocess_get_stdout_pipe (self.process));
  self.url = g_data_input_stream_read_line (lines, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (self.url);
  return self;
}

static inline void
outside_server_stop (OutsideServer *self)
{
  g_subprocess_force_exit (self->process);
  g_subprocess_wait (self->process, NULL, NULL);
  g_clear_object (&self->process);
  g_clear_pointer (&self->url, g_free);
}
