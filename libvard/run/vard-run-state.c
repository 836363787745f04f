/* vard-run-state.c - state.json: the state of a run, replaced atomically
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-run-private.h"

#include "base/vard-error.h"
#include "base/vard-json.h"
#include "base/vard-json-parse.h"
#include "run/vard-folder.h"

#include <unistd.h>

/* Seconds between two heartbeats on disk */
#define BEAT_INTERVAL 2

static void
vard_run_state_set_text (char **place, const char *text)
{
  char *copy = g_strdup (text);

  g_free (*place);
  *place = copy;
}

static const char *
vard_run_state_get_text (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
           ? json_node_get_string (node)
           : NULL;
}

static gint64
vard_run_state_get_whole (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_int (node) : 0;
}

static double
vard_run_state_get_number (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_double (node) : 0;
}

static void
vard_run_apply (VardRun *self, JsonObject *object, int state)
{
  gboolean is_new_state = self->state != (VardRunState) state;
  gboolean is_new_step = self->step != (guint64) vard_run_state_get_whole (object, "step");

  self->state = state;
  self->step = vard_run_state_get_whole (object, "step");
  self->pid = vard_run_state_get_whole (object, "pid");
  self->heartbeat = vard_run_state_get_whole (object, "heartbeat");
  self->fraction = vard_run_state_get_number (object, "fraction");
  self->phase = g_intern_string (vard_run_state_get_text (object, "phase"));
  vard_run_state_set_text (&self->failure, vard_run_state_get_text (object, "error"));
  if (is_new_state)
    g_object_notify (G_OBJECT (self), "state");
  if (is_new_step)
    g_object_notify (G_OBJECT (self), "step");
}

/**
 * vard_run_refresh:
 * @self: a run
 * @error: return location for an error
 *
 * Reads what the run is doing now.
 *
 * Returns: whether state.json could be read
 */
gboolean
vard_run_refresh (VardRun *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self), FALSE);

  g_autofree char *path = vard_run_build_path (self, "state.json");
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) node = NULL;

  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  node = vard_json_parse (text, -1, NULL);

  const char *word = node != NULL && JSON_NODE_HOLDS_OBJECT (node)
                       ? vard_run_state_get_text (json_node_get_object (node), "state")
                       : NULL;
  g_autoptr (GEnumClass) klass = g_type_class_ref (VARD_TYPE_RUN_STATE);
  GEnumValue *state = word != NULL ? g_enum_get_value_by_nick (klass, word) : NULL;

  if (state == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s is damaged: it has no known state",
                   path);
      return FALSE;
    }
  vard_run_apply (self, json_node_get_object (node), state->value);

  return TRUE;
}

static gboolean
vard_run_write_state (VardRun *self, GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (JsonObject) object = json_object_new ();
  g_autofree char *path = vard_run_build_path (self, "state.json");

  json_object_set_string_member (object, "state", vard_run_state_to_text (self->state));
  json_object_set_int_member (object, "step", self->step);
  if (self->phase != NULL)
    json_object_set_string_member (object, "phase", self->phase);
  json_object_set_double_member (object, "fraction", self->fraction);
  json_object_set_int_member (object, "pid", self->pid);
  json_object_set_int_member (object, "heartbeat", self->heartbeat);
  if (self->failure != NULL)
    json_object_set_string_member (object, "error", self->failure);
  json_node_set_object (node, object);

  g_autofree char *text = vard_json_to_text (node, TRUE);

  /* No flush: if a power cut loses the newest heartbeat, that does no harm */
  if (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0666, error))
    return TRUE;
  vard_folder_prefix_space (path, error);

  return FALSE;
}

/**
 * vard_run_set_state:
 * @self: a run that this process holds
 * @state: the state; not interrupted
 * @step: the steps that are done
 * @failure: (nullable): the error that stopped it
 * @error: return location for an error
 *
 * Returns: whether it was written
 */
gboolean
vard_run_set_state (VardRun *self,
                    VardRunState state,
                    guint64 step,
                    const char *failure,
                    GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && self->lock >= 0, FALSE);
  g_return_val_if_fail (state != VARD_RUN_STATE_INTERRUPTED, FALSE);

  gboolean is_new_state = self->state != state;
  gboolean is_new_step = self->step != step;

  self->state = state;
  self->step = step;
  self->pid = getpid ();
  self->heartbeat = g_get_real_time () / G_USEC_PER_SEC;
  vard_run_state_set_text (&self->failure, failure);
  if (!vard_run_write_state (self, error))
    return FALSE;
  if (is_new_state)
    g_object_notify (G_OBJECT (self), "state");
  if (is_new_step)
    g_object_notify (G_OBJECT (self), "step");

  return TRUE;
}

/**
 * vard_run_beat:
 * @self: a run that this process holds
 * @phase: what the trainer is at
 * @fraction: how much of that phase is done, 0 to 1
 * @error: return location for an error
 *
 * Records that the trainer is alive. It is cheap to call often: vard writes the file when the phase
 * changes, and every two seconds otherwise.
 *
 * Returns: %FALSE if the file was due and could not be written
 */
gboolean
vard_run_beat (VardRun *self, const char *phase, double fraction, GError **error)
{
  g_return_val_if_fail (VARD_IS_RUN (self) && self->lock >= 0, FALSE);

  gint64 now = g_get_monotonic_time ();
  gboolean is_new = g_strcmp0 (self->phase, phase) != 0;

  self->phase = g_intern_string (phase);
  self->fraction = fraction;
  if (!is_new && self->beat_time != 0 && now - self->beat_time < BEAT_INTERVAL * G_USEC_PER_SEC)
    return TRUE;
  self->beat_time = now;
  self->heartbeat = g_get_real_time () / G_USEC_PER_SEC;

  return vard_run_write_state (self, error);
}

/**
 * vard_run_get_state:
 * @self: a run
 *
 * Returns: its state; interrupted if state.json says that it runs but no process holds it
 */
VardRunState
vard_run_get_state (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), VARD_RUN_STATE_FAILED);

  gboolean needs_process = self->state <= VARD_RUN_STATE_PAUSED;

  return needs_process && !vard_run_is_live (self) ? VARD_RUN_STATE_INTERRUPTED : self->state;
}

/**
 * vard_run_get_step:
 * @self: a run
 *
 * Returns: the steps that are done
 */
guint64
vard_run_get_step (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), 0);

  return self->step;
}

/**
 * vard_run_get_phase:
 * @self: a run
 *
 * Returns: (nullable): the phase that its trainer is in
 */
const char *
vard_run_get_phase (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), NULL);

  return self->phase;
}

/**
 * vard_run_get_fraction:
 * @self: a run
 *
 * Returns: how much of the phase is done, 0 to 1
 */
double
vard_run_get_fraction (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), 0);

  return self->fraction;
}

/**
 * vard_run_get_heartbeat:
 * @self: a run
 *
 * Returns: the time of its trainer's newest heartbeat, in seconds since 1970
 */
gint64
vard_run_get_heartbeat (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), 0);

  return self->heartbeat;
}

/**
 * vard_run_get_pid:
 * @self: a run
 *
 * Returns: the process that last trained it
 */
int
vard_run_get_pid (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), 0);

  return self->pid;
}

/**
 * vard_run_get_failure:
 * @self: a run
 *
 * Returns: (nullable): the error that stopped it
 */
const char *
vard_run_get_failure (VardRun *self)
{
  g_return_val_if_fail (VARD_IS_RUN (self), NULL);

  return self->failure;
}
