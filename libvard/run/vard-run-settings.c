/* vard-run-settings.c - the request for a run: model, rewards, prompts, and the trainer's settings
 *
 * Users see one flat list of names: in a settings file, on the command line, in run.json. In the
 * library these are several objects, because a trainer knows nothing of files, and an algorithm
 * knows nothing of the others.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-run-settings.h"

#include "algorithms/vard-algorithm-table.h"
#include "base/vard-error.h"
#include "base/vard-json-parse.h"
#include "base/vard-fields.h"
#include "base/vard-settings.h"
#include "base/vard-suggest.h"

/**
 * VardRunSettings:
 *
 * The request for a run. Its own settings and those of its #VardTrainerSettings share one list of
 * names.
 */
struct _VardRunSettings
{
  GObject parent_instance;

  char *model;
  char **rewards;
  char *prompts;
  char *evaluation_set;
  guint width, height;
  guint keep_checkpoints;
  VardTrainerSettings *trainer;
};

G_DEFINE_FINAL_TYPE (VardRunSettings, vard_run_settings, G_TYPE_OBJECT)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_STRING_WITH (VardRunSettings, model, VARD_FIELD_FLAG_MAY_CHANGE,
                          "Folder of the model in the layout of diffusers, or a .safetensors file",
                          NULL),
  VARD_FIELD_STRV (VardRunSettings, rewards,
                   "Reward as NAME[:key=value,...]; vard inspect NAME lists its keys"),
  VARD_FIELD_STRING (VardRunSettings, prompts,
                     "File of prompts, one a line or JSON lines with metadata; the default is "
                     "prompts.txt in the model's folder",
                     NULL),
  VARD_FIELD_STRING (VardRunSettings, evaluation_set,
                     "File of prompts for evaluations; the default is evaluation-prompts.txt "
                     "beside the prompts, or else the first of the prompts",
                     NULL),
  VARD_FIELD_UINT (VardRunSettings, width,
                   "Width of the pictures in pixels; 0 takes the model's. Smaller pictures take "
                   "less time and memory",
                   0, 8192, 0),
  VARD_FIELD_UINT (VardRunSettings, height,
                   "Height of the pictures in pixels; 0 takes the model's", 0, 8192, 0),
  VARD_FIELD_UINT_WITH (VardRunSettings, keep_checkpoints, VARD_FIELD_FLAG_MAY_CHANGE,
                        "Number of newest checkpoints to keep; 0 keeps all", 0, 1000000, 2),
};
/* clang-format on */

/**
 * vard_run_settings_new:
 *
 * Returns: (transfer full): settings with every default, no model and no reward
 */
VardRunSettings *
vard_run_settings_new (void)
{
  return g_object_new (VARD_TYPE_RUN_SETTINGS, NULL);
}

/**
 * vard_run_settings_get_trainer:
 * @self: settings
 *
 * Returns: (transfer none): the trainer's part of them
 */
VardTrainerSettings *
vard_run_settings_get_trainer (VardRunSettings *self)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self), NULL);

  return self->trainer;
}

/**
 * vard_run_settings_get_model:
 * @self: settings
 *
 * Returns: (nullable) (type filename): the model's folder
 */
const char *
vard_run_settings_get_model (VardRunSettings *self)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self), NULL);

  return self->model;
}

/**
 * vard_run_settings_get_rewards:
 * @self: settings
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1): the rewards, each as
 * NAME[:key=value,...]
 */
const char *const *
vard_run_settings_get_rewards (VardRunSettings *self)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self), NULL);

  return (const char *const *) self->rewards;
}

/**
 * vard_run_settings_dup_prompts:
 * @self: settings with a model
 *
 * Returns: (transfer full) (nullable) (type filename): the file of prompts: the one that was named,
 * or the model's own
 */
char *
vard_run_settings_dup_prompts (VardRunSettings *self)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self), NULL);

  if (self->prompts != NULL && *self->prompts)
    return g_strdup (self->prompts);
  return self->model != NULL ? g_build_filename (self->model, "prompts.txt", NULL) : NULL;
}

/**
 * vard_run_settings_dup_evaluation_set:
 * @self: settings with a model
 *
 * Returns: (transfer full) (nullable) (type filename): the file of prompts to evaluate with: the
 * one that was named, or
 *   evaluation-prompts.txt beside the training prompts if there is one
 */
