/* vard-vard-state.c - VARD's state in a checkpoint, for an exact resume
 *
 * The pool has a file of its own, because it is large and does not change once it is full.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-vard-algorithm-private.h"

#include "learn/vard-state-parts.h"

#define POOL_FILE "pool.safetensors"

/* The histories are an array of guint and float, 4 bytes each */
static gsize
vard_vard_count_histories (VardVardAlgorithm *self)
{
  return self->training->sampler->n_steps * sizeof (VardNormHistory) / sizeof (gint32);
}

static gsize
vard_vard_count_ring_scores (VardVardAlgorithm *self)
{
  return (gsize) vard_trajectory_store_get_count (self->ring)
         * vard_reward_mix_get_n_components (self->training->rewards);
}

/* ---- writing ---- */

static gboolean
vard_vard_write_pool (VardVardAlgorithm *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, POOL_FILE, NULL);
  g_autoptr (VardStateWriter) writer = vard_state_writer_new ();

  vard_state_writer_add_store (writer, "pool", self->pool);
  if (self->pool_scores->len > 0)
    vard_state_writer_add_doubles (writer, "scores", (double *) self->pool_scores->data,
                                   self->pool_scores->len);

  return vard_state_writer_write (writer, path, error);
}

gboolean
vard_vard_algorithm_save (VardAlgorithm *algorithm,
                          VardStateWriter *writer,
                          const char *directory,
                          GError **error)
{
  VardVardAlgorithm *self = VARD_VARD_ALGORITHM (algorithm);

  vard_state_writer_add_fit (writer, "value", vard_value_fit_peek_parameters (self->value),
                             vard_value_fit_peek_optimizer (self->value));
  if (self->ring != NULL)
    vard_state_writer_add_store (writer, "ring", self->ring);
  if (self->ring_scores != NULL && vard_trajectory_store_get_count (self->ring) > 0)
    vard_state_writer_add_doubles (writer, "ring-scores", self->ring_scores,
                                   vard_vard_count_ring_scores (self));
  vard_state_writer_add_doubles (writer, "r2", self->r2, self->training->sampler->n_steps + 1);
  vard_state_writer_add (writer, "norms", VARD_DTYPE_I32, self->histories,
                         vard_vard_count_histories (self));
  json_object_set_int_member (writer->numbers, "pool-next", self->pool_next);
  json_object_set_int_member (writer->numbers, "fit-updates", self->fit_updates);
  json_object_set_double_member (writer->numbers, "fit-loss", self->fit_loss);
  json_object_set_double_member (writer->numbers, "kl-start", self->kl.start);
  json_object_set_double_member (writer->numbers, "kl-weight", self->kl.weight);
  json_object_set_int_member (writer->numbers, "kl-awake", self->kl.is_awake);

  return vard_vard_write_pool (self, directory, error);
}

/* ---- reading ---- */

static gboolean
vard_vard_read_ring (VardVardAlgorithm *self, VardStateReader *reader, GError **error)
{
  guint n_prompts = vard_prompt_source_get_count (self->training->prompts);

  if (self->ring == NULL)
    return TRUE;

  return vard_state_reader_read_store (reader, "ring", self->ring, n_prompts, error)
         && (self->ring_scores == NULL || vard_vard_count_ring_scores (self) == 0
             || vard_state_reader_read_doubles (reader, "ring-scores", self->ring_scores,
                                                vard_vard_count_ring_scores (self), error));
}

static gboolean
vard_vard_read_numbers (VardVardAlgorithm *self, VardStateReader *reader, GError **error)
{
  gint64 pool_next, fit_updates, is_awake;
  double kl_start, kl_weight;

  if (!vard_state_reader_get_int (reader, "pool-next", &pool_next, error)
      || !vard_state_reader_get_int (reader, "fit-updates", &fit_updates, error)
      || !vard_state_reader_get_int (reader, "kl-awake", &is_awake, error)
      || !vard_state_reader_get_double (reader, "fit-loss", &self->fit_loss, error)
      || !vard_state_reader_get_double (reader, "kl-start", &kl_start, error)
      || !vard_state_reader_get_double (reader, "kl-weight", &kl_weight, error))
    return FALSE;

  self->pool_next = pool_next;
  self->fit_updates = fit_updates;
  /* a KL weight that the resume sets counts, and the controller's adjustment of the old one does
   * not */
  if (kl_start == self->settings->kl_weight)
    {
      self->kl.weight = kl_weight;
      self->kl.is_awake = is_awake != 0;
    }

  return TRUE;
}

static gboolean
vard_vard_read_pool (VardVardAlgorithm *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, POOL_FILE, NULL);
  g_autoptr (VardStateReader) reader = vard_state_reader_new (path, error);
  guint n_prompts = vard_prompt_source_get_count (self->training->prompts);

  if (reader == NULL
      || !vard_state_reader_read_store (reader, "pool", self->pool, n_prompts, error))
    return FALSE;

  guint n = vard_trajectory_store_get_count (self->pool);

  g_array_set_size (self->pool_scores,
                    n * vard_reward_mix_get_n_components (self->training->rewards));

  return self->pool_scores->len == 0
         || vard_state_reader_read_doubles (reader, "scores", (double *) self->pool_scores->data,
                                            self->pool_scores->len, error);
}

gboolean
vard_vard_algorithm_load (VardAlgorithm *algorithm,
                          VardStateReader *reader,
                          const char *directory,
                          guint n_done,
                          GError **error)
{
  VardVardAlgorithm *self = VARD_VARD_ALGORITHM (algorithm);

  if (!vard_state_reader_read_fit (reader, "value", vard_value_fit_peek_parameters (self->value),
                                   vard_value_fit_peek_optimizer (self->value), error)
      || !vard_vard_read_ring (self, reader, error)
      || !vard_state_reader_read_doubles (reader, "r2", self->r2,
                                          self->training->sampler->n_steps + 1, error)
      || !vard_state_reader_read (reader, "norms", VARD_DTYPE_I32, self->histories,
                                  vard_vard_count_histories (self), error)
      || !vard_vard_read_numbers (self, reader, error)
      || !vard_vard_read_pool (self, directory, error))
    return FALSE;
  if (n_done > VARD_VARD_PHASE_POOL && !vard_vard_algorithm_settle_pool (self, error))
    return FALSE;
  if (self->training->step > 0 && self->ring_scores != NULL)
    vard_vard_algorithm_rewhiten (self);

  return TRUE;
}
