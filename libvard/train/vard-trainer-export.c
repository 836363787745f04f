/* vard-trainer-export.c - writes what a run leaves: an adapter or a model, and the value network
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

/**
 * vard_trainer_export:
 * @self: a trainer
 * @directory: (type filename): an existing directory
 * @error: where to put an error
 *
 * Writes what others can use: pytorch_lora_weights.safetensors as diffusers spells it and
 * lora-kohya.safetensors, or the folder model with every weight; and what the algorithm leaves
 * beside them, such as value-net.safetensors.
 *
 * Returns: %TRUE when everything is written
 */
gboolean
vard_trainer_export (VardTrainer *self, const char *directory, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (directory != NULL, FALSE);

  if (!vard_training_swap_average (self->training, error))
    return FALSE;

  gboolean is_written = vard_training_export (self->training, directory, error)
                        && vard_algorithm_export_files (self->algorithm, directory, error);

  return vard_training_swap_average (self->training, is_written ? error : NULL) && is_written;
}
