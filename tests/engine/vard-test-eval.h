/* vard-test-eval.h - a graph's values by the operations' own reference functions, without an engine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard-internal.h>
#include "graph/vard-ops.h"

G_BEGIN_DECLS

typedef struct
{
  guint n_nodes;
  gpointer *values; /* by node id, NULL for nodes that no output needs */
} VardTestValues;

/* inputs: the graph's inputs in the order they were recorded */
VardTestValues *vard_test_eval (VardGraph *graph, gpointer *inputs);
void vard_test_values_free (VardTestValues *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardTestValues, vard_test_values_free)

G_END_DECLS
