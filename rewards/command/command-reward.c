/* command-reward.c - asks a program for scores
 *
 * The program is started once. For each picture it reads one line of JSON on its standard input,
 *
 *   { "id": 7, "width": 64, "height": 64, "prompt": "a cat" or null, "metadata": {...} or null,
 *     "png": "<base64>" }
 *
 * and for each it writes one on its standard output, in any order:
 *
 *   { "id": 7, "score": 0.25 }   or   { "id": 7, "error": "too dark to see" }
 *
 * Instead of "png" there may be "rgb", the base64 of the pixels, or "ppm", the path of a file that
 * is removed after the answer. A program that ends, writes anything else, answers twice or is
 * silent for too long is started again, and the pictures it had are sent once more, one at a time,
 * so that the one it fails on is known and fails alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../wire/wire.h"
#include "command-child.h"
#include "command-picture.h"

#define COMMAND_TYPE_REWARD (command_reward_get_type ())
G_DECLARE_FINAL_TYPE (CommandReward, command_reward, COMMAND, REWARD, VardReward)

struct _CommandReward
{
  VardReward parent_instance;
  char *command;
  CommandForm picture;
  double timeout, start_timeout;
  guint restarts, ahead;
  gboolean needs_prompt;
  GMutex lock;           /* one batch at a time */
  CommandChild *child;   /* NULL when it is to be started */
  gboolean has_answered; /* this child */
  gint64 started_at;     /* this child; monotonic time */
  /* that the first child took to its first answer; 0: none has answered yet */
  double start_seconds;
  guint n_failures; /* of the program, each of which costs a restart */
  guint64 next_id;  /* never used twice, so that a late answer is not taken for another's */
};

G_DEFINE_FINAL_TYPE (CommandReward, command_reward, VARD_TYPE_REWARD)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_STRING (CommandReward, command,
                     "The program and its arguments; quotes work, other shell syntax does not",
                     NULL),
  VARD_FIELD_ENUM (CommandReward, picture,
                   "How the program receives a picture: as PNG, as raw pixels (rgb), or as the "
                   "path of a file (ppm)",
                   command_form_get_type, COMMAND_FORM_PNG),
  VARD_FIELD_DOUBLE (CommandReward, timeout, "Seconds to wait for the next answer", 0.05, 86400,
                     120),
  VARD_FIELD_DOUBLE (CommandReward, start_timeout,
                     "Seconds to wait for the first answer after a start", 0.05, 86400, 600),
  VARD_FIELD_UINT (CommandReward, restarts, "How often vard restarts the program in total", 0,
                   1000, 3),
  VARD_FIELD_UINT (CommandReward, ahead, "Number of pictures to send before the first answer", 1,
                   1024, 8),
  VARD_FIELD_BOOLEAN (CommandReward, needs_prompt,
                      "The program needs the prompt of a picture", FALSE),
};
/* clang-format on */

/* A batch on its way. Picture i has the id first_id + i. */
typedef struct
{
  CommandReward *self;
  VardRewardBatch *batch;
  guint64 first_id;
  guint n, n_done;
  GQueue queue;        /* of indices to send */
  GQueue in_flight;    /* of indices, the oldest first */
  char **paths;        /* of the files of pictures in flight */
  gboolean is_careful; /* one picture at a time */
} CommandCall;

static void
command_call_settle (CommandCall *call, guint index)
{
  g_queue_remove (&call->in_flight, GUINT_TO_POINTER (index));
  command_picture_remove (&call->paths[index]);
  call->n_done++;
}

static void
command_call_fail_rest (CommandCall *call, const char *message)
{
  for (guint i = 0; i < call->n; i++)
    if (vard_reward_batch_get_status (call->batch, i) == VARD_REWARD_STATUS_UNSET)
      vard_reward_batch_set_failed (call->batch, i, message);
  call->n_done = call->n;
}

/* The program cannot be relied on any more: what it had goes back, or fails when it was one picture
 * alone. */
