/* vard-runner-events.c - runs a runner in a thread, and emits its signals in the caller's
 *
 * Whatever happens while a runner works becomes an event. If the runner has no thread of its own,
 * the event is emitted at once as a signal. Otherwise it waits in a queue that a source of the
 * caller's main context empties. The last event is the end of the task, so every signal is out
 * before the callback is called.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/runner/vard-runner-private.h"

#include <gobject/gvaluecollector.h>

#define MAX_ARGUMENTS 3

typedef struct
{
  guint signal; /* 0 for the end of the task */
  gboolean is_progress;
  GValue values[1 + MAX_ARGUMENTS]; /* the runner, and what the signal says */
  GTask *task;
  GError *error;
} VardRunnerEvent;

static void
vard_runner_event_free (VardRunnerEvent *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->values); i++)
    if (G_IS_VALUE (&self->values[i]))
      g_value_unset (&self->values[i]);
  g_clear_object (&self->task);
  g_clear_error (&self->error);
  g_free (self);
}

static void
vard_runner_event_deliver (VardRunner *self, VardRunnerEvent *event)
{
  if (event->signal != 0)
    {
      g_signal_emitv (event->values, event->signal, 0, NULL);
      return;
    }
  g_clear_pointer (&self->context, g_main_context_unref);
  g_object_thaw_notify (G_OBJECT (self->run));
  g_object_thaw_notify (G_OBJECT (vard_run_settings_get_trainer (self->settings)));
  vard_runner_end (self);
  if (event->error != NULL)
    g_task_return_error (event->task, g_steal_pointer (&event->error));
  else
    g_task_return_boolean (event->task, TRUE);
}

static gboolean
vard_runner_deliver (gpointer data)
{
  VardRunner *self = data;
  VardRunnerEvent *event;

  do
    {
      g_mutex_lock (&self->mutex);
      event = g_queue_pop_head (&self->events);
      if (event == NULL)
        self->is_delivering = FALSE;
      g_mutex_unlock (&self->mutex);
      if (event != NULL)
        {
          vard_runner_event_deliver (self, event);
          vard_runner_event_free (event);
        }
    }
  while (event != NULL);

  return G_SOURCE_REMOVE;
}

/* Of progress only the newest event counts, so a busy caller does not find hours of it */
static void
vard_runner_queue (VardRunner *self, VardRunnerEvent *event)
{
  VardRunnerEvent *last;
  gboolean is_first;

  g_mutex_lock (&self->mutex);
  last = g_queue_peek_tail (&self->events);
  if (event->is_progress && last != NULL && last->is_progress)
    vard_runner_event_free (g_queue_pop_tail (&self->events));
  g_queue_push_tail (&self->events, event);
  is_first = !self->is_delivering;
  self->is_delivering = TRUE;
  g_mutex_unlock (&self->mutex);
  if (!is_first)
    return;

  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_static_name (source, "VardRunner");
  g_source_set_callback (source, vard_runner_deliver, g_object_ref (self), g_object_unref);
  g_source_attach (source, self->context);
}

void
vard_runner_emit (VardRunner *self, guint signal, ...)
{
  VardRunnerEvent *event = g_new0 (VardRunnerEvent, 1);
  GSignalQuery query;
  va_list arguments;

  g_signal_query (signal, &query);
  g_assert (query.n_params <= MAX_ARGUMENTS);
  event->signal = signal;
  event->is_progress = g_str_equal (query.signal_name, "progress");
  g_value_init (&event->values[0], VARD_TYPE_RUNNER);
  g_value_set_object (&event->values[0], self);
  va_start (arguments, signal);
  for (guint i = 0; i < query.n_params; i++)
    {
      g_autofree char *problem = NULL;

      G_VALUE_COLLECT_INIT (&event->values[i + 1], query.param_types[i], arguments, 0, &problem);
      g_assert (problem == NULL);
    }
  va_end (arguments);
  if (self->context != NULL)
    {
      vard_runner_queue (self, event);
      return;
    }
  vard_runner_event_deliver (self, event);
  vard_runner_event_free (event);
}

