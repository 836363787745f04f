/* vard-executable.h - a compiled graph with its inputs and outputs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine-buffers.h"

G_BEGIN_DECLS

#define VARD_TYPE_EXECUTABLE (vard_executable_get_type ())
G_DECLARE_FINAL_TYPE (VardExecutable, vard_executable, VARD, EXECUTABLE, GObject)

/* Fails with the graph's own error, or names every node the engine cannot run. Params are
 * adopted. */
VardExecutable *vard_engine_compile (VardEngine *engine, VardGraph *graph, GError **error);
/* size in bytes must be the input's: anything else is VARD_ERROR_GRAPH naming both */
gboolean vard_executable_set_input (VardExecutable *self,
                                    const char *name,
                                    gconstpointer data,
                                    gsize size,
                                    GError **error);
gboolean vard_executable_run (VardExecutable *self, GCancellable *cancellable, GError **error);
gboolean vard_executable_get_output (VardExecutable *self,
                                     const char *name,
                                     gpointer data,
                                     gsize size,
                                     GError **error);
gsize vard_executable_get_workspace_size (VardExecutable *self);
/* multiplications and additions of a run's products, convolutions and attention, by the engine's
 * own count */
double vard_executable_count_flops (VardExecutable *self);
/* bytes of all inputs and outputs, which are kept between runs */
gsize vard_executable_get_ports_size (VardExecutable *self);
VardProgram *vard_executable_peek_program (VardExecutable *self);

G_END_DECLS