char *
vard_run_settings_dup_evaluation_set (VardRunSettings *self)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self), NULL);

  if (self->evaluation_set != NULL && *self->evaluation_set)
    return g_strdup (self->evaluation_set);

  g_autofree char *prompts = vard_run_settings_dup_prompts (self);
  g_autofree char *folder = prompts != NULL ? g_path_get_dirname (prompts) : NULL;
  g_autofree char *path = folder != NULL ? g_build_filename (folder, "evaluation-prompts.txt", NULL)
                                         : NULL;

  return path != NULL && g_file_test (path, G_FILE_TEST_EXISTS) ? g_steal_pointer (&path) : NULL;
}

/**
 * vard_run_settings_get_keep_checkpoints:
 * @self: settings
 *
 * Returns: how many of the newest checkpoints are kept; 0 for all
 */
guint
vard_run_settings_get_keep_checkpoints (VardRunSettings *self)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self), 0);

  return self->keep_checkpoints;
}

/* The objects that have settings: the run's, the trainer's, and one for each algorithm. Algorithms
 * may share a name. vard then sets it in all of them, because the choice of the algorithm is a
 * setting too. */
static GPtrArray *
vard_run_settings_list_owners (VardRunSettings *self)
{
  GPtrArray *owners = g_ptr_array_new ();
  g_auto (GStrv) algorithms = vard_trainer_settings_dup_algorithms (self->trainer);

  g_ptr_array_add (owners, self);
  g_ptr_array_add (owners, self->trainer);
  for (guint i = 0; algorithms[i] != NULL; i++)
    g_ptr_array_add (owners,
                     vard_trainer_settings_get_algorithm_settings (self->trainer, algorithms[i]));

  return owners;
}

/* A property that only forwards another object's is not a setting of this one */
static gboolean
vard_run_settings_has_setting (GObject *owner, const char *name)
{
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (owner), name);

  return pspec != NULL && g_type_is_a (G_OBJECT_TYPE (owner), pspec->owner_type)
         && vard_settings_get_kind (pspec) != NULL;
}

static gboolean
vard_run_settings_is_known (GPtrArray *owners, const char *name)
{
  for (guint i = 0; i < owners->len; i++)
    if (vard_run_settings_has_setting (owners->pdata[i], name))
      return TRUE;

  return FALSE;
}

static void
vard_run_settings_fail_unknown (GPtrArray *owners, const char *name, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (guint i = 0; i < owners->len; i++)
    {
      guint n;
      g_autofree GParamSpec **settings =
        vard_settings_list (G_OBJECT_GET_CLASS (owners->pdata[i]), &n);

      for (guint j = 0; j < n; j++)
        g_ptr_array_add (names, (gpointer) settings[j]->name);
    }
  g_ptr_array_add (names, NULL);

  vard_suggest_error ("setting", name, (const char *const *) names->pdata, error);
}

/**
 * vard_run_settings_set:
 * @self: settings
 * @name: the name of a setting, of the run, of its trainer or of an algorithm
 * @text: its value as text
 * @error: return location for an error
 *
 * Returns: whether it was set; %VARD_ERROR_USAGE where there is no such setting or the value is
 * outside its range
 */
gboolean
vard_run_settings_set (VardRunSettings *self, const char *name, const char *text, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self) && name != NULL && text != NULL, FALSE);

  g_autoptr (GPtrArray) owners = vard_run_settings_list_owners (self);

  if (!vard_run_settings_is_known (owners, name))
    {
      vard_run_settings_fail_unknown (owners, name, error);
      return FALSE;
    }
  for (guint i = 0; i < owners->len; i++)
    if (vard_run_settings_has_setting (owners->pdata[i], name)
        && !vard_settings_set_text (owners->pdata[i], name, text, error))
      return FALSE;

  return TRUE;
}

/* The members of @json that an object has as settings */
static JsonObject *
vard_run_settings_pick_settings (GObject *owner, JsonObject *json)
{
  JsonObject *own = json_object_new ();
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, json);
  while (json_object_iter_next (&iter, &name, &node))
    if (vard_run_settings_has_setting (owner, name))
      json_object_set_member (own, name, json_node_copy (node));

  return own;
}

