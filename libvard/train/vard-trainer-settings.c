/* vard-trainer-settings.c - the settings of a training
 *
 * None of the defaults are from the paper. They were measured on small models, and the ranges are
 * where the method is defined.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-settings.h"

#include "algorithms/vard-algorithm-table.h"
#include "base/vard-settings.h"

/**
 * VardTrainerSettings:
 *
 * Every number that decides how a model is fine-tuned: those of #VardTrainingSettings, and an
 * object for each algorithm. The settings of the library's algorithms are properties here too,
 * which pass on to that object.
 */
struct _VardTrainerSettings
{
  VardTrainingSettings parent_instance;

  GPtrArray *parts; /* of GObject, one for each algorithm that has settings */
  GPtrArray *names; /* of these algorithms; ends with NULL */
};

G_DEFINE_FINAL_TYPE (VardTrainerSettings, vard_trainer_settings, VARD_TYPE_TRAINING_SETTINGS)

/* Ids of properties that pass on: below those of fields */
#define FIRST_PASSED 1

/**
 * vard_trainer_settings_new:
 *
 * Returns: (transfer full): settings with every default
 */
VardTrainerSettings *
vard_trainer_settings_new (void)
{
  return g_object_new (VARD_TYPE_TRAINER_SETTINGS, NULL);
}

/**
 * vard_trainer_settings_copy:
 * @self: settings
 *
 * Returns: (transfer full): other settings of the same values
 */
VardTrainerSettings *
vard_trainer_settings_copy (VardTrainerSettings *self)
{
  g_return_val_if_fail (VARD_IS_TRAINER_SETTINGS (self), NULL);

  VardTrainerSettings *copy = vard_settings_copy (G_OBJECT (self));

  g_ptr_array_set_size (copy->parts, 0);
  for (guint i = 0; i < self->parts->len; i++)
    g_ptr_array_add (copy->parts, vard_settings_copy (self->parts->pdata[i]));

  return copy;
}

/**
 * vard_trainer_settings_find_learning_rate:
 * @self: settings
 *
 * Returns: the rate that the policy is trained with: learning-rate, or where that is 0 the rate
 * that
 *   suits the weights
 */
double
vard_trainer_settings_find_learning_rate (VardTrainerSettings *self)
{
  g_return_val_if_fail (VARD_IS_TRAINER_SETTINGS (self), 0);

  return vard_training_settings_find_learning_rate (VARD_TRAINING_SETTINGS (self));
}

/**
 * vard_trainer_settings_get_algorithm:
 * @self: settings
 *
 * Returns: the name of the algorithm that is to train, whether there is such an algorithm or not
 */
const char *
vard_trainer_settings_get_algorithm (VardTrainerSettings *self)
{
  g_return_val_if_fail (VARD_IS_TRAINER_SETTINGS (self), NULL);

  const char *name = VARD_TRAINING_SETTINGS (self)->algorithm;

  return name != NULL ? name : "";
}

/**
 * vard_trainer_settings_dup_algorithms:
 * @self: settings
 *
 * Returns: (transfer full) (array zero-terminated=1): the names of all algorithms that have
 * settings
 */
char **
vard_trainer_settings_dup_algorithms (VardTrainerSettings *self)
{
  g_return_val_if_fail (VARD_IS_TRAINER_SETTINGS (self), NULL);

  return g_strdupv ((char **) self->names->pdata);
}

/**
 * vard_trainer_settings_get_algorithm_settings:
 * @self: settings
 * @algorithm: (nullable): the name of an algorithm, or %NULL for the one that is to train
 *
 * Returns: (transfer none) (nullable): the settings of that algorithm alone, or %NULL where it has
 *   none or there is no such algorithm
 */
GObject *
vard_trainer_settings_get_algorithm_settings (VardTrainerSettings *self, const char *algorithm)
{
  g_return_val_if_fail (VARD_IS_TRAINER_SETTINGS (self), NULL);

  const char *name = algorithm != NULL ? algorithm : vard_trainer_settings_get_algorithm (self);

  for (guint i = 0; i < self->parts->len; i++)
    if (g_str_equal (self->names->pdata[i], name))
      return self->parts->pdata[i];

  return NULL;
}

/* ---- the object ---- */

/* The part that a property is passed on to: the one whose class has it */
static GObject *
vard_trainer_settings_find_part (VardTrainerSettings *self, GParamSpec *pspec)
{
  for (guint i = 0; i < self->parts->len; i++)
    if (g_type_is_a (G_OBJECT_TYPE (self->parts->pdata[i]), pspec->owner_type))
      return self->parts->pdata[i];

  return NULL;
}

static void
vard_trainer_settings_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GObject *part = vard_trainer_settings_find_part (VARD_TRAINER_SETTINGS (object), pspec);

  if (part != NULL)
    g_object_get_property (part, pspec->name, value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
vard_trainer_settings_set_property (GObject *object,
                                    guint id,
                                    const GValue *value,
                                    GParamSpec *pspec)
{
  GObject *part = vard_trainer_settings_find_part (VARD_TRAINER_SETTINGS (object), pspec);

  if (part != NULL)
    g_object_set_property (part, pspec->name, value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
vard_trainer_settings_finalize (GObject *object)
{
  VardTrainerSettings *self = VARD_TRAINER_SETTINGS (object);

  g_ptr_array_unref (self->parts);
  g_ptr_array_unref (self->names);

  G_OBJECT_CLASS (vard_trainer_settings_parent_class)->finalize (object);
}

/* Names that the loop or an algorithm before it has are not passed on a second time */
static void
vard_trainer_settings_pass_on (GObjectClass *klass, GType settings_type, guint *id)
{
  g_autoptr (GTypeClass) settings_class = g_type_class_ref (settings_type);
  guint n;
  g_autofree GParamSpec **settings = vard_settings_list (G_OBJECT_CLASS (settings_class), &n);

  for (guint i = 0; i < n; i++)
    if (g_object_class_find_property (klass, settings[i]->name) == NULL)
      g_object_class_install_property (klass, (*id)++,
                                       g_param_spec_override (settings[i]->name, settings[i]));
}

static void
vard_trainer_settings_class_init (VardTrainerSettingsClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  guint n_types, id = FIRST_PASSED;
  g_autofree GType *types = vard_algorithm_list_types (&n_types);

  object_class->finalize = vard_trainer_settings_finalize;
  object_class->get_property = vard_trainer_settings_get_property;
  object_class->set_property = vard_trainer_settings_set_property;
  for (guint i = 0; i < n_types; i++)
    {
      GType settings_type = vard_algorithm_peek_class (types[i])->settings_type;

      if (settings_type != G_TYPE_NONE)
        vard_trainer_settings_pass_on (object_class, settings_type, &id);
    }
}

static void
vard_trainer_settings_init (VardTrainerSettings *self)
{
  guint n_types;
  g_autofree GType *types = vard_algorithm_list_types (&n_types);

  self->parts = g_ptr_array_new_with_free_func (g_object_unref);
  self->names = g_ptr_array_new ();
  for (guint i = 0; i < n_types; i++)
    {
      VardAlgorithmClass *klass = vard_algorithm_peek_class (types[i]);

      if (klass->settings_type == G_TYPE_NONE)
        continue;
      g_ptr_array_add (self->parts, g_object_new (klass->settings_type, NULL));
      g_ptr_array_add (self->names, (gpointer) klass->name);
    }
  g_ptr_array_add (self->names, NULL);
}
