/* vard-trainer-ranks.c - rank 0 says what comes next, and the other ranks of the run do it too
 *
 * The folder of a run is written by rank 0. Requests, pauses and stops come through that folder, so
 * rank 0 alone knows what is to be done. It broadcasts an order of two words before each function
 * of the trainer in which ranks meet.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-ranks.h"

#include "base/vard-error.h"
#include "train/vard-trainer-private.h"

/* Longer paths than this come from ranks that have lost each other */
#define PATH_SIZE 65536

static gboolean
vard_trainer_broadcast (VardTrainer *self, gpointer data, gsize size, GError **error)
{
  g_autoptr (VardBuffer) buffer = vard_buffer_new (size);

  memcpy (buffer->data, data, size);
  if (!vard_communicator_broadcast (self->training->communicator, buffer, 0, size, 0, error))
    return FALSE;
  memcpy (data, buffer->data, size);

  return TRUE;
}

/* ---- rank 0 ---- */

gboolean
vard_trainer_tell (VardTrainer *self, VardTrainerOrder order, guint64 value, GError **error)
{
  VardCommunicator *communicator = self->training->communicator;
  guint64 words[] = { order, value };

  g_return_val_if_fail (vard_communicator_get_rank (communicator) == 0, FALSE);

  return vard_communicator_get_size (communicator) == 1
         || vard_trainer_broadcast (self, words, sizeof words, error);
}

gboolean
vard_trainer_tell_load (VardTrainer *self, const char *directory, GError **error)
{
  gsize size = strlen (directory) + 1;
  g_autofree char *path = g_strdup (directory);

  if (vard_communicator_get_size (self->training->communicator) == 1)
    return TRUE;

  return vard_trainer_tell (self, VARD_TRAINER_ORDER_LOAD, size, error)
         && vard_trainer_broadcast (self, path, size, error);
}

void
vard_trainer_part (VardTrainer *self, const GError *problem)
{
  if (self->has_parted)
    return;

  self->has_parted = TRUE;
  if (problem != NULL)
    vard_trainer_abort (self, problem);
  else
    /* what rank 0 was to do is done: a rank that fails now spoils nothing */
    vard_trainer_tell (self, VARD_TRAINER_ORDER_END, 0, NULL);
}

/* ---- the others ---- */

static gboolean
vard_trainer_obey_load (VardTrainer *self, guint64 size, GError **error)
{
  if (size == 0 || size > PATH_SIZE)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED,
                   "rank 0 announced a path of %" G_GUINT64_FORMAT
                   " bytes, and there are at most %d: do all ranks run the same vard?",
                   size, PATH_SIZE);
      return FALSE;
    }

  g_autofree char *path = g_malloc0 (size);

  if (!vard_trainer_broadcast (self, path, size, error))
    return FALSE;
  path[size - 1] = 0;

  return vard_trainer_load_state (self, path, error);
}

static gboolean
vard_trainer_obey (VardTrainer *self,
                   guint64 order,
                   guint64 value,
                   GCancellable *cancellable,
                   GError **error)
{
  g_autoptr (VardEvaluation) evaluation = NULL;

  switch (order)
    {
    case VARD_TRAINER_ORDER_ADVANCE: return vard_trainer_advance (self, cancellable, error);
    case VARD_TRAINER_ORDER_SAMPLE:
      evaluation = vard_trainer_sample (self, cancellable, error);
      return evaluation != NULL;
    case VARD_TRAINER_ORDER_EVALUATE:
      evaluation = vard_trainer_evaluate (self, cancellable, error);
      return evaluation != NULL;
    case VARD_TRAINER_ORDER_STEPS: vard_trainer_set_steps (self, value); return TRUE;
    case VARD_TRAINER_ORDER_LOAD: return vard_trainer_obey_load (self, value, error);
    case VARD_TRAINER_ORDER_AVERAGE: return vard_trainer_use_average (self, error);
    default:
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED,
                   "rank 0 gave order %" G_GUINT64_FORMAT
                   ", which this rank does not know: do all ranks run the same vard?",
                   order);
      return FALSE;
    }
}

gboolean
vard_trainer_follow (VardTrainer *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) problem = NULL;
  guint64 words[2];

  g_return_val_if_fail (vard_communicator_get_rank (self->training->communicator) > 0, FALSE);

  do
    {
      words[0] = words[1] = VARD_TRAINER_ORDER_END;
      if (!vard_trainer_broadcast (self, words, sizeof words, &problem)
          || words[0] == VARD_TRAINER_ORDER_END)
        break;
    }
  while (vard_trainer_obey (self, words[0], words[1], cancellable, &problem));

  self->has_parted = TRUE;
  if (problem == NULL)
    return TRUE;
  vard_trainer_abort (self, problem);
  g_propagate_error (error, g_steal_pointer (&problem));

  return FALSE;
}
