/* vard-graph-private.h - what the files of graph/ share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/vard-graph.h"

G_BEGIN_DECLS

/* Where newly emitted nodes belong; the reverse sweep sets all three for what it emits */
typedef struct
{
  const char *scope;
  guint segment;
  guint generation;
} VardEmission;

VardEmission vard_graph_get_emission (VardGraph *self);
void vard_graph_set_emission (VardGraph *self, const VardEmission *emission);
guint vard_graph_new_generation (VardGraph *self);
gboolean vard_graph_has_failed (VardGraph *self);

G_END_DECLS