static gboolean
vard_run_settings_check_names (GPtrArray *owners, JsonObject *json, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, json);
  while (json_object_iter_next (&iter, &name, &node))
    if (!vard_run_settings_is_known (owners, name))
      {
        vard_run_settings_fail_unknown (owners, name, error);
        return FALSE;
      }

  return TRUE;
}

/* Sets owner by owner; if a later one refuses, the earlier ones are restored */
static gboolean
vard_run_settings_apply_owners (GPtrArray *owners, guint first, JsonObject *json, GError **error)
{
  if (first == owners->len)
    return TRUE;

  GObject *owner = owners->pdata[first];
  g_autoptr (JsonObject) own = vard_run_settings_pick_settings (owner, json);
  g_autoptr (JsonObject) before = vard_settings_to_json (owner);

  if (!vard_settings_apply_json (owner, own, error))
    return FALSE;
  if (vard_run_settings_apply_owners (owners, first + 1, json, error))
    return TRUE;
  vard_settings_apply_json (owner, before, NULL);

  return FALSE;
}

/**
 * vard_run_settings_apply_json:
 * @self: settings
 * @json: names and values
 * @error: return location for an error
 *
 * Returns: whether every value was set; if %FALSE, none was
 */
gboolean
vard_run_settings_apply_json (VardRunSettings *self, JsonObject *json, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self) && json != NULL, FALSE);

  g_autoptr (GPtrArray) owners = vard_run_settings_list_owners (self);

  return vard_run_settings_check_names (owners, json, error)
         && vard_run_settings_apply_owners (owners, 0, json, error);
}

/* Paths in a settings file are relative to the file's folder */
static void
vard_run_settings_resolve (char **path, const char *folder, GObject *object, const char *name)
{
  if (*path == NULL || !**path || g_path_is_absolute (*path))
    return;

  g_autofree char *whole = g_build_filename (folder, *path, NULL);

  g_object_set (object, name, whole, NULL);
}

/**
 * vard_run_settings_load_file:
 * @self: settings
 * @path: (type filename): a file with a JSON object of names and values
 * @error: return location for an error
 *
 * Sets all values of the file. Paths in it are relative to its folder.
 *
 * Returns: whether all of it could be set; else %VARD_ERROR_CONFIG
 */
gboolean
vard_run_settings_load_file (VardRunSettings *self, const char *path, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self) && path != NULL, FALSE);

  g_autofree char *text = NULL;
  g_autoptr (GError) problem = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, error))
    return FALSE;

  g_autoptr (JsonObject) object = vard_json_parse_object (text, length, &problem);

  if (object != NULL)
    vard_run_settings_apply_json (self, object, &problem);
  if (problem != NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s", path, problem->message);
      return FALSE;
    }

  g_autofree char *folder = g_path_get_dirname (path);

  if (json_object_has_member (object, "model"))
    vard_run_settings_resolve (&self->model, folder, G_OBJECT (self), "model");
  if (json_object_has_member (object, "prompts"))
    vard_run_settings_resolve (&self->prompts, folder, G_OBJECT (self), "prompts");
  if (json_object_has_member (object, "evaluation-set"))
    vard_run_settings_resolve (&self->evaluation_set, folder, G_OBJECT (self), "evaluation-set");

  return TRUE;
}

/**
 * vard_run_settings_to_json:
 * @self: settings
 *
 * Returns: (transfer full): every name and value
 */
JsonObject *
vard_run_settings_to_json (VardRunSettings *self)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self), NULL);

  JsonObject *json = vard_settings_to_json (G_OBJECT (self));
  GObject *parts[] = { G_OBJECT (self->trainer),
                       vard_trainer_settings_get_algorithm_settings (self->trainer, NULL) };

  for (guint i = 0; i < G_N_ELEMENTS (parts) && parts[i] != NULL; i++)
    {
      g_autoptr (JsonObject) part = vard_settings_to_json (parts[i]);
      JsonObjectIter iter;
      const char *name;
      JsonNode *node;

      json_object_iter_init (&iter, part);
      while (json_object_iter_next (&iter, &name, &node))
        json_object_set_member (json, name, json_node_copy (node));
    }

  return json;
}

