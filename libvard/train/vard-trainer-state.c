/* vard-trainer-state.c - everything that is needed to go on exactly
 *
 * The pool has a file of its own: it is large and does not change once it is full.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "base/vard-error.h"
#include "learn/vard-state-file.h"

#define TRAINER_FILE "trainer.safetensors"
#define POOL_FILE "pool.safetensors"

/* ---- what a fit consists of: weights, moments, counter ---- */

typedef struct
{
  const char *prefix;
  VardParameterSet *set;
  VardOptimizer *optimizer;
} Fit;

static void
get_fits (VardTrainer *self, Fit fits[2])
{
  fits[0] = (Fit) { "policy", self->set, self->optimizer };
  fits[1] = (Fit) { "value", vard_value_fit_peek_parameters (self->value),
                    vard_value_fit_peek_optimizer (self->value) };
}

static VardTensor *
peek_tensor (const Fit *fit, guint which, const char **name)
{
  static const char *const names[] = { "weights", "mean", "square", "average" };
  VardTensor *const tensors[] = {
    fit->set->weights,
    vard_optimizer_peek_mean (fit->optimizer),
    vard_optimizer_peek_square (fit->optimizer),
    vard_optimizer_peek_average (fit->optimizer),
  };

  *name = names[which];

  return tensors[which];
}

static void
add_fit (VardTrainer *self, const Fit *fit, VardStateWriter *writer)
{
  g_autofree char *counter = g_strconcat (fit->prefix, "-updates", NULL);

  for (guint i = 0; i < 4; i++)
    {
      const char *name;
      VardTensor *tensor = peek_tensor (fit, i, &name);
      g_autofree char *path = g_strconcat (fit->prefix, "/", name, NULL);

      if (tensor == NULL)
        continue;
      vard_state_writer_add_tensor (writer, path, self->engine, tensor);
    }
  json_object_set_int_member (writer->numbers, counter,
                              vard_optimizer_get_n_updates (fit->optimizer));
}

static gboolean
read_fit (VardTrainer *self, const Fit *fit, VardStateReader *reader, GError **error)
{
  g_autofree char *counter = g_strconcat (fit->prefix, "-updates", NULL);
  gint64 n_updates;

  for (guint i = 0; i < 4; i++)
    {
      const char *name;
      VardTensor *tensor = peek_tensor (fit, i, &name);
      g_autofree char *path = g_strconcat (fit->prefix, "/", name, NULL);

      if (tensor == NULL)
        continue;
      g_autoptr (VardTensor) values =
        vard_state_reader_lookup (reader, path, VARD_DTYPE_F32, fit->set->count, error);
      if (values == NULL
          || !vard_engine_write (self->engine, vard_tensor_peek_buffer (tensor),
                                 vard_tensor_get_offset (tensor), vard_tensor_peek_data (values),
                                 vard_tensor_get_n_bytes (values), error))
        return FALSE;
    }
  if (!vard_state_reader_get_int (reader, counter, &n_updates, error))
    return FALSE;
  vard_optimizer_set_n_updates (fit->optimizer, n_updates);

  return TRUE;
}

/* ---- trajectories ---- */

static void
add_store (VardTrajectoryStore *store, const char *prefix, VardStateWriter *writer)
{
  guint n = vard_trajectory_store_get_count (store);
  gsize size = (gsize) store->n_states * store->state_size;
  const struct
  {
    const char *name;
    VardDType dtype;
    gpointer data;
    gsize count;
  } arrays[] = {
    { "states", VARD_DTYPE_F32, store->states, n * size },
    { "prompts", VARD_DTYPE_I32, store->prompts, n },
    { "seeds", VARD_DTYPE_I64, store->seeds, n },
    { "rewards", VARD_DTYPE_F32, store->rewards, n },
  };
  g_autofree char *pushed = g_strconcat (prefix, "-pushed", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (arrays) && n > 0; i++)
    {
      g_autofree char *path = g_strconcat (prefix, "/", arrays[i].name, NULL);

      vard_state_writer_add (writer, path, arrays[i].dtype, arrays[i].data, arrays[i].count);
    }
  json_object_set_int_member (writer->numbers, pushed, store->n_pushed);
}

static gboolean
check_prompts (VardTrainer *self, const VardTrajectoryStore *store, guint n, GError **error)
{
  guint n_prompts = vard_prompt_source_get_count (self->prompts);

  for (guint i = 0; i < n; i++)
    if (store->prompts[i] >= n_prompts)
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                     "The checkpoint knows prompt %u, but the run has %u prompts",
                     store->prompts[i], n_prompts);
        return FALSE;
      }

  return TRUE;
}

