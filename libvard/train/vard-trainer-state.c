/* vard-trainer-state.c - saves and loads everything that an exact resume needs
 *
 * The pool has a file of its own, because it is large and does not change once it is full.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-private.h"

#include "base/vard-error.h"
#include "learn/vard-state-parts.h"

#define TRAINER_FILE "trainer.safetensors"

/* Files of format 1 do not name their algorithm: there was one, and its phases had numbers */
#define FIRST_ALGORITHM "vard"

/* ---- numbers ---- */

static void
vard_trainer_state_add_numbers (VardTrainer *self, JsonObject *numbers)
{
  VardTraining *training = self->training;

  json_object_set_string_member (numbers, "algorithm",
                                 VARD_ALGORITHM_GET_CLASS (self->algorithm)->name);
  json_object_set_string_member (numbers, "phase", vard_trainer_get_phase_name (self, self->phase));
  json_object_set_int_member (numbers, "step", training->step);
  json_object_set_int_member (numbers, "reward-calls", training->reward_calls);
  json_object_set_int_member (numbers, "evaluated-step", (gint64) self->evaluated_step);
  json_object_set_double_member (numbers, "seconds", vard_training_get_seconds (training));
  json_object_set_double_member (numbers, "base-diversity", self->base_diversity);
  if (vard_reward_mix_has_statistics (training->rewards))
    json_object_set_object_member (numbers, "rewards",
                                   vard_reward_mix_get_statistics (training->rewards));
}

static gboolean
vard_trainer_state_check_algorithm (VardTrainer *self, VardStateReader *reader, GError **error)
{
  const char *own = VARD_ALGORITHM_GET_CLASS (self->algorithm)->name, *name = FIRST_ALGORITHM;

  if (reader->format > 1 && !vard_state_reader_get_text (reader, "algorithm", &name, error))
    return FALSE;
  if (g_str_equal (name, own))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: written by the algorithm %s, and this run uses %s",
               vard_safetensors_get_path (reader->file), name, own);

  return FALSE;
}

static gboolean
vard_trainer_state_read_phase (VardTrainer *self, VardStateReader *reader, GError **error)
{
  guint n_phases = vard_trainer_get_step_phase (self) + 1;
  g_autofree char *name = NULL;
  const char *text;
  gint64 number;

  if (reader->format == 1)
    {
      if (!vard_state_reader_get_int (reader, "phase", &number, error))
        return FALSE;
      name = number >= 0 && number < n_phases
               ? g_strdup (vard_trainer_get_phase_name (self, number))
               : g_strdup_printf ("%" G_GINT64_FORMAT, number);
    }
  else if (vard_state_reader_get_text (reader, "phase", &text, error))
    name = g_strdup (text);
  else
    return FALSE;

  for (guint i = 0; i < n_phases; i++)
    if (g_str_equal (name, vard_trainer_get_phase_name (self, i)))
      {
        self->phase = i;
        return TRUE;
      }
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: the algorithm %s has no phase \"%s\": was it written by a newer vard?",
               vard_safetensors_get_path (reader->file),
               VARD_ALGORITHM_GET_CLASS (self->algorithm)->name, name);

  return FALSE;
}

static gboolean
vard_trainer_state_read_numbers (VardTrainer *self, VardStateReader *reader, GError **error)
{
  VardTraining *training = self->training;
  gint64 step, reward_calls, evaluated;

  if (!vard_trainer_state_read_phase (self, reader, error)
      || !vard_state_reader_get_int (reader, "step", &step, error)
      || !vard_state_reader_get_int (reader, "reward-calls", &reward_calls, error)
      || !vard_state_reader_get_int (reader, "evaluated-step", &evaluated, error)
      || !vard_state_reader_get_double (reader, "seconds", &training->seconds, error)
      || !vard_state_reader_get_double (reader, "base-diversity", &self->base_diversity, error))
    return FALSE;

  training->step = step;
  training->reward_calls = reward_calls;
  self->evaluated_step = (guint64) evaluated;

  return TRUE;
}

static gboolean
vard_trainer_state_read_statistics (VardTrainer *self, VardStateReader *reader, GError **error)
{
  JsonNode *node = json_object_get_member (reader->numbers, "rewards");

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return TRUE;

  return vard_reward_mix_set_statistics (self->training->rewards, json_node_get_object (node),
                                         error);
}

/* ---- the file ---- */

static gboolean
vard_trainer_state_write_trainer (VardTrainer *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, TRAINER_FILE, NULL);
  g_autoptr (VardStateWriter) writer = vard_state_writer_new ();

  vard_trainer_state_add_numbers (self, writer->numbers);
  vard_state_writer_add_fit (writer, "policy", self->training->set, self->training->optimizer);
  if (self->base_rewards->len > 0)
    vard_state_writer_add (writer, "base-rewards", VARD_DTYPE_F32, self->base_rewards->data,
                           self->base_rewards->len);

  return vard_algorithm_save (self->algorithm, writer, directory, error)
         && vard_state_writer_write (writer, path, error);
}

static gboolean
vard_trainer_state_read_base_rewards (VardTrainer *self, VardStateReader *reader, GError **error)
{
  g_array_set_size (self->base_rewards, vard_state_reader_get_count (reader, "base-rewards"));

  return self->base_rewards->len == 0
         || vard_state_reader_read (reader, "base-rewards", VARD_DTYPE_F32,
                                    self->base_rewards->data, self->base_rewards->len, error);
}

static gboolean
vard_trainer_state_read_trainer (VardTrainer *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, TRAINER_FILE, NULL);
  g_autoptr (VardStateReader) reader = vard_state_reader_new (path, error);

  return reader != NULL && vard_trainer_state_check_algorithm (self, reader, error)
         && vard_trainer_state_read_numbers (self, reader, error)
         && vard_trainer_state_read_statistics (self, reader, error)
         && vard_state_reader_read_fit (reader, "policy", self->training->set,
                                        self->training->optimizer, error)
         && vard_trainer_state_read_base_rewards (self, reader, error)
         && vard_algorithm_load (self->algorithm, reader, directory, self->phase, error);
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
                           "training was interrupted in the middle of a step, so there is no state "
                           "to save");
      return FALSE;
    }

  return vard_trainer_state_write_trainer (self, directory, error);
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
  if (!vard_trainer_state_read_trainer (self, directory, error))
    return FALSE;
  self->is_broken = FALSE;

  return TRUE;
}
