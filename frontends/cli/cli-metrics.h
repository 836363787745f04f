/* cli-metrics.h - what every metric of a run means
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

/* Prints the table of metrics, as text or as JSON */
void cli_print_metrics (gboolean is_json);
