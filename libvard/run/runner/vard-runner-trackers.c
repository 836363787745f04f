/* vard-runner-trackers.c - sends a run's numbers and pictures to its trackers
 *
 * metrics.jsonl is the run's own record: a resume counts its bytes, so a line that vard cannot
 * write ends the run. Any other tracker is a guest: if it fails, vard drops it with a warning.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/runner/vard-runner-private.h"

#include "algorithms/vard-algorithm-table.h"
#include "run/vard-run-samples.h"
#include "track/vard-jsonl-tracker.h"

/**
 * vard_runner_add_tracker:
 * @self: a runner
 * @tracker: a tracker
 *
 * Hands every line of metrics and the grid of every evaluation to a tracker too. Add it before the
 * run begins. If it fails, vard warns once and the run goes on without it.
 */
void
vard_runner_add_tracker (VardRunner *self, VardTracker *tracker)
{
  g_return_if_fail (VARD_IS_RUNNER (self) && VARD_IS_TRACKER (tracker));

  vard_tracker_group_add (self->trackers, tracker);
}

gboolean
vard_runner_open_tracker (VardRunner *self, GError **error)
{
  g_autofree char *path = vard_run_build_path (self->run, "metrics.jsonl");
  g_autoptr (VardTracker) tracker = vard_jsonl_tracker_new (path, error);

  if (tracker == NULL)
    return FALSE;
  vard_tracker_group_add_required (self->trackers, tracker);

  return TRUE;
}

/* The grid is in the run's folder already: its bytes are those of the file */
static gboolean
vard_runner_track_grid (VardRunner *self, guint64 step, GError **error)
{
  g_autofree char *folder = vard_run_build_samples_path (self->run, step);
  g_autofree char *path = g_build_filename (folder, "grid.png", NULL);
  char *contents;
  gsize size;

  if (!vard_tracker_group_takes_pictures (self->trackers))
    return TRUE;
  if (!g_file_get_contents (path, &contents, &size, error))
    return FALSE;

  g_autoptr (GBytes) png = g_bytes_new_take (contents, size);

  return vard_tracker_write_picture (VARD_TRACKER (self->trackers), step, "evaluation/grid", png,
                                     error);
}

gboolean
vard_runner_track_evaluation (VardRunner *self,
                              guint64 step,
                              VardEvaluation *evaluation,
                              GError **error)
{
  g_autoptr (VardMetrics) metrics =
    vard_metrics_dup_prefixed (vard_evaluation_peek_metrics (evaluation), "evaluation/");

  return vard_tracker_write (VARD_TRACKER (self->trackers), metrics, error)
         && vard_runner_track_grid (self, step, error);
}

/**
 * vard_runner_dup_metric_table:
 * @self: a runner
 *
 * Returns: (transfer full): a row for every metric that this run writes, with one for each of its
 *   rewards
 */
VardMetricTable *
vard_runner_dup_metric_table (VardRunner *self)
{
  g_return_val_if_fail (VARD_IS_RUNNER (self), NULL);

  VardMetricTable *table = vard_list_metrics ();

  vard_reward_mix_add_metrics (self->rewards, table);

  return table;
}

/**
 * vard_list_metrics:
 *
 * Returns: (transfer full): a row for every metric that some run can write: the core's and those of
 *   every algorithm, with patterns in place of rewards' labels
 */
VardMetricTable *
vard_list_metrics (void)
{
  VardMetricTable *table = vard_metric_table_new ();
  guint n_types;
  g_autofree GType *types = vard_algorithm_list_types (&n_types);

  for (guint i = 0; i < n_types; i++)
    {
      VardAlgorithmClass *algorithm = vard_algorithm_peek_class (types[i]);

      for (guint k = 0; k < algorithm->n_metrics; k++)
        vard_metric_table_add (table, &algorithm->metrics[k]);
    }

  return table;
}
