/* test-ranks.c - two ranks are one rank with twice the batch, bit for bit, and fail together
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake-communicator.h"
#include "random-search.h"
#include "toy-run.h"

#include "base/vard-error.h"
#include "comm/vard-solo-communicator.h"
#include "tensor/vard-safetensors.h"

#include <glib/gstdio.h>

#define PEAK 0.6

/* ---- what a run leaves ---- */

typedef struct _Rank Rank;

struct _Rank
{
  VardTrainerSettings *settings;
  VardCommunicator *communicator; /* NULL: alone */
  gboolean is_tiny;               /* a real model, on the engine for processors */
  void (*prepare) (Rank *self);   /* what else it listens to; may be NULL */
  ToyRun run;
  GString *lines; /* metrics of steps and evaluations, without times */
  GCancellable *cancellable;
  GError *error;
  gboolean ok;
};

static void
note_metrics (Rank *rank, VardMetrics *metrics)
{
  g_string_append_printf (rank->lines, "%" G_GUINT64_FORMAT, vard_metrics_get_step (metrics));
  for (guint i = 0; i < vard_metrics_get_count (metrics); i++)
    {
      const char *name = vard_metrics_get_name (metrics, i);

      if (!g_str_has_prefix (name, "seconds/") && !g_str_has_prefix (name, "memory/")
          && !g_str_equal (name, "images-per-second"))
        g_string_append_printf (rank->lines, " %s=%a", name, vard_metrics_get_value (metrics, i));
    }
  g_string_append_c (rank->lines, '\n');
}

static void
on_step (VardTrainer *trainer, guint64 step, VardMetrics *metrics, Rank *rank)
{
  note_metrics (rank, metrics);
}

/* Pictures belong to an evaluation, too */
static void
on_evaluation (VardTrainer *trainer, guint64 step, VardEvaluation *evaluation, Rank *rank)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  note_metrics (rank, vard_evaluation_peek_metrics (evaluation));
  for (guint p = 0; p < vard_evaluation_get_n_prompts (evaluation); p++)
    for (guint s = 0; s < vard_evaluation_get_n_seeds (evaluation); s++)
      {
        GBytes *rgb = vard_image_get_rgb (vard_evaluation_get_image (evaluation, p, s));

        g_checksum_update (sum, g_bytes_get_data (rgb, NULL), g_bytes_get_size (rgb));
      }
  g_string_append_printf (rank->lines, "pictures %s\n", g_checksum_get_string (sum));
}

static void
rank_clear (Rank *self)
{
  toy_run_clear (&self->run);
  g_string_free (self->lines, TRUE);
  g_clear_object (&self->cancellable);
  g_clear_error (&self->error);
}

/* A reward answers in the thread that made it, so each rank makes its own */
static gpointer
rank_go (gpointer data)
{
  Rank *self = data;
  g_autoptr (VardCommunicator) communicator =
    self->communicator != NULL ? g_object_ref (self->communicator) : vard_solo_communicator_new ();

  self->lines = g_string_new (NULL);
  self->cancellable = g_cancellable_new ();
  if (self->is_tiny)
    toy_run_init_tiny (&self->run, self->settings, PEAK, communicator);
  else
    toy_run_init_on_rank (&self->run, self->settings, PEAK, communicator);
  g_signal_connect (self->run.trainer, "step", G_CALLBACK (on_step), self);
  g_signal_connect (self->run.trainer, "evaluation", G_CALLBACK (on_evaluation), self);
  g_signal_connect (self->run.trainer, "samples", G_CALLBACK (on_evaluation), self);
  if (self->prepare != NULL)
    self->prepare (self);
  self->ok = vard_trainer_run (self->run.trainer, self->cancellable, &self->error);

  return NULL;
}

/* All ranks at once, each in its thread */
static void
go_together (Rank *ranks, guint n)
{
  g_autofree GThread **threads = g_new (GThread *, n);

  for (guint i = 0; i < n; i++)
    threads[i] = g_thread_new ("rank", rank_go, &ranks[i]);
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
}

/* ---- states ---- */

static void
save (Rank *rank, const char *folder)
{
  g_autoptr (GError) error = NULL;

  vard_trainer_save_state (rank->run.trainer, folder, &error);
  g_assert_no_error (error);
}

/* A state file's head without the seconds of training, and the bytes of its tensors */
static char *
read_state (const char *folder, const char *name, GBytes **tensors)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GRegex) seconds = g_regex_new ("seconds\\\\*\":[-+.e0-9]*", 0, 0, NULL);
  char *contents;
  gsize size;
  guint64 n_head;

  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  memcpy (&n_head, contents, sizeof n_head);
  n_head = GUINT64_FROM_LE (n_head);
  g_assert_cmpuint (sizeof n_head + n_head, <=, size);

  g_autofree char *head = g_strndup (contents + sizeof n_head, n_head);
  char *same = g_regex_replace_literal (seconds, head, -1, 0, "", 0, NULL);

  *tensors = g_bytes_new (contents + sizeof n_head + n_head, size - sizeof n_head - n_head);
  g_free (contents);

  return g_strchomp (same);
}

