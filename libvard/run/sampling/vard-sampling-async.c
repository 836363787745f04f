/* vard-sampling-async.c - a request in another thread, its signals in the caller's main context
 *
 * The thread puts pictures and progress into a box that the caller's main context empties. Of
 * progress only the newest is left by then, of pictures none is lost.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/sampling/vard-sampling-private.h"

typedef struct
{
  guint index;
  VardImage *image;
} VardSamplingLetter;

typedef struct
{
  VardSampling *self;
  VardSampling *copy;    /* until the thread is done */
  GMainContext *context; /* the caller's */
  int priority;
  GPtrArray *pictures; /* that are kept; the thread's alone */

  GMutex lock;     /* of everything below */
  GArray *letters; /* pictures that were not handed out yet */
  VardSamplingProgress progress;
  gboolean has_progress;
  gboolean is_scheduled; /* the context will look here */
} VardSamplingBox;

static void
vard_sampling_letter_clear (gpointer data)
{
  g_object_unref (((VardSamplingLetter *) data)->image);
}

static GArray *
vard_sampling_new_letters (void)
{
  GArray *letters = g_array_new (FALSE, FALSE, sizeof (VardSamplingLetter));

  g_array_set_clear_func (letters, vard_sampling_letter_clear);

  return letters;
}

static void
vard_sampling_box_clear (gpointer data)
{
  VardSamplingBox *box = data;

  g_main_context_unref (box->context);
  g_ptr_array_unref (box->pictures);
  g_array_unref (box->letters);
  g_mutex_clear (&box->lock);
  g_object_unref (box->self);
}

static void
vard_sampling_box_unref (gpointer box)
{
  g_atomic_rc_box_release_full (box, vard_sampling_box_clear);
}

static gboolean
vard_sampling_box_empty (gpointer data)
{
  VardSamplingBox *box = data;
  g_autoptr (GArray) letters = NULL;
  VardSamplingProgress progress;
  gboolean has_progress;

  g_mutex_lock (&box->lock);
  letters = box->letters;
  progress = box->progress;
  has_progress = box->has_progress;
  box->letters = vard_sampling_new_letters ();
  box->has_progress = box->is_scheduled = FALSE;
  g_mutex_unlock (&box->lock);

  for (guint i = 0; i < letters->len; i++)
    {
      VardSamplingLetter *letter = &g_array_index (letters, VardSamplingLetter, i);

      vard_sampling_emit_picture (box->self, letter->index, letter->image);
    }
  if (has_progress)
    vard_sampling_emit_progress (box->self, &progress);

  return G_SOURCE_REMOVE;
}

/* The lock is held */
static void
vard_sampling_box_schedule (VardSamplingBox *box)
{
  g_autoptr (GSource) source = NULL;

  if (box->is_scheduled)
    return;
  box->is_scheduled = TRUE;
  source = g_idle_source_new ();
  g_source_set_priority (source, box->priority);
  g_source_set_callback (source, vard_sampling_box_empty, g_atomic_rc_box_acquire (box),
                         vard_sampling_box_unref);
  g_source_set_static_name (source, "vard_sampling_box_empty");
  g_source_attach (source, box->context);
}

static void
vard_sampling_box_put_picture (guint index, VardImage *image, gpointer data)
{
  VardSamplingBox *box = data;
  VardSamplingLetter letter = { index, g_object_ref (image) };

  if (box->copy->keep_pictures)
    g_ptr_array_add (box->pictures, g_object_ref (image));
  g_mutex_lock (&box->lock);
  g_array_append_val (box->letters, letter);
  vard_sampling_box_schedule (box);
  g_mutex_unlock (&box->lock);
}

static void
vard_sampling_box_put_progress (const VardSamplingProgress *progress, gpointer data)
{
  VardSamplingBox *box = data;

  g_mutex_lock (&box->lock);
  box->progress = *progress;
  box->has_progress = TRUE;
  vard_sampling_box_schedule (box);
  g_mutex_unlock (&box->lock);
}

static void
vard_sampling_run_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  VardSamplingBox *box = data;
  VardSamplingSink sink = { vard_sampling_box_put_picture, vard_sampling_box_put_progress, box };
  GError *error = NULL;
  gboolean is_done = vard_sampling_make_pictures (box->copy, &sink, cancellable, &error);

  vard_sampling_end (box->self, g_steal_pointer (&box->copy));
  if (is_done)
    g_task_return_pointer (task, g_ptr_array_ref (box->pictures),
                           (GDestroyNotify) g_ptr_array_unref);
  else
    g_task_return_error (task, error);
}

/**
 * vard_sampling_run_async:
 * @self: a request
 * @cancellable: (nullable): stops at any moment
 * @callback: (scope async): called when all pictures are made, or none more will be
 * @data: for @callback
 *
 * Makes the pictures in another thread. The signals come from the thread-default main context of
 * the caller, all of them before @callback. The settings may be changed at once: what they were
 * counts.
 */
void
vard_sampling_run_async (VardSampling *self,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer data)
{
  g_return_if_fail (VARD_IS_SAMPLING (self));

  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, data);
  GError *error = NULL;
  VardSampling *copy = vard_sampling_begin (self, &error);

  g_task_set_source_tag (task, vard_sampling_run_async);
  if (copy == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  VardSamplingBox *box = g_atomic_rc_box_new0 (VardSamplingBox);

  box->self = g_object_ref (self);
  box->copy = copy;
  box->context = g_main_context_ref (g_task_get_context (task));
  box->priority = g_task_get_priority (task);
  box->pictures = g_ptr_array_new_with_free_func (g_object_unref);
  box->letters = vard_sampling_new_letters ();
  g_mutex_init (&box->lock);
  g_task_set_task_data (task, box, vard_sampling_box_unref);
  g_task_run_in_thread (task, vard_sampling_run_thread);
}

/**
 * vard_sampling_run_finish:
 * @self: a request
 * @result: what the callback of vard_sampling_run_async() got
 * @error: return location for an error
 *
 * Returns: (transfer container) (element-type VardImage): as vard_sampling_run()
 */
GPtrArray *
vard_sampling_run_finish (VardSampling *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VARD_IS_SAMPLING (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