static void
command_call_lose_child (CommandCall *call, const char *what)
{
  CommandReward *self = call->self;
  g_autofree char *report = command_child_kill (self->child);
  g_autofree char *message =
    g_strdup_printf ("the program \"%s\" %s%s", self->command, what, report);
  gboolean is_alone = g_queue_get_length (&call->in_flight) == 1;

  g_clear_pointer (&self->child, command_child_free);
  call->is_careful = TRUE;
  if (is_alone)
    {
      guint index = GPOINTER_TO_UINT (g_queue_peek_head (&call->in_flight));

      vard_reward_batch_set_failed (call->batch, index, message);
      command_call_settle (call, index);
    }
  for (gpointer index; !g_queue_is_empty (&call->in_flight);)
    {
      index = g_queue_pop_tail (&call->in_flight);
      command_picture_remove (&call->paths[GPOINTER_TO_UINT (index)]);
      g_queue_push_head (&call->queue, index);
    }
  g_message ("%s", message);
  if (++self->n_failures > self->restarts && call->n_done < call->n)
    {
      g_autofree char *full = g_strdup_printf ("%s; it failed %u times, but restarts is %u",
                                               message, self->n_failures, self->restarts);
      command_call_fail_rest (call, full);
    }
}

static gboolean
command_call_write_line (CommandCall *call, guint index, GString *line, GError **error)
{
  const char *prompt = vard_reward_batch_get_prompt (call->batch, index);

  g_string_append_printf (line,
                          "{\"id\":%" G_GUINT64_FORMAT ",\"width\":%u,\"height\":%u,\"prompt\":",
                          call->first_id + index, vard_reward_batch_get_width (call->batch, index),
                          vard_reward_batch_get_height (call->batch, index));
  if (prompt != NULL)
    wire_append_text (line, prompt);
  else
    g_string_append (line, "null");
  g_string_append (line, ",\"metadata\":");
  wire_append_object (line, vard_reward_batch_get_metadata (call->batch, index));
  if (!command_picture_append (line, call->self->picture, call->batch, index, &call->paths[index],
                               error))
    return FALSE;
  g_string_append (line, "}\n");

  return TRUE;
}

static void
command_call_send_next (CommandCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) line = g_string_new (NULL);
  guint index = GPOINTER_TO_UINT (g_queue_pop_head (&call->queue));

  g_queue_push_tail (&call->in_flight, GUINT_TO_POINTER (index));
  if (command_call_write_line (call, index, line, &error))
    {
      command_child_send (call->self->child, line);
      return;
    }
  vard_reward_batch_set_failed (call->batch, index, error->message);
  command_call_settle (call, index);
}

/* The picture that an answer speaks of, or -1 */
static gint64
command_call_find (CommandCall *call, JsonObject *answer, char **problem)
{
  JsonNode *node = json_object_get_member (answer, "id");
  gint64 id, index;

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node)
      || json_node_get_value_type (node) != G_TYPE_INT64)
    {
      *problem = g_strdup ("answered without an id");
      return -1;
    }
  id = json_node_get_int (node);
  index = id - (gint64) call->first_id;
  if (g_queue_find (&call->in_flight, GUINT_TO_POINTER ((guint) index)) != NULL && index >= 0
      && index < call->n)
    return index;
  if (id >= 0 && id < (gint64) call->first_id + call->n
      && (index < 0
          || vard_reward_batch_get_status (call->batch, index) != VARD_REWARD_STATUS_UNSET))
    *problem = g_strdup_printf ("answered picture %" G_GINT64_FORMAT " twice", id);
  else
    *problem =
      g_strdup_printf ("answered picture %" G_GINT64_FORMAT ", which it did not receive", id);
  if (index >= 0 && index < call->n
      && vard_reward_batch_get_status (call->batch, index) == VARD_REWARD_STATUS_SCORED)
    vard_reward_batch_set_failed (call->batch, index, "the program gave it two scores");

  return -1;
}