static void
assert_same_file (const char *folder, const char *other, const char *name)
{
  g_autoptr (GBytes) tensors = NULL, others = NULL;
  g_autofree char *head = read_state (folder, name, &tensors);
  g_autofree char *other_head = read_state (other, name, &others);

  g_assert_cmpstr (head, ==, other_head);
  g_assert_true (g_bytes_equal (tensors, others));
}

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      g_assert_cmpint (g_remove (file), ==, 0);
    }
  g_assert_cmpint (g_rmdir (path), ==, 0);
}

/* Weights, moments, value network, pool, ring, statistics and counters */
static void
assert_same_state (Rank *a, Rank *b)
{
  g_autofree char *folder = g_dir_make_tmp ("vard-ranks-XXXXXX", NULL);
  g_autofree char *other = g_dir_make_tmp ("vard-ranks-XXXXXX", NULL);
  g_autoptr (GDir) files = NULL;
  const char *name;
  guint n = 0;

  save (a, folder);
  save (b, other);
  files = g_dir_open (folder, 0, NULL);
  while ((name = g_dir_read_name (files)) != NULL)
    {
      assert_same_file (folder, other, name);
      n++;
    }
  g_assert_cmpuint (n, >=, 1);
  remove_folder (folder);
  remove_folder (other);
}

/* ---- the law ---- */

typedef struct
{
  const char *name;
  guint n_ranks;
  const char *algorithm;
  VardTrainedWeights weights;
  gboolean refreshes;
  VardWhitening whitening;
  double guidance, ema;
  gboolean is_tiny;
} LawRow;

/* Batches of 8 pictures and 12 states: shares of 4 and 6, or of 3, 3, 2 and of 4. The tiny model is
 * guided: 8 rows and 16 rows are computed alike by the engine for processors, 4 rows are not. */
static const LawRow law_rows[] = {
  { "/ranks/two/full", 2, "vard", VARD_TRAINED_WEIGHTS_FULL, FALSE, VARD_WHITENING_BASE, 1, 0 },
  { "/ranks/two/lora", 2, "vard", VARD_TRAINED_WEIGHTS_LORA, FALSE, VARD_WHITENING_BASE, 1, 0 },
  { "/ranks/two/refresh", 2, "vard", VARD_TRAINED_WEIGHTS_FULL, TRUE, VARD_WHITENING_BASE, 1, 0.5 },
  { "/ranks/two/running", 2, "vard", VARD_TRAINED_WEIGHTS_LORA, TRUE, VARD_WHITENING_RUNNING, 2,
    0 },
  { "/ranks/three/uneven", 3, "vard", VARD_TRAINED_WEIGHTS_FULL, TRUE, VARD_WHITENING_BASE, 1, 0 },
  { "/ranks/two/tiny-lora", 2, "vard", VARD_TRAINED_WEIGHTS_LORA, TRUE, VARD_WHITENING_BASE, 2, 0,
    TRUE },
  { "/ranks/two/tiny-full", 2, "vard", VARD_TRAINED_WEIGHTS_FULL, FALSE, VARD_WHITENING_BASE, 2, 0,
    TRUE },
  /* an algorithm that knows nothing of ranks */
  { "/ranks/two/random-search", 2, "random-search", VARD_TRAINED_WEIGHTS_FULL, FALSE,
    VARD_WHITENING_BASE, 1, 0 },
};

static VardTrainerSettings *
new_settings (const LawRow *row)
{
  VardTrainerSettings *settings = toy_run_settings ();

  g_object_set (settings, "algorithm", row->algorithm, "weights", row->weights, "value-refresh",
                row->refreshes, "whitening", row->whitening, "guidance-scale", row->guidance, "ema",
                row->ema, "kl-target", 0.01, "value-gradient-quantile", 0.9, "evaluation-interval",
                2, "sample-interval", row->is_tiny ? 0 : 3, NULL);
  if (row->weights == VARD_TRAINED_WEIGHTS_LORA && !row->is_tiny)
    g_object_set (settings, "lora-rank", 2, "lora-targets", (const char *[]) { "to_q", NULL },
                  NULL);

  return settings;
}

/* One rank with twice the batch, which it computes in parts of one rank's batch */
static void
test_ranks_law (gconstpointer data)
{
  const LawRow *row = data;
  g_autoptr (VardTrainerSettings) settings = new_settings (row);
  g_autoptr (VardTrainerSettings) parts = new_settings (row);
  g_autoptr (GPtrArray) communicators = fake_communicators_new (row->n_ranks);
  g_autofree Rank *ranks = g_new0 (Rank, row->n_ranks);
  Rank alone = { .settings = parts, .is_tiny = row->is_tiny };

  g_object_set (parts, "micro-batch", 12 / row->n_ranks, NULL);
  rank_go (&alone);
  g_assert_no_error (alone.error);

  for (guint i = 0; i < row->n_ranks; i++)
    ranks[i] = (Rank) { .settings = settings,
                        .communicator = communicators->pdata[i],
                        .is_tiny = row->is_tiny };
  go_together (ranks, row->n_ranks);

  g_assert_cmpuint (strlen (alone.lines->str), >, 500);
  for (guint i = 0; i < row->n_ranks; i++)
    {
      g_assert_no_error (ranks[i].error);
      g_assert_cmpstr (ranks[i].lines->str, ==, alone.lines->str);
      assert_same_state (&ranks[i], &alone);
      rank_clear (&ranks[i]);
    }
  rank_clear (&alone);
}

