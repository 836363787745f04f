/* vard-run-samples.h - writes the pictures of an evaluation into a run's folder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "run/vard-run.h"
#include "train/vard-evaluation.h"

G_BEGIN_DECLS

char *vard_run_build_samples_path (VardRun *self, guint64 step);
/* samples/step-NNNNNN/: a PNG a picture, grid.png, samples.json; there whole or not at all */
gboolean vard_run_write_samples (VardRun *self,
                                 guint64 step,
                                 VardEvaluation *evaluation,
                                 GError **error);
/* "metrics" of that step's samples.json */
JsonObject *vard_run_read_evaluation (VardRun *self, guint64 step, GError **error);

G_END_DECLS