static void
command_call_read_score (CommandCall *call, guint index, JsonObject *answer)
{
  JsonNode *problem = json_object_get_member (answer, "error");
  JsonNode *node = json_object_get_member (answer, "score");
  double score;

  if (problem != NULL && !JSON_NODE_HOLDS_NULL (problem))
    {
      const char *said = JSON_NODE_HOLDS_VALUE (problem) ? json_node_get_string (problem) : NULL;
      g_autofree char *excerpt = said != NULL ? wire_excerpt (said, strlen (said)) : NULL;
      vard_reward_batch_set_failed (call->batch, index, excerpt);
    }
  else if (wire_get_number (node, &score))
    vard_reward_batch_set_score (call->batch, index, score);
  else
    {
      g_autofree char *text = node != NULL ? json_to_string (node, FALSE) : NULL;
      g_autofree char *excerpt = text != NULL ? wire_excerpt (text, strlen (text)) : NULL;
      g_autofree char *message =
        text != NULL
          ? g_strdup_printf ("the program \"%s\" answered %s, which is not a finite number",
                             call->self->command, excerpt)
          : g_strdup_printf ("the program \"%s\" answered with neither \"score\" nor \"error\"",
                             call->self->command);
      vard_reward_batch_set_failed (call->batch, index, message);
    }
}

/* What is wrong with a line, or NULL */
static char *
command_call_read_line (CommandCall *call, const char *line)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = wire_parse_object (line, strlen (line), &error);
  char *problem = NULL;

  if (root == NULL)
    {
      g_autofree char *excerpt = wire_excerpt (line, strlen (line));
      /* Why a line of chatter is not JSON is of no interest */
      return g_strdup_printf ("wrote \"%s\", which is not an answer%s%s (write other output to "
                              "standard error)",
                              excerpt, excerpt[0] == '{' ? ": " : "",
                              excerpt[0] == '{' ? error->message : "");
    }
  gint64 index = command_call_find (call, json_node_get_object (root), &problem);
  if (problem != NULL)
    return problem;
  command_call_read_score (call, index, json_node_get_object (root));
  command_call_settle (call, index);

  return NULL;
}

/* A program may load its weights before its first answer. How long that takes is known once it has
 * been seen, so that a picture on which the next one hangs does not cost the whole of
 * start-timeout. */
static double
command_reward_get_timeout (CommandReward *self)
{
  if (self->has_answered)
    return self->timeout;
  if (self->start_seconds > 0)
    return MIN (self->start_timeout, self->timeout + 3 * self->start_seconds);
  return self->start_timeout;
}

static void
command_reward_note_answer (CommandReward *self)
{
  if (self->start_seconds == 0)
    self->start_seconds = (g_get_monotonic_time () - self->started_at)
                          / (double) G_TIME_SPAN_SECOND;
  self->has_answered = TRUE;
}

static gint64
command_reward_get_deadline (CommandReward *self)
{
  return g_get_monotonic_time ()
         + (gint64) (command_reward_get_timeout (self) * G_TIME_SPAN_SECOND);
}

static char *
command_call_get_problem (CommandCall *call, CommandEvent event, const char *line)
{
  switch (event)
    {
    case COMMAND_EVENT_LINE: return command_call_read_line (call, line);
    case COMMAND_EVENT_ENDED:
      return g_strdup_printf ("ended with %u picture%s unanswered",
                              g_queue_get_length (&call->in_flight),
                              g_queue_get_length (&call->in_flight) == 1 ? "" : "s");
    case COMMAND_EVENT_SILENT:
      return g_strdup_printf ("did not answer within %.3g s",
                              command_reward_get_timeout (call->self));
    default: return NULL;
    }
}

static gboolean
command_reward_start (CommandReward *self, GError **error)
{
  g_autoptr (GError) inner = NULL;

  self->has_answered = FALSE;
  self->started_at = g_get_monotonic_time ();
  self->child = command_child_new (self->command, &inner);
  if (self->child == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "cannot start the program \"%s\": %s",
                 self->command, inner->message);

  return self->child != NULL;
}