/* ---- failing together ---- */

static void
cancel_in_step (VardTrainer *trainer,
                const char *phase,
                double fraction,
                VardMetrics *metrics,
                Rank *rank)
{
  if (g_str_equal (phase, "step"))
    g_cancellable_cancel (rank->cancellable);
}

static void
break_reward (VardTrainer *trainer, guint64 step, VardMetrics *metrics, Rank *rank)
{
  if (step == 2)
    toy_reward_break (TOY_REWARD (rank->run.reward));
}

static void
stop_at_second (VardTrainer *trainer, guint64 step, VardMetrics *metrics, Rank *rank)
{
  if (step == 2)
    vard_trainer_stop (trainer);
}

static void
cancel_when_stepping (Rank *self)
{
  g_signal_connect (self->run.trainer, "progress", G_CALLBACK (cancel_in_step), self);
}

static void
break_at_second (Rank *self)
{
  g_signal_connect (self->run.trainer, "step", G_CALLBACK (break_reward), self);
}

static void
stop_when_second (Rank *self)
{
  g_signal_connect (self->run.trainer, "step", G_CALLBACK (stop_at_second), self);
}

/* Two ranks, of which one has something special; clear both */
static void
run_two (Rank ranks[2], guint which, void (*prepare) (Rank *self))
{
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autoptr (GPtrArray) communicators = fake_communicators_new (2);

  for (guint i = 0; i < 2; i++)
    ranks[i] = (Rank) { .settings = settings,
                        .communicator = communicators->pdata[i],
                        .prepare = i == which ? prepare : NULL };
  go_together (ranks, 2);
}

static void
clear_two (Rank ranks[2])
{
  rank_clear (&ranks[0]);
  rank_clear (&ranks[1]);
}

/* One rank is cancelled: both end, the other one with the reason */
static void
test_ranks_cancel (void)
{
  Rank ranks[2];

  run_two (ranks, 1, cancel_when_stepping);
  g_assert_error (ranks[1].error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_error (ranks[0].error, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_nonnull (strstr (ranks[0].error->message, "rank 1 gave up: "));
  g_assert_nonnull (strstr (ranks[0].error->message, ranks[1].error->message));
  clear_two (ranks);
}

/* A reward fails on rank 0 alone */
static void
test_ranks_reward (void)
{
  Rank ranks[2];

  run_two (ranks, 0, break_at_second);
  g_assert_error (ranks[0].error, VARD_ERROR, VARD_ERROR_REWARD);
  g_assert_error (ranks[1].error, VARD_ERROR, VARD_ERROR_FAILED);
  g_assert_nonnull (strstr (ranks[1].error->message, "rank 0 gave up: the reward grey"));
  clear_two (ranks);
}

/* One rank is asked to stop: both do, after the same step */
static void
test_ranks_stop (void)
{
  Rank ranks[2];

  run_two (ranks, 1, stop_when_second);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_no_error (ranks[i].error);
      g_assert_cmpuint (vard_trainer_get_step (ranks[i].run.trainer), ==, 2);
    }
  assert_same_state (&ranks[0], &ranks[1]);
  clear_two (ranks);
}

/* ---- the fake itself ---- */

typedef struct
{
  VardCommunicator *communicator;
  gboolean ok;
  GError *error;
} Caller;

static gpointer
call_barrier (gpointer data)
{
  Caller *self = data;

  self->ok = vard_communicator_barrier (self->communicator, &self->error);

  return NULL;
}

/* Ranks that have lost each other are told so */
static void
test_ranks_mismatch (void)
{
  g_autoptr (GPtrArray) communicators = fake_communicators_new (2);
  g_autoptr (VardBuffer) buffer = vard_buffer_new (4 * sizeof (float));
  g_autoptr (GError) error = NULL;
  Caller other = { .communicator = communicators->pdata[1] };
  g_autoptr (GThread) thread = g_thread_new ("rank", call_barrier, &other);

  g_assert_false (vard_communicator_all_reduce (communicators->pdata[0], buffer, 0, 4, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_FAILED);
  g_thread_join (g_steal_pointer (&thread));
  g_assert_false (other.ok);
  g_assert_cmpstr (other.error->message, ==, error->message);
  g_clear_error (&other.error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_type_ensure (RANDOM_SEARCH_TYPE_ALGORITHM);
  for (guint i = 0; i < G_N_ELEMENTS (law_rows); i++)
    g_test_add_data_func (law_rows[i].name, &law_rows[i], test_ranks_law);
  g_test_add_func ("/ranks/cancel", test_ranks_cancel);
  g_test_add_func ("/ranks/reward", test_ranks_reward);
  g_test_add_func ("/ranks/stop", test_ranks_stop);
  g_test_add_func ("/ranks/mismatch", test_ranks_mismatch);

  return g_test_run ();
}
