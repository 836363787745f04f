/* vard-error.h - the error domain: codes are for callers that branch, messages are for people
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VARD_ERROR:
 *
 * The error domain of the library. Cancellation is reported as %G_IO_ERROR_CANCELLED.
 */
#define VARD_ERROR (vard_error_quark ())

/**
 * VardError:
 * @VARD_ERROR_FAILED: something went wrong that no other code names
 * @VARD_ERROR_USAGE: an unknown name or a value outside its range, given by the caller
 * @VARD_ERROR_CONFIG: a configuration or an input file is missing, damaged or contradictory
 * @VARD_ERROR_UNSUPPORTED: valid, but not something this build, engine or model can do
 * @VARD_ERROR_GRAPH: shapes or types in a graph disagree
 * @VARD_ERROR_PLUGIN: a plugin could not be loaded or does not have what was asked for
 * @VARD_ERROR_REWARD: a reward failed
 * @VARD_ERROR_DIVERGED: training left the range of numbers
 * @VARD_ERROR_EXISTS: the target exists and was not to be overwritten
 * @VARD_ERROR_BUSY: another live process holds it
 * @VARD_ERROR_NOT_LIVE: no process trains the run
 */
typedef enum
{
  VARD_ERROR_FAILED,
  VARD_ERROR_USAGE,
  VARD_ERROR_CONFIG,
  VARD_ERROR_UNSUPPORTED,
  VARD_ERROR_GRAPH,
  VARD_ERROR_PLUGIN,
  VARD_ERROR_REWARD,
  VARD_ERROR_DIVERGED,
  VARD_ERROR_EXISTS,
  VARD_ERROR_BUSY,
  VARD_ERROR_NOT_LIVE,
} VardError;

GQuark vard_error_quark (void);

G_END_DECLS