/* One line sent or one answer read; FALSE when it was cancelled or cannot go on */
static gboolean
command_call_turn (CommandCall *call, gint64 *deadline, GError **error)
{
  CommandReward *self = call->self;
  GCancellable *cancellable = vard_reward_batch_get_cancellable (call->batch);
  guint ahead = call->is_careful ? 1 : self->ahead;
  g_autofree char *line = NULL;

  if (self->child == NULL && !command_reward_start (self, error))
    return FALSE;
  if (g_queue_is_empty (&call->in_flight))
    *deadline = command_reward_get_deadline (self);
  if (g_queue_get_length (&call->in_flight) < ahead && !g_queue_is_empty (&call->queue))
    command_call_send_next (call);
  if (g_queue_is_empty (&call->in_flight))
    return TRUE;

  CommandEvent event = command_child_wait (self->child, *deadline, cancellable, &line);
  if (event == COMMAND_EVENT_CANCELLED)
    {
      command_child_stop (self->child);
      g_clear_pointer (&self->child, command_child_free);
      return !g_cancellable_set_error_if_cancelled (cancellable, error);
    }
  g_autofree char *problem = command_call_get_problem (call, event, line);
  if (problem != NULL)
    command_call_lose_child (call, problem);
  else if (event == COMMAND_EVENT_LINE)
    {
      command_reward_note_answer (self);
      *deadline = command_reward_get_deadline (self);
    }

  return TRUE;
}

/* A program that spoke or ended since the last batch, when it was asked nothing */
static void
command_call_notice (CommandCall *call)
{
  g_autofree char *line = NULL, *what = NULL;
  CommandEvent event = command_child_wait (call->self->child,
                                           g_get_monotonic_time () + G_TIME_SPAN_SECOND / 10, NULL,
                                           &line);
  g_autofree char *excerpt = line != NULL ? wire_excerpt (line, strlen (line)) : NULL;

  if (event == COMMAND_EVENT_ENDED)
    what = g_strdup ("ended between two batches");
  else
    what = g_strdup_printf ("wrote \"%s\" without a request", excerpt != NULL ? excerpt : "");
  command_call_lose_child (call, what);
}

static gboolean
command_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  CommandReward *self = COMMAND_REWARD (reward);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  guint n = vard_reward_batch_get_count (batch);
  CommandCall call = { .self = self, .batch = batch, .first_id = self->next_id, .n = n };
  gboolean result = TRUE;
  gint64 deadline = 0;

  if (self->n_failures > self->restarts)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                   "the program \"%s\" failed %u times, but restarts is %u", self->command,
                   self->n_failures, self->restarts);
      return FALSE;
    }
  self->next_id += n;
  call.paths = g_new0 (char *, n + 1);
  if (self->child != NULL && command_child_has_output (self->child))
    command_call_notice (&call);
  for (guint i = 0; i < n; i++)
    g_queue_push_tail (&call.queue, GUINT_TO_POINTER (i));
  while (result && call.n_done < n)
    result = command_call_turn (&call, &deadline, error);

  for (guint i = 0; i < n; i++)
    command_picture_remove (&call.paths[i]);
  g_free (call.paths);
  g_queue_clear (&call.queue);
  g_queue_clear (&call.in_flight);

  return result;
}

static gboolean
command_reward_prepare (VardReward *reward, GCancellable *cancellable, GError **error)
{
  CommandReward *self = COMMAND_REWARD (reward);

  if (self->command == NULL || self->command[0] == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "no program is given: set \"command\", for example command=python3 score.py");
      return FALSE;
    }

  return self->child != NULL || command_reward_start (self, error);
}

static VardRewardNeeds
command_reward_get_needs (VardReward *reward)
{
  return COMMAND_REWARD (reward)->needs_prompt ? VARD_REWARD_NEEDS_PROMPT
                                               : VARD_REWARD_NEEDS_NOTHING;
}

static void
command_reward_finalize (GObject *object)
{
  CommandReward *self = COMMAND_REWARD (object);

  command_child_free (self->child);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (command_reward_parent_class)->finalize (object);
}

static void
command_reward_class_init (CommandRewardClass *klass)
{
  VardRewardClass *reward_class = VARD_REWARD_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = command_reward_finalize;
  reward_class->prepare = command_reward_prepare;
  reward_class->score = command_reward_score;
  reward_class->get_needs = command_reward_get_needs;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
command_reward_init (CommandReward *self)
{
  g_mutex_init (&self->lock);
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "command", COMMAND_TYPE_REWARD);
}

VARD_PLUGIN ("command",
             "1.0",
             "LGPL-2.1-or-later",
             "Scores by any program that reads and writes lines",
             provide);
