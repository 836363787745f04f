/* vard-run.c - the folder of a run: its files and its lock
 *
 * The folder holds the whole state of a run. The process that trains the run holds an advisory lock
 * on the file `lock` as long as it lives, however it ends. If the state says "running" but the lock
 * is free, the run was interrupted.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#define _GNU_SOURCE /* locks that belong to an open file, not to a process */
#include "run/vard-run-private.h"

#include "base/vard-error.h"
#include "base/vard-json.h"
#include "base/vard-json-parse.h"
#include "run/vard-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

/**
 * VardRun:
 *
 * The folder of one training run.
 */
G_DEFINE_FINAL_TYPE (VardRun, vard_run, G_TYPE_OBJECT)

G_DEFINE_ENUM_TYPE (VardRunState,
                    vard_run_state,
                    G_DEFINE_ENUM_VALUE (VARD_RUN_STATE_STARTING, "starting"),
                    G_DEFINE_ENUM_VALUE (VARD_RUN_STATE_RUNNING, "running"),
                    G_DEFINE_ENUM_VALUE (VARD_RUN_STATE_PAUSED, "paused"),
                    G_DEFINE_ENUM_VALUE (VARD_RUN_STATE_FINISHED, "finished"),
                    G_DEFINE_ENUM_VALUE (VARD_RUN_STATE_FAILED, "failed"),
                    G_DEFINE_ENUM_VALUE (VARD_RUN_STATE_CANCELLED, "cancelled"),
                    G_DEFINE_ENUM_VALUE (VARD_RUN_STATE_INTERRUPTED, "interrupted"))

enum
{
  PROP_PATH = 1,
  PROP_STATE,
  PROP_STEP,
  N_PROPERTIES
};
static GParamSpec *properties[N_PROPERTIES];

/**
 * vard_run_state_to_text:
 * @state: a state
 *
 * Returns: its word, as in state.json
 */
const char *
vard_run_state_to_text (VardRunState state)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (VARD_TYPE_RUN_STATE);
  GEnumValue *value = g_enum_get_value (klass, state);

  return value != NULL ? value->value_nick : "unknown";
}

static VardRun *
vard_run_new (const char *path)
{
  VardRun *self = g_object_new (VARD_TYPE_RUN, NULL);

  self->path = g_canonicalize_filename (path, NULL);
  self->name = g_path_get_basename (self->path);
  return self;
}

static gboolean
vard_run_make_folder (const char *path, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (path);

  if (g_mkdir_with_parents (parent, 0777) == 0 && g_mkdir (path, 0777) == 0)
    return TRUE;
  if (errno == EEXIST)
    g_set_error (error, VARD_ERROR, VARD_ERROR_EXISTS,
                 "%s exists, and vard never overwrites a run: name another folder, or resume it",
                 path);
  else
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "cannot create the folder %s: %s", path, g_strerror (errno));
      vard_folder_prefix_space (path, error);
    }

  return FALSE;
}

static gboolean
vard_run_write_record (VardRun *self, GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *path = vard_run_build_path (self, "run.json");

  json_node_set_object (node, self->record);

  g_autofree char *text = vard_json_to_text (node, TRUE);

  return vard_folder_write_file (path, text, -1, error);
}

/**
 * vard_run_create:
 * @path: the folder to make; an existing one is refused with %VARD_ERROR_EXISTS
 * @record: what run.json says: settings, versions, seed, plugins, the base model's hash
 * @error: return location for an error
 *
 * Creates the folder of a new run and holds it. On failure vard removes the folder.
 *
 * Returns: (transfer full): the run, or %NULL
 */
VardRun *
vard_run_create (const char *path, JsonObject *record, GError **error)
{
  g_return_val_if_fail (path != NULL && record != NULL, NULL);

  g_autoptr (VardRun) self = vard_run_new (path);

  if (!vard_run_make_folder (self->path, error))
    return NULL;
  self->record = json_object_ref (record);
  if (!vard_run_hold (self, error)
      || !vard_run_set_state (self, VARD_RUN_STATE_STARTING, 0, NULL, error)
      || !vard_run_write_record (self, error))
    {
      vard_run_release (self);
      vard_folder_remove (self->path, NULL);
      return NULL;
    }

  return g_steal_pointer (&self);
}

/**
 * vard_run_open:
 * @path: the folder of a run
 * @error: return location for an error
 *
 * Opens a run to read it; vard_run_hold() takes it over.
 *
 * Returns: (transfer full): the run, or %NULL
 */