static gboolean
read_store (VardTrainer *self,
            VardTrajectoryStore *store,
            const char *prefix,
            VardStateReader *reader,
            GError **error)
{
  g_autofree char *pushed = g_strconcat (prefix, "-pushed", NULL);
  g_autofree char *states = g_strconcat (prefix, "/states", NULL);
  g_autofree char *prompts = g_strconcat (prefix, "/prompts", NULL);
  g_autofree char *seeds = g_strconcat (prefix, "/seeds", NULL);
  g_autofree char *rewards = g_strconcat (prefix, "/rewards", NULL);
  gsize size = (gsize) store->n_states * store->state_size;
  gint64 n_pushed;

  if (!vard_state_reader_get_int (reader, pushed, &n_pushed, error))
    return FALSE;
  store->n_pushed = MAX (n_pushed, 0);

  guint n = vard_trajectory_store_get_count (store);

  return n == 0
         || (vard_state_reader_read (reader, states, VARD_DTYPE_F32, store->states, n * size, error)
             && vard_state_reader_read (reader, prompts, VARD_DTYPE_I32, store->prompts, n, error)
             && vard_state_reader_read (reader, seeds, VARD_DTYPE_I64, store->seeds, n, error)
             && vard_state_reader_read (reader, rewards, VARD_DTYPE_F32, store->rewards, n, error)
             && check_prompts (self, store, n, error));
}

/* ---- numbers ---- */

static void
add_numbers (VardTrainer *self, JsonObject *numbers)
{
  json_object_set_int_member (numbers, "phase", self->phase);
  json_object_set_int_member (numbers, "step", self->step);
  json_object_set_int_member (numbers, "pool-next", self->pool_next);
  json_object_set_int_member (numbers, "fit-updates", self->fit_updates);
  json_object_set_int_member (numbers, "reward-calls", self->reward_calls);
  json_object_set_int_member (numbers, "evaluated-step", (gint64) self->evaluated_step);
  json_object_set_double_member (numbers, "seconds", vard_trainer_get_seconds (self));
  json_object_set_double_member (numbers, "fit-loss", self->fit_loss);
  json_object_set_double_member (numbers, "base-diversity", self->base_diversity);
  json_object_set_double_member (numbers, "kl-start", self->kl.start);
  json_object_set_double_member (numbers, "kl-weight", self->kl.weight);
  json_object_set_int_member (numbers, "kl-awake", self->kl.is_awake);
  if (vard_reward_mix_has_statistics (self->rewards))
    json_object_set_object_member (numbers, "rewards",
                                   vard_reward_mix_get_statistics (self->rewards));
}

static gboolean
read_numbers (VardTrainer *self, VardStateReader *reader, GError **error)
{
  gint64 phase, step, pool_next, fit_updates, reward_calls, evaluated, is_awake;
  double kl_start, kl_weight;

  if (!vard_state_reader_get_int (reader, "phase", &phase, error)
      || !vard_state_reader_get_int (reader, "step", &step, error)
      || !vard_state_reader_get_int (reader, "pool-next", &pool_next, error)
      || !vard_state_reader_get_int (reader, "fit-updates", &fit_updates, error)
      || !vard_state_reader_get_int (reader, "reward-calls", &reward_calls, error)
      || !vard_state_reader_get_int (reader, "evaluated-step", &evaluated, error)
      || !vard_state_reader_get_int (reader, "kl-awake", &is_awake, error)
      || !vard_state_reader_get_double (reader, "seconds", &self->seconds, error)
      || !vard_state_reader_get_double (reader, "fit-loss", &self->fit_loss, error)
      || !vard_state_reader_get_double (reader, "base-diversity", &self->base_diversity, error)
      || !vard_state_reader_get_double (reader, "kl-start", &kl_start, error)
      || !vard_state_reader_get_double (reader, "kl-weight", &kl_weight, error))
    return FALSE;

  self->phase = CLAMP (phase, VARD_TRAINER_PHASE_POOL, VARD_TRAINER_PHASE_STEPS);
  self->step = step;
  self->pool_next = pool_next;
  self->fit_updates = fit_updates;
  self->reward_calls = reward_calls;
  self->evaluated_step = (guint64) evaluated;
  /* a price that was set anew for the resume counts, and what the controller had made of the old
   * one does not */
  if (kl_start == self->settings->kl_weight)
    {
      self->kl.weight = kl_weight;
      self->kl.is_awake = is_awake != 0;
    }

  return TRUE;
}

static gboolean
read_statistics (VardTrainer *self, VardStateReader *reader, GError **error)
{
  JsonNode *node = json_object_get_member (reader->numbers, "rewards");

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return TRUE;

  return vard_reward_mix_set_statistics (self->rewards, json_node_get_object (node), error);
}

/* ---- the two files ---- */

static gsize
count_ring_scores (VardTrainer *self)
{
  return (gsize) vard_trajectory_store_get_count (self->ring)
         * vard_reward_mix_get_n_components (self->rewards);
}

static gboolean
read_ring (VardTrainer *self, VardStateReader *reader, GError **error)
{
  if (self->ring == NULL)
    return TRUE;

  return read_store (self, self->ring, "ring", reader, error)
         && (self->ring_scores == NULL || count_ring_scores (self) == 0
             || vard_state_reader_read (reader, "ring-scores", VARD_DTYPE_I64, self->ring_scores,
                                        count_ring_scores (self), error));
}

