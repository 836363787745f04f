/* vard-trainer-export.c - what a run leaves: an adapter or a model, and the value network
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "models/vard-value-net.h"
#include "nn/vard-lora.h"
#include "tensor/vard-safetensors.h"

#define ADAPTER_FILE "pytorch_lora_weights.safetensors"
#define MODEL_FOLDER "model"
#define VALUE_FILE "value-net.safetensors"

typedef struct
{
  VardEngine *engine;
  GArray *entries;
  GPtrArray *tensors;
  GError *error;
} Adapter;

static void
add_matrix (Adapter *adapter, const char *path, const char *suffix, VardTensor *tensor, double scale)
{
  g_autofree char *name = g_strconcat ("unet.", path, suffix, NULL);
  VardTensor *host = adapter->error == NULL
                     ? vard_engine_fetch (adapter->engine, tensor, &adapter->error) : NULL;

  if (host == NULL)
    return;

  VardSafetensorsEntry entry = { .name = g_intern_string (name), .tensor = host, .dtype = VARD_DTYPE_F32 };

  for (gint64 i = 0; i < vard_tensor_get_count (host); i++)
    vard_tensor_peek_f32 (host)[i] *= scale;
  g_ptr_array_add (adapter->tensors, host);
  g_array_append_val (adapter->entries, entry);
}

/* Readers of this file take alpha to be the rank: what it is more or less goes into B */
static void
add_lora (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  add_matrix (data, path, ".lora_A.weight", vard_lora_peek_down (lora)->tensor, 1);
  add_matrix (data, path, ".lora_B.weight", vard_lora_peek_up (lora)->tensor, vard_lora_get_scale (lora));
}

static gboolean
save_adapter (VardTrainer *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, ADAPTER_FILE, NULL);
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (VardSafetensorsEntry));
  g_autoptr (GPtrArray) tensors = g_ptr_array_new_with_free_func (g_object_unref);
  Adapter adapter = { self->engine, entries, tensors, NULL };

  vard_lora_foreach (vard_model_peek_denoiser (self->model), add_lora, &adapter);
  if (adapter.error != NULL)
    {
      g_propagate_error (error, adapter.error);
      return FALSE;
    }

  return vard_safetensors_write (path, (VardSafetensorsEntry *) entries->data, entries->len, NULL, error);
}

static gboolean
export_files (VardTrainer *self, const char *directory, GError **error)
{
  g_autofree char *model = g_build_filename (directory, MODEL_FOLDER, NULL);
  g_autofree char *value = g_build_filename (directory, VALUE_FILE, NULL);
  gboolean is_lora = self->settings->weights == VARD_TRAINED_WEIGHTS_LORA;

  return (is_lora ? save_adapter (self, directory, error)
                  : vard_model_save (self->model, model, VARD_DTYPE_F16, error))
         && vard_value_net_save (VARD_VALUE_NET (self->value_net), value, error);
}

/**
 * vard_trainer_export:
 * @self: a trainer
 * @directory: (type filename): an existing directory
 * @error: where to put an error
 *
 * Writes what others can use: pytorch_lora_weights.safetensors as diffusers spells it, or the folder model
 * with every weight; and value-net.safetensors.
 *
 * Returns: %TRUE when everything is written
 */
gboolean
vard_trainer_export (VardTrainer *self, const char *directory, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (directory != NULL, FALSE);

  if (!vard_optimizer_swap_average (self->optimizer, error))
    return FALSE;

  gboolean is_written = export_files (self, directory, error);

  return vard_optimizer_swap_average (self->optimizer, is_written ? error : NULL) && is_written;
}
