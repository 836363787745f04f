/* vard-reward-call.c - calls a function in a main context and waits for it
 *
 * g_main_context_invoke() would run the function right here when nobody iterates the context at
 * that moment: a script's function must run in the script's thread or not at all. Whoever waits for
 * a thread that scores with such a reward therefore iterates the context.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-call.h"

/* Tenths of a second: a context that does nothing for so long is probably one that nobody iterates.
 * Counted, because a process that is stopped for a while is not late. */
#define PATIENCE 50

/* Shared by the thread that waits and the one that works; the last frees it. */
typedef struct
{
  VardRewardCallFunc function;
  gpointer data;
  GDestroyNotify release;
  GMutex lock;
  GCond ended;
  gboolean is_begun, is_ended, is_abandoned, result;
  GError *error;
} VardRewardCall;

static void
vard_reward_call_clear (gpointer data)
{
  VardRewardCall *call = data;

  if (call->release != NULL)
    call->release (call->data);
  g_clear_error (&call->error);
  g_mutex_clear (&call->lock);
  g_cond_clear (&call->ended);
}

static void
vard_reward_call_release (gpointer data)
{
  g_atomic_rc_box_release_full (data, vard_reward_call_clear);
}

static gboolean
vard_reward_call_work (gpointer data)
{
  VardRewardCall *call = data;
  GError *error = NULL;

  g_mutex_lock (&call->lock);
  gboolean is_abandoned = call->is_abandoned;
  call->is_begun = TRUE;
  g_mutex_unlock (&call->lock);
  gboolean result = !is_abandoned && call->function (call->data, &error);

  g_mutex_lock (&call->lock);
  call->result = result;
  call->error = error;
  call->is_ended = TRUE;
  g_cond_broadcast (&call->ended);
  g_mutex_unlock (&call->lock);

  return G_SOURCE_REMOVE;
}

/* Called with the lock held; looks at the cancellable ten times a second. */
static void
vard_reward_call_wait (VardRewardCall *call, const char *who, GCancellable *cancellable)
{
  for (guint n = 1; !call->is_ended && !g_cancellable_is_cancelled (cancellable); n++)
    {
      g_cond_wait_until (&call->ended, &call->lock,
                         g_get_monotonic_time () + G_TIME_SPAN_SECOND / 10);
      if (n == PATIENCE && !call->is_begun)
        g_warning ("the reward %s waits for the thread that created it, but that thread does not "
                   "iterate its main context",
                   who);
    }
}

gboolean
vard_reward_call_in (GMainContext *context,
                     const char *who,
                     VardRewardCallFunc function,
                     gpointer data,
                     GDestroyNotify release,
                     GCancellable *cancellable,
                     GError **error)
{
  VardRewardCall *call = g_atomic_rc_box_new0 (VardRewardCall);
  g_autoptr (GSource) source = g_idle_source_new ();
  gboolean result = FALSE;

  call->function = function;
  call->data = data;
  call->release = release;
  g_mutex_init (&call->lock);
  g_cond_init (&call->ended);

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, vard_reward_call_work, g_atomic_rc_box_acquire (call),
                         vard_reward_call_release);
  g_source_attach (source, context);

  g_mutex_lock (&call->lock);
  vard_reward_call_wait (call, who, cancellable);
  if (call->is_ended)
    {
      result = call->result;
      if (call->error != NULL)
        g_propagate_error (error, g_steal_pointer (&call->error));
    }
  else
    {
      call->is_abandoned = TRUE;
      g_cancellable_set_error_if_cancelled (cancellable, error);
    }
  g_mutex_unlock (&call->lock);
  vard_reward_call_release (call);

  return result;
}
