/* vard-state-parts.c - what a checkpoint is made of: trained weights with their optimizer, and
 * stores of trajectories
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-state-parts.h"

#include "base/vard-error.h"

/* ---- weights, moments, counter ---- */

#define N_TENSORS 4

static VardTensor *
vard_state_peek_tensor (VardParameterSet *set,
                        VardOptimizer *optimizer,
                        guint which,
                        const char **name)
{
  static const char *const names[N_TENSORS] = { "weights", "mean", "square", "average" };
  VardTensor *const tensors[N_TENSORS] = {
    set->weights,
    vard_optimizer_peek_mean (optimizer),
    vard_optimizer_peek_square (optimizer),
    vard_optimizer_peek_average (optimizer),
  };

  *name = names[which];

  return tensors[which];
}

void
vard_state_writer_add_fit (VardStateWriter *self,
                           const char *prefix,
                           VardParameterSet *set,
                           VardOptimizer *optimizer)
{
  g_autofree char *counter = g_strconcat (prefix, "-updates", NULL);

  for (guint i = 0; i < N_TENSORS; i++)
    {
      const char *name;
      VardTensor *tensor = vard_state_peek_tensor (set, optimizer, i, &name);
      g_autofree char *path = g_strconcat (prefix, "/", name, NULL);

      if (tensor != NULL)
        vard_state_writer_add_tensor (self, path, set->engine, tensor);
    }
  json_object_set_int_member (self->numbers, counter, vard_optimizer_get_n_updates (optimizer));
}

static gboolean
vard_state_reader_fill (VardStateReader *self,
                        const char *path,
                        VardParameterSet *set,
                        VardTensor *tensor,
                        GError **error)
{
  g_autoptr (VardTensor) values =
    vard_state_reader_lookup (self, path, VARD_DTYPE_F32, set->count, error);

  return values != NULL
         && vard_engine_write (set->engine, vard_tensor_peek_buffer (tensor),
                               vard_tensor_get_offset (tensor), vard_tensor_peek_data (values),
                               vard_tensor_get_n_bytes (values), error);
}

gboolean
vard_state_reader_read_fit (VardStateReader *self,
                            const char *prefix,
                            VardParameterSet *set,
                            VardOptimizer *optimizer,
                            GError **error)
{
  g_autofree char *counter = g_strconcat (prefix, "-updates", NULL);
  gint64 n_updates;

  for (guint i = 0; i < N_TENSORS; i++)
    {
      const char *name;
      VardTensor *tensor = vard_state_peek_tensor (set, optimizer, i, &name);
      g_autofree char *path = g_strconcat (prefix, "/", name, NULL);

      if (tensor != NULL && !vard_state_reader_fill (self, path, set, tensor, error))
        return FALSE;
    }
  if (!vard_state_reader_get_int (self, counter, &n_updates, error))
    return FALSE;
  vard_optimizer_set_n_updates (optimizer, n_updates);

  return TRUE;
}

/* ---- trajectories ---- */

#define N_ARRAYS 4

typedef struct
{
  const char *name;
  VardDType dtype;
  gpointer data;
  gsize count;
} VardStateArray;

static void
vard_state_list_arrays (VardTrajectoryStore *store, VardStateArray arrays[N_ARRAYS])
{
  gsize n = vard_trajectory_store_get_count (store);

  arrays[0] = (VardStateArray) { "states", VARD_DTYPE_F32, store->states,
                                 n * store->n_states * store->state_size };
  arrays[1] = (VardStateArray) { "prompts", VARD_DTYPE_I32, store->prompts, n };
  arrays[2] = (VardStateArray) { "seeds", VARD_DTYPE_I64, store->seeds, n };
  arrays[3] = (VardStateArray) { "rewards", VARD_DTYPE_F32, store->rewards, n };
}

void
vard_state_writer_add_store (VardStateWriter *self, const char *prefix, VardTrajectoryStore *store)
{
  g_autofree char *pushed = g_strconcat (prefix, "-pushed", NULL);
  VardStateArray arrays[N_ARRAYS];

  vard_state_list_arrays (store, arrays);
  for (guint i = 0; i < N_ARRAYS && store->n_pushed > 0; i++)
    {
      g_autofree char *path = g_strconcat (prefix, "/", arrays[i].name, NULL);

      vard_state_writer_add (self, path, arrays[i].dtype, arrays[i].data, arrays[i].count);
    }
  json_object_set_int_member (self->numbers, pushed, store->n_pushed);
}

static gboolean
vard_state_check_prompts (const VardTrajectoryStore *store, guint n_prompts, GError **error)
{
  for (guint i = 0; i < vard_trajectory_store_get_count (store); i++)
    if (store->prompts[i] >= n_prompts)
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                     "the checkpoint uses prompt %u, but the run has %u prompts", store->prompts[i],
                     n_prompts);
        return FALSE;
      }

  return TRUE;
}

gboolean
vard_state_reader_read_store (VardStateReader *self,
                              const char *prefix,
                              VardTrajectoryStore *store,
                              guint n_prompts,
                              GError **error)
{
  g_autofree char *pushed = g_strconcat (prefix, "-pushed", NULL);
  VardStateArray arrays[N_ARRAYS];
  gint64 n_pushed;

  if (!vard_state_reader_get_int (self, pushed, &n_pushed, error))
    return FALSE;
  store->n_pushed = MAX (n_pushed, 0);
  vard_state_list_arrays (store, arrays);
  for (guint i = 0; i < N_ARRAYS && store->n_pushed > 0; i++)
    {
      g_autofree char *path = g_strconcat (prefix, "/", arrays[i].name, NULL);

      if (!vard_state_reader_read (self, path, arrays[i].dtype, arrays[i].data, arrays[i].count,
                                   error))
        return FALSE;
    }

  return vard_state_check_prompts (store, n_prompts, error);
}