VardRun *
vard_run_open (const char *path, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);

  g_autoptr (VardRun) self = vard_run_new (path);
  g_autofree char *file = vard_run_build_path (self, "run.json");
  g_autofree char *text = NULL;

  if (!g_file_get_contents (file, &text, NULL, NULL))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s is not the folder of a run: %s",
                   self->path,
                   g_file_test (self->path, G_FILE_TEST_IS_DIR) ? "it has no run.json"
                                                                : "there is no such folder");
      return NULL;
    }

  g_autoptr (JsonNode) node = vard_json_parse (text, -1, NULL);

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s is damaged: it has no JSON object",
                   file);
      return NULL;
    }
  self->record = json_node_dup_object (node);

  return vard_run_refresh (self, error) ? g_steal_pointer (&self) : NULL;
}

/**
 * vard_run_hold:
 * @self: a run
 * @error: return location for an error
 *
 * Makes this process the one that trains the run.
 *
 * Returns: %FALSE with %VARD_ERROR_BUSY while another process trains it
 */
gboolean
vard_run_hold (VardRun *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self), FALSE);

  g_autofree char *path = vard_run_build_path (self, "lock");
  struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  int fd = self->lock >= 0 ? self->lock : open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "cannot open %s: %s", path,
                   g_strerror (errno));
      return FALSE;
    }
  if (fcntl (fd, F_OFD_SETLK, &all) != 0)
    {
      close (fd);
      g_set_error (error, VARD_ERROR, VARD_ERROR_BUSY, "%s is being trained by process %d",
                   self->path, self->pid);
      return FALSE;
    }
  self->lock = fd;

  return TRUE;
}

/**
 * vard_run_release:
 * @self: a run
 *
 * Releases a run that this process holds.
 */
void
vard_run_release (VardRun *self)
{
  g_return_if_fail (VARD_IS_RUN (self));

  if (self->lock >= 0)
    close (self->lock);
  self->lock = -1;
}

/**
 * vard_run_is_live:
 * @self: a run
 *
 * Returns: whether a living process, this one included, trains it
 */
gboolean
vard_run_is_live (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), FALSE);

  if (self->lock >= 0)
    return TRUE;

  g_autofree char *path = vard_run_build_path (self, "lock");
  struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  /* checking needs no write permission: viewers may have none, and a mount may be read-only */
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  if (fd < 0)
    return FALSE;

  gboolean is_held = fcntl (fd, F_OFD_GETLK, &all) == 0 && all.l_type != F_UNLCK;

  close (fd);

  return is_held;
}

/**
 * vard_run_get_path:
 * @self: a run
 *
 * Returns: (type filename): its folder, as an absolute path
 */
const char *
vard_run_get_path (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), NULL);

  return self->path;
}

/**
 * vard_run_get_name:
 * @self: a run
 *
 * Returns: the last part of its path
 */
const char *
vard_run_get_name (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), NULL);

  return self->name;
}

/**
 * vard_run_build_path:
 * @self: a run
 * @name: (type filename): a name in its folder
 *
 * Returns: (transfer full) (type filename): its path
 */
char *
vard_run_build_path (VardRun *self, const char *name)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && name != NULL, NULL);

  return g_build_filename (self->path, name, NULL);
}

/**
 * vard_run_get_record:
 * @self: a run
 *
 * Returns: (transfer none): what run.json says
 */
JsonObject *
vard_run_get_record (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), NULL);

  return self->record;
}

static void
vard_run_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  VardRun *self = VARD_RUN (object);

  switch (id)
    {
    case PROP_PATH: g_value_set_string (value, self->path); break;
    case PROP_STATE: g_value_set_enum (value, vard_run_get_state (self)); break;
    case PROP_STEP: g_value_set_uint64 (value, self->step); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
vard_run_finalize (GObject *object)
{
  VardRun *self = VARD_RUN (object);

  vard_run_release (self);
  g_clear_pointer (&self->record, json_object_unref);
  g_free (self->path);
  g_free (self->name);
  g_free (self->failure);
  G_OBJECT_CLASS (vard_run_parent_class)->finalize (object);
}

static void
vard_run_class_init (VardRunClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GParamFlags flags = G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  object_class->get_property = vard_run_get_property;
  object_class->finalize = vard_run_finalize;
  properties[PROP_PATH] = g_param_spec_string ("path", NULL, "The run's folder", NULL, flags);
  properties[PROP_STATE] = g_param_spec_enum ("state", NULL, "What the run is doing",
                                              VARD_TYPE_RUN_STATE, VARD_RUN_STATE_STARTING, flags);
  properties[PROP_STEP] =
    g_param_spec_uint64 ("step", NULL, "Steps that are done", 0, G_MAXUINT64, 0, flags);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
vard_run_init (VardRun *self)
{
  self->lock = -1;
}
