/* vard-checkpoint-weights.c - trained weights of a checkpoint, to look at
 *
 * Of a checkpoint's files this knows the names of two tensors alone. So a run can be sampled and
 * exported whatever else its trainer keeps, and without what it was trained with.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-checkpoint-weights.h"

#include "base/vard-error.h"
#include "learn/vard-parameter-set.h"
#include "learn/vard-state-file.h"

static void
vard_checkpoint_weights_set (const char *path, VardParameter *parameter, gint64 at, gpointer data)
{
  VardTensor *flat = data;

  vard_tensor_set_storage (parameter->tensor, vard_tensor_peek_buffer (flat),
                           vard_tensor_get_offset (flat) + at * sizeof (float));
}

gboolean
vard_checkpoint_weights_read (const char *directory, VardModule *root, GError **error)
{
  g_autofree char *path = g_build_filename (directory, VARD_CHECKPOINT_FILE, NULL);
  g_autoptr (VardStateReader) reader = vard_state_reader_new (path, error);
  gint64 count = vard_parameter_set_foreach (root, NULL, NULL);

  if (reader == NULL)
    return FALSE;

  gboolean has_average = vard_state_reader_get_count (reader, VARD_CHECKPOINT_AVERAGE) > 0;
  const char *name = has_average ? VARD_CHECKPOINT_AVERAGE : VARD_CHECKPOINT_WEIGHTS;
  g_autoptr (VardTensor) flat =
    vard_state_reader_lookup (reader, name, VARD_DTYPE_F32, count, error);

  if (flat == NULL)
    return FALSE;
  vard_parameter_set_foreach (root, vard_checkpoint_weights_set, flat);

  return TRUE;
}