static gboolean
write_trainer (VardTrainer *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, TRAINER_FILE, NULL);
  g_autoptr (VardStateWriter) writer = vard_state_writer_new ();
  guint n_steps = self->sampler->n_steps;
  Fit fits[2];

  get_fits (self, fits);
  add_fit (self, &fits[0], writer);
  add_fit (self, &fits[1], writer);
  if (self->ring != NULL)
    add_store (self->ring, "ring", writer);
  if (self->ring_scores != NULL && vard_trajectory_store_get_count (self->ring) > 0)
    vard_state_writer_add (writer, "ring-scores", VARD_DTYPE_I64, self->ring_scores,
                           count_ring_scores (self));
  vard_state_writer_add (writer, "r2", VARD_DTYPE_I64, self->r2, n_steps + 1);
  vard_state_writer_add (writer, "norms", VARD_DTYPE_I32, self->histories,
                         n_steps * sizeof (VardNormHistory) / sizeof (gint32));
  if (self->base_rewards->len > 0)
    vard_state_writer_add (writer, "base-rewards", VARD_DTYPE_F32, self->base_rewards->data,
                           self->base_rewards->len);
  add_numbers (self, writer->numbers);

  return vard_state_writer_write (writer, path, error);
}

static gboolean
read_trainer (VardTrainer *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, TRAINER_FILE, NULL);
  g_autoptr (VardStateReader) reader = vard_state_reader_new (path, error);
  guint n_steps = self->sampler->n_steps;
  Fit fits[2];

  if (reader == NULL)
    return FALSE;
  get_fits (self, fits);
  g_array_set_size (self->base_rewards, vard_state_reader_get_count (reader, "base-rewards"));

  return read_fit (self, &fits[0], reader, error) && read_fit (self, &fits[1], reader, error)
         && read_ring (self, reader, error)
         && vard_state_reader_read (reader, "r2", VARD_DTYPE_I64, self->r2, n_steps + 1, error)
         && vard_state_reader_read (reader, "norms", VARD_DTYPE_I32, self->histories,
                                    n_steps * sizeof (VardNormHistory) / sizeof (gint32), error)
         && (self->base_rewards->len == 0
             || vard_state_reader_read (reader, "base-rewards", VARD_DTYPE_F32,
                                        self->base_rewards->data, self->base_rewards->len, error))
         && read_statistics (self, reader, error) && read_numbers (self, reader, error);
}

static gboolean
write_pool (VardTrainer *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, POOL_FILE, NULL);
  g_autoptr (VardStateWriter) writer = vard_state_writer_new ();

  add_store (self->pool, "pool", writer);
  if (self->pool_scores->len > 0)
    vard_state_writer_add (writer, "scores", VARD_DTYPE_I64, self->pool_scores->data,
                           self->pool_scores->len);

  return vard_state_writer_write (writer, path, error);
}

static gboolean
read_pool (VardTrainer *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, POOL_FILE, NULL);
  g_autoptr (VardStateReader) reader = vard_state_reader_new (path, error);

  if (reader == NULL || !read_store (self, self->pool, "pool", reader, error))
    return FALSE;

  guint n = vard_trajectory_store_get_count (self->pool);
  g_array_set_size (self->pool_scores, n * vard_reward_mix_get_n_components (self->rewards));

  return self->pool_scores->len == 0
         || vard_state_reader_read (reader, "scores", VARD_DTYPE_I64, self->pool_scores->data,
                                    self->pool_scores->len, error);
}

/**
 * vard_trainer_save_state:
 * @self: a trainer
 * @directory: (type filename): an existing directory
 * @error: where to put an error
 *
 * Writes weights, moments, the value network, trajectories, statistics and counters. Call it
 * between two units of work: after vard_trainer_advance(), or from the checkpoint signal.
 *
 * Returns: %TRUE when everything is written
 */
gboolean
vard_trainer_save_state (VardTrainer *self, const char *directory, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (directory != NULL, FALSE);

  if (self->is_broken)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_FAILED,
                           "The training was interrupted in the middle of a step: there is no "
                           "state to save");
      return FALSE;
    }

  return write_trainer (self, directory, error) && write_pool (self, directory, error);
}

/**
 * vard_trainer_load_state:
 * @self: a trainer that has done nothing yet
 * @directory: (type filename): where a state was saved
 * @error: where to put an error
 *
 * Goes on where the state was saved, exactly, when model, prompts, rewards and settings are the
 * same. With other numbers in the settings it goes on as well as it can; another model, sampler or
 * pool size is an error.
 *
 * Returns: %TRUE when the state is loaded; else the trainer is of no more use
 */
gboolean
vard_trainer_load_state (VardTrainer *self, const char *directory, GError **error)
{
  g_return_val_if_fail (VARD_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (directory != NULL, FALSE);

  self->is_broken = TRUE;
  if (!read_trainer (self, directory, error) || !read_pool (self, directory, error))
    return FALSE;
  if (self->phase > VARD_TRAINER_PHASE_POOL && !vard_trainer_settle_pool (self, error))
    return FALSE;
  if (self->phase == VARD_TRAINER_PHASE_STEPS && self->step > 0 && self->ring_scores != NULL
      && !vard_trainer_rewhiten (self, error))
    return FALSE;
  self->is_broken = FALSE;

  return TRUE;
}
