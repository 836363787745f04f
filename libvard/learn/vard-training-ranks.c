/* vard-training-ranks.c - divides the work of a batch among the ranks of a run
 *
 * The ranks' shares follow one another in rank order, and only the last ones may be short. Gathered
 * in rank order, they are therefore the whole batch in its order. Prompts, seeds and noise are
 * functions of an item's number in the whole batch, so a picture is the same whichever rank makes
 * it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-training-private.h"

gboolean
vard_training_is_alone (const VardTraining *self)
{
  return vard_communicator_get_size (self->communicator) == 1;
}

/* Items of a whole share: whole units */
static guint
vard_training_get_whole_share (const VardTraining *self, guint n, guint unit)
{
  guint size = vard_communicator_get_size (self->communicator);
  guint n_units = (n + unit - 1) / unit;

  return (n_units + size - 1) / size * unit;
}

guint
vard_training_get_share (const VardTraining *self, guint n, guint unit, guint *first)
{
  guint share = vard_training_get_whole_share (self, n, unit);

  *first = MIN (n, vard_communicator_get_rank (self->communicator) * share);

  return MIN (share, n - *first);
}

gboolean
vard_training_gather (VardTraining *self,
                      gpointer items,
                      guint n,
                      guint unit,
                      gsize item_size,
                      GError **error)
{
  gsize whole = vard_training_get_whole_share (self, n, unit) * item_size;
  guint first, n_own = vard_training_get_share (self, n, unit, &first);

  if (vard_training_is_alone (self))
    return TRUE;

  g_autoptr (VardBuffer) own = vard_buffer_new (whole);
  g_autoptr (VardBuffer) all =
    vard_buffer_new (whole * vard_communicator_get_size (self->communicator));

  memset (own->data, 0, whole);
  memcpy (own->data, (const guint8 *) items + first * item_size, n_own * item_size);
  if (!vard_communicator_all_gather (self->communicator, own, 0, whole, all, error))
    return FALSE;
  memcpy (items, all->data, n * item_size);

  return TRUE;
}

gboolean
vard_training_agree (VardTraining *self, gboolean *flag, GError **error)
{
  guint size = vard_communicator_get_size (self->communicator);
  g_autofree guint8 *flags = g_new0 (guint8, size);

  flags[vard_communicator_get_rank (self->communicator)] = *flag != FALSE;
  if (!vard_training_gather (self, flags, size, 1, 1, error))
    return FALSE;
  for (guint i = 0; i < size; i++)
    *flag |= flags[i];

  return TRUE;
}

/* ---- rollouts ---- */

/* Puts this rank's trajectories in their places in the batch, then gathers the others' */
static gboolean
vard_training_gather_states (VardTraining *self,
                             VardTrajectory *all,
                             const VardTrajectory *own,
                             guint first,
                             GError **error)
{
  gsize size = all->state_size * sizeof (float);

  for (guint state = 0; state < all->n_states; state++)
    {
      if (own != NULL)
        memcpy (vard_trajectory_peek_state (all, state, first),
                vard_trajectory_peek_state (own, state, 0), own->n * size);
      if (!vard_training_gather (self, vard_trajectory_peek_state (all, state, 0), all->n, 1, size,
                                 error))
        return FALSE;
    }

  return TRUE;
}

static VardTrajectory *
vard_training_gather_rollout (VardTraining *self,
                              const VardTrajectory *own,
                              const VardSampleRequest *request,
                              const guint *prompts,
                              const guint64 *seeds,
                              guint n,
                              guint first,
                              GError **error)
{
  g_autoptr (VardTrajectory) all =
    vard_trajectory_new (n, request->sampler->n_steps + 1,
                         vard_pipeline_get_state_size (self->pipeline));

  memcpy (all->prompts, prompts, n * sizeof (guint));
  memcpy (all->seeds, seeds, n * sizeof (guint64));

  return vard_training_gather_states (self, all, own, first, error) ? g_steal_pointer (&all) : NULL;
}

VardTrajectory *
vard_training_rollout_seeds (VardTraining *self,
                             const guint *prompts,
                             const guint64 *seeds,
                             guint n,
                             VardSampleProgress progress,
                             gpointer data,
                             GCancellable *cancellable,
                             GError **error)
{
  guint first, n_own = vard_training_get_share (self, n, 1, &first);
  VardSampleRequest request = {
    .n = n_own,
    .prompts = (const char *const *) self->texts,
    .prompt_of = prompts + first,
    .seeds = seeds + first,
    .sampler = self->sampler,
    .guidance_scale = self->settings->guidance_scale,
    .keep_states = TRUE,
  };
  g_autoptr (VardTrajectory) own = NULL;

  /* with more ranks than pictures, some ranks only wait */
  if (n_own > 0)
    {
      own = vard_pipeline_rollout (self->pipeline, &request, progress, data, cancellable, error);
      if (own == NULL)
        return NULL;
    }
  if (vard_training_is_alone (self))
    return g_steal_pointer (&own);

  return vard_training_gather_rollout (self, own, &request, prompts, seeds, n, first, error);
}

/* ---- pictures ---- */

GPtrArray *
vard_training_decode_share (VardTraining *self,
                            const VardTrajectory *rollout,
                            guint first,
                            guint n,
                            GCancellable *cancellable,
                            GError **error)
{
  if (n == 0)
    return g_ptr_array_new ();

  const float *latents = vard_trajectory_peek_state (rollout, rollout->n_states - 1, first);

  return vard_pipeline_decode (self->pipeline, latents, n, n, cancellable, error);
}

/* The pixels of all pictures, of which this rank has @own from @first on */
static guint8 *
vard_training_gather_pixels (VardTraining *self,
                             GPtrArray *own,
                             guint first,
                             guint n,
                             gsize size,
                             GError **error)
{
  g_autofree guint8 *pixels = g_malloc0 (n * size);

  for (guint i = 0; i < own->len; i++)
    memcpy (pixels + (first + i) * size,
            g_bytes_get_data (vard_image_get_rgb (own->pdata[i]), NULL), size);

  return vard_training_gather (self, pixels, n, 1, size, error) ? g_steal_pointer (&pixels) : NULL;
}

static GPtrArray *
vard_training_gather_images (VardTraining *self,
                             GPtrArray *own,
                             guint first,
                             guint n,
                             GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (self->model);
  gint64 width = info->width * info->scale, height = info->height * info->scale;
  gsize size = width * height * 3;
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree guint8 *pixels = vard_training_gather_pixels (self, own, first, n, size, error);

  if (pixels == NULL)
    return NULL;
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GBytes) rgb = g_bytes_new (pixels + i * size, size);
      VardImage *image = i >= first && i < first + own->len
                           ? g_object_ref (own->pdata[i - first])
                           : vard_image_new (width, height, rgb, error);

      if (image == NULL)
        return NULL;
      g_ptr_array_add (images, image);
    }

  return g_steal_pointer (&images);
}

GPtrArray *
vard_training_decode (VardTraining *self,
                      const VardTrajectory *rollout,
                      GCancellable *cancellable,
                      GError **error)
{
  guint first, n = vard_training_get_share (self, rollout->n, 1, &first);
  g_autoptr (GPtrArray) own =
    vard_training_decode_share (self, rollout, first, n, cancellable, error);

  if (own == NULL || vard_training_is_alone (self))
    return g_steal_pointer (&own);

  return vard_training_gather_images (self, own, first, rollout->n, error);
}