static gpointer
vard_runner_work (gpointer data)
{
  GTask *task = data;
  VardRunner *self = g_task_get_source_object (task);
  VardRunnerEvent *event = g_new0 (VardRunnerEvent, 1);

  event->task = task;
  vard_runner_train (self, g_task_get_cancellable (task), &event->error);
  vard_runner_queue (self, event);

  return NULL;
}

/**
 * vard_runner_run_async:
 * @self: a runner that was started or resumed
 * @cancellable: (nullable): stops at once, without a checkpoint
 * @callback: (scope async): called at the end
 * @user_data: for @callback
 *
 * Does what vard_runner_run() does, in a thread of its own. The runner's signals come in the
 * thread-default main context of the caller, all of them before @callback; of progress that was not
 * delivered yet only the newest is. Until then the trainer, the pipeline and the rewards belong to
 * that thread; pause, continue and stop may be called from any.
 */
void
vard_runner_run_async (VardRunner *self,
                       GCancellable *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_return_if_fail (VARD_IS_RUNNER (self));

  GTask *task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, vard_runner_run_async);
  /* a run that is cancelled just when it is done counts as done */
  g_task_set_check_cancellable (task, FALSE);
  if (!vard_runner_begin (self, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  /* what else notifies belongs to that thread, and says at the end what has changed */
  g_object_freeze_notify (G_OBJECT (self->run));
  g_object_freeze_notify (G_OBJECT (vard_run_settings_get_trainer (self->settings)));
  self->context = g_main_context_ref_thread_default ();
  g_thread_unref (g_thread_new ("vard-run", vard_runner_work, task));
}

/**
 * vard_runner_run_finish:
 * @self: a runner
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Returns: as vard_runner_run() does
 */
gboolean
vard_runner_run_finish (VardRunner *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- loading ---- */

typedef struct
{
  VardRunSettings *settings;
  VardRewardMix *rewards;
} VardRunnerOrder;

static void
vard_runner_order_free (gpointer data)
{
  VardRunnerOrder *self = data;

  g_object_unref (self->settings);
  g_clear_object (&self->rewards);
  g_free (self);
}

static void
vard_runner_load_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const VardRunnerOrder *order = data;
  g_autoptr (VardRunner) runner = NULL;
  GError *error = NULL;

  /* code without a cancellable argument, such as the reader of weights, checks the current one */
  if (cancellable != NULL)
    g_cancellable_push_current (cancellable);
  runner = order->rewards != NULL
             ? vard_runner_new_with_rewards (order->settings, order->rewards, &error)
             : vard_runner_new (order->settings, &error);
  if (runner != NULL && !vard_reward_mix_prepare (runner->rewards, cancellable, &error))
    g_clear_object (&runner);
  if (cancellable != NULL)
    g_cancellable_pop_current (cancellable);
  if (runner == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&runner), g_object_unref);
}

/**
 * vard_runner_load_async:
 * @settings: what to do; not to be changed until @callback is called
 * @rewards: (nullable): rewards that were made already; %NULL for those of @settings
 * @cancellable: (nullable): stops loading
 * @callback: (scope async): called when all is loaded
 * @user_data: for @callback
 *
 * Loads what vard_runner_new() loads, and prepares the rewards, in a thread.
 */
void
vard_runner_load_async (VardRunSettings *settings,
                        VardRewardMix *rewards,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data)
{
  g_return_if_fail (VARD_IS_RUN_SETTINGS (settings));
  g_return_if_fail (rewards == NULL || VARD_IS_REWARD_MIX (rewards));

  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  VardRunnerOrder *order = g_new0 (VardRunnerOrder, 1);

  order->settings = g_object_ref (settings);
  order->rewards = rewards != NULL ? g_object_ref (rewards) : NULL;
  g_task_set_source_tag (task, vard_runner_load_async);
  g_task_set_task_data (task, order, vard_runner_order_free);
  g_task_run_in_thread (task, vard_runner_load_in_thread);
}

/**
 * vard_runner_load_finish:
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Returns: (transfer full): a runner to start or resume, or %NULL; with %G_IO_ERROR_CANCELLED where
 * it was cancelled
 */
VardRunner *
vard_runner_load_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