/* A setting without effect is an error: one of an algorithm that this run does not use */
static gboolean
vard_run_settings_check_algorithms (VardRunSettings *self, GError **error)
{
  const char *chosen = vard_trainer_settings_get_algorithm (self->trainer);
  g_auto (GStrv) algorithms = vard_trainer_settings_dup_algorithms (self->trainer);
  g_autoptr (JsonObject) known = vard_run_settings_to_json (self);

  if (vard_algorithm_find_type (chosen, error) == G_TYPE_INVALID)
    return FALSE;

  for (guint i = 0; algorithms[i] != NULL; i++)
    {
      GObject *part = vard_trainer_settings_get_algorithm_settings (self->trainer, algorithms[i]);
      guint n;
      g_autofree GParamSpec **settings = vard_settings_list (G_OBJECT_GET_CLASS (part), &n);

      for (guint j = 0; j < n; j++)
        {
          g_auto (GValue) value = G_VALUE_INIT;

          g_object_get_property (part, settings[j]->name, &value);
          if (json_object_has_member (known, settings[j]->name)
              || g_param_value_defaults (settings[j], &value))
            continue;
          g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                       "%s is a setting of the algorithm %s, but this run uses %s",
                       settings[j]->name, algorithms[i], chosen);
          return FALSE;
        }
    }

  return TRUE;
}

/**
 * vard_run_settings_check:
 * @self: settings
 * @error: return location for an error
 *
 * Returns: whether what has no default is there, a model and a reward, and no setting is of another
 *   algorithm than the one that trains
 */
gboolean
vard_run_settings_check (VardRunSettings *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self), FALSE);

  if (self->model == NULL || !*self->model)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "no model is given: set model to a folder");
  else if (self->rewards == NULL || *self->rewards == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "no reward is given: set rewards");
  else
    return vard_run_settings_check_algorithms (self, error);

  return FALSE;
}

static gboolean
vard_run_settings_may_change (GParamSpec *pspec)
{
  return (vard_fields_get_flags (pspec) & VARD_FIELD_FLAG_MAY_CHANGE) != 0;
}

/* The names of what a resume may change; (transfer full) */
static char *
vard_run_settings_list_changeable (GPtrArray *owners)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (guint i = 0; i < owners->len; i++)
    {
      guint n;
      g_autofree GParamSpec **settings =
        vard_settings_list (G_OBJECT_GET_CLASS (owners->pdata[i]), &n);

      for (guint j = 0; j < n; j++)
        if (vard_run_settings_has_setting (owners->pdata[i], settings[j]->name)
            && vard_run_settings_may_change (settings[j]))
          g_ptr_array_add (names, (gpointer) settings[j]->name);
    }
  g_ptr_array_add (names, NULL);

  return g_strjoinv (", ", (char **) names->pdata);
}

/**
 * vard_run_settings_check_change:
 * @self: settings of a run
 * @name: the name of a setting
 * @error: return location for an error
 *
 * A setting may change if its field has %VARD_FIELD_FLAG_MAY_CHANGE: such a setting decides how
 * long and how a run trains, not what it learns.
 *
 * Returns: whether a resume may change it and still continue the same run
 */
gboolean
vard_run_settings_check_change (VardRunSettings *self, const char *name, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN_SETTINGS (self) && name != NULL, FALSE);

  g_autoptr (GPtrArray) owners = vard_run_settings_list_owners (self);

  if (!vard_run_settings_is_known (owners, name))
    {
      vard_run_settings_fail_unknown (owners, name, error);
      return FALSE;
    }
  for (guint i = 0; i < owners->len; i++)
    if (vard_run_settings_has_setting (owners->pdata[i], name)
        && vard_run_settings_may_change (
          g_object_class_find_property (G_OBJECT_GET_CLASS (owners->pdata[i]), name)))
      return TRUE;

  g_autofree char *all = vard_run_settings_list_changeable (owners);

  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
               "a resume cannot change %s, because that would be another run; it can change %s",
               name, all);

  return FALSE;
}

static void
vard_run_settings_dispose (GObject *object)
{
  g_clear_object (&VARD_RUN_SETTINGS (object)->trainer);
  G_OBJECT_CLASS (vard_run_settings_parent_class)->dispose (object);
}

static void
vard_run_settings_class_init (VardRunSettingsClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vard_run_settings_dispose;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
vard_run_settings_init (VardRunSettings *self)
{
  self->trainer = vard_trainer_settings_new ();
}
