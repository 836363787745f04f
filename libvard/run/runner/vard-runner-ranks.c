/* vard-runner-ranks.c - a run of several ranks: rank 0 writes the folder, the others follow
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/runner/vard-runner-private.h"

#include "base/vard-error.h"
#include "train/vard-trainer-memory.h"
#include "train/vard-trainer-ranks.h"

VardRunner *
vard_runner_new_on_rank (VardRunSettings *settings,
                         VardRewardMix *rewards,
                         VardCommunicator *communicator,
                         GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (settings) && VARD_IS_REWARD_MIX (rewards), NULL);
  g_return_val_if_fail (VARD_IS_COMMUNICATOR (communicator), NULL);

  g_autoptr (VardRunner) self = g_object_new (VARD_TYPE_RUNNER, NULL);
  g_autoptr (GError) problem = NULL;

  self->settings = g_object_ref (settings);
  self->rewards = g_object_ref (rewards);
  self->communicator = g_object_ref (communicator);
  if (vard_runner_load (self, &problem))
    return g_steal_pointer (&self);
  vard_communicator_abort (communicator, problem->message);
  g_propagate_error (error, g_steal_pointer (&problem));

  return NULL;
}

gboolean
vard_runner_check_leader (VardRunner *self, GError **error)
{
  guint rank = vard_communicator_get_rank (self->communicator);

  if (rank == 0)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
               "rank %u of %u ranks has no folder: rank 0 writes the run's, and this one follows",
               rank, vard_communicator_get_size (self->communicator));

  return FALSE;
}

gboolean
vard_runner_follow (VardRunner *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), FALSE);

  g_autoptr (GError) problem = NULL;

  if (vard_reward_mix_prepare (self->rewards, cancellable, &problem)
      && vard_trainer_check_device (self->trainer, &problem))
    return vard_trainer_follow (self->trainer, cancellable, error);
  vard_trainer_part (self->trainer, problem);
  g_propagate_error (error, g_steal_pointer (&problem));

  return FALSE;
}

void
vard_runner_leave (VardRunner *self)
{
  g_autoptr (GError) problem =
    g_error_new (VARD_ERROR, VARD_ERROR_FAILED, "its runner went away without a run");

  if (self->trainer != NULL)
    vard_trainer_part (self->trainer, problem);
}
