/* cli-estimate.h - how long a training would take on this machine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

typedef struct
{
  double n_forwards; /* evaluations of the denoiser, or as much work */
  double seconds_each;
} CliEstimate;

/* how often pictures are judged, the base model's included */
guint cli_estimate_count_evaluations (VardTrainerSettings *settings);
/* Times a few evaluations of the denoiser */
gboolean cli_estimate_measure (CliEstimate *self,
                               VardRunner *runner,
                               GCancellable *cancellable,
                               GError **error);
/* On stderr, where it is days. FALSE when it was cancelled. */
gboolean cli_estimate_warn (VardRunner *runner, GCancellable *cancellable, GError **error);
