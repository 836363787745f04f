/* vard-algorithm.c - the interface of algorithms, which turn rollouts and scores into updates
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard-algorithm.h"

#include "base/vard-error.h"
#include "base/vard-settings.h"

typedef struct
{
  GObject *settings;
  VardTraining *training; /* the trainer's */
} VardAlgorithmPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (VardAlgorithm, vard_algorithm, G_TYPE_OBJECT)

static VardAlgorithmPrivate *
vard_algorithm_peek (VardAlgorithm *self)
{
  return vard_algorithm_get_instance_private (self);
}

VardAlgorithm *
vard_algorithm_new (GType type, GObject *settings)
{
  VardAlgorithm *self = g_object_new (type, NULL);
  GType settings_type = VARD_ALGORITHM_GET_CLASS (self)->settings_type;

  g_assert (settings == NULL || G_OBJECT_TYPE (settings) == settings_type);

  if (settings != NULL)
    vard_algorithm_peek (self)->settings = vard_settings_copy (settings);
  else if (settings_type != G_TYPE_NONE)
    vard_algorithm_peek (self)->settings = g_object_new (settings_type, NULL);

  return self;
}

gpointer
vard_algorithm_peek_settings (VardAlgorithm *self)
{
  return vard_algorithm_peek (self)->settings;
}

VardTraining *
vard_algorithm_peek_training (VardAlgorithm *self)
{
  return vard_algorithm_peek (self)->training;
}

guint
vard_algorithm_count_phases (VardAlgorithm *self)
{
  const char *const *phases = VARD_ALGORITHM_GET_CLASS (self)->phases;

  return phases != NULL ? g_strv_length ((char **) phases) : 0;
}

/* A value network halves its input twice */
static gboolean
vard_algorithm_check_latents (VardModel *model, GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (model);

  if (info->height % 4 == 0 && info->width % 4 == 0)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
               "the latents are %d x %d, but the value network needs multiples of 4",
               (int) info->height, (int) info->width);

  return FALSE;
}

static gboolean
vard_algorithm_check_groups (VardAlgorithm *self,
                             const VardTrainingSettings *settings,
                             GError **error)
{
  guint size = vard_algorithm_get_group_size (self);

  if (settings->batch_size % size == 0)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
               "batch-size is %u, but must be a multiple of %u, the pictures of a group",
               settings->batch_size, size);

  return FALSE;
}

gboolean
vard_algorithm_check (VardAlgorithm *self,
                      const VardTrainingSettings *settings,
                      VardModel *model,
                      GError **error)
{
  VardAlgorithmClass *klass = VARD_ALGORITHM_GET_CLASS (self);

  if (klass->check != NULL && !klass->check (self, settings, model, error))
    return FALSE;
  if ((klass->needs & VARD_ALGORITHM_NEEDS_VALUE) && !vard_algorithm_check_latents (model, error))
    return FALSE;

  return vard_algorithm_check_groups (self, settings, error);
}

guint
vard_algorithm_get_group_size (VardAlgorithm *self)
{
  VardAlgorithmClass *klass = VARD_ALGORITHM_GET_CLASS (self);

  return klass->needs & VARD_ALGORITHM_NEEDS_GROUPS ? MAX (klass->get_group_size (self), 1) : 1;
}

gboolean
vard_algorithm_prepare (VardAlgorithm *self, VardTraining *training, GError **error)
{
  vard_algorithm_peek (self)->training = training;

  return VARD_ALGORITHM_GET_CLASS (self)->prepare (self, error);
}

gboolean
vard_algorithm_advance (VardAlgorithm *self,
                        guint phase,
                        gboolean *is_done,
                        GCancellable *cancellable,
                        GError **error)
{
  g_assert (phase < vard_algorithm_count_phases (self));

  *is_done = FALSE;

  return VARD_ALGORITHM_GET_CLASS (self)->advance (self, phase, is_done, cancellable, error);
}

void
vard_algorithm_describe (VardAlgorithm *self, VardMetrics *metrics)
{
  VardAlgorithmClass *klass = VARD_ALGORITHM_GET_CLASS (self);

  if (klass->describe != NULL)
    klass->describe (self, metrics);
}

VardMetrics *
vard_algorithm_step (VardAlgorithm *self, GCancellable *cancellable, GError **error)
{
  return VARD_ALGORITHM_GET_CLASS (self)->step (self, cancellable, error);
}

gboolean
vard_algorithm_can_measure_kl (VardAlgorithm *self)
{
  return VARD_ALGORITHM_GET_CLASS (self)->measure_kl != NULL;
}

gboolean
vard_algorithm_measure_kl (VardAlgorithm *self,
                           const VardTrajectory *rollout,
                           guint i,
                           double *kl,
                           double *kl_capped,
                           GCancellable *cancellable,
                           GError **error)
{
  return VARD_ALGORITHM_GET_CLASS (self)->measure_kl (self, rollout, i, kl, kl_capped, cancellable,
                                                      error);
}

gboolean
vard_algorithm_save (VardAlgorithm *self,
                     VardStateWriter *writer,
                     const char *directory,
                     GError **error)
{
  return VARD_ALGORITHM_GET_CLASS (self)->save (self, writer, directory, error);
}

gboolean
vard_algorithm_load (VardAlgorithm *self,
                     VardStateReader *reader,
                     const char *directory,
                     guint n_done,
                     GError **error)
{
  return VARD_ALGORITHM_GET_CLASS (self)->load (self, reader, directory, n_done, error);
}

gboolean
vard_algorithm_export_files (VardAlgorithm *self, const char *directory, GError **error)
{
  VardAlgorithmClass *klass = VARD_ALGORITHM_GET_CLASS (self);

  return klass->export_files == NULL || klass->export_files (self, directory, error);
}

void
vard_algorithm_forecast (VardAlgorithm *self, VardAlgorithmCosts *costs)
{
  VardAlgorithmClass *klass = VARD_ALGORITHM_GET_CLASS (self);

  *costs = (VardAlgorithmCosts) { 0 };
  if (klass->forecast != NULL)
    klass->forecast (self, costs);
}

const char *const *
vard_algorithm_peek_remedies (VardAlgorithm *self, const char *row)
{
  static const char *const none[] = { NULL };
  VardAlgorithmClass *klass = VARD_ALGORITHM_GET_CLASS (self);

  for (guint i = 0; i < klass->n_remedies; i++)
    if (g_str_equal (klass->remedies[i].row, row))
      return klass->remedies[i].settings;

  return none;
}

static void
vard_algorithm_finalize (GObject *object)
{
  g_clear_object (&vard_algorithm_peek (VARD_ALGORITHM (object))->settings);

  G_OBJECT_CLASS (vard_algorithm_parent_class)->finalize (object);
}

static void
vard_algorithm_class_init (VardAlgorithmClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_algorithm_finalize;
  klass->settings_type = G_TYPE_NONE;
}

static void
vard_algorithm_init (VardAlgorithm *self)
{
}
