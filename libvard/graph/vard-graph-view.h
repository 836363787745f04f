/* vard-graph-view.h - what an engine reads of a graph
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/vard-node.h"
#include "tensor/vard-tensor.h"

G_BEGIN_DECLS

guint vard_graph_get_n_nodes (VardGraph *self);
VardNode *vard_graph_get_node (VardGraph *self, guint id);

/* Source records, for engines */
typedef enum
{
  VARD_SOURCE_INPUT,
  VARD_SOURCE_PARAM,
  VARD_SOURCE_CONST
} VardSourceKind;

typedef struct
{
  VardSourceKind kind;
  guint index;        /* the n-th of its graph */
  const char *name;   /* interned */
  VardTensor *tensor; /* param and const; owned by the graph */
} VardSourceAttrs;

extern const VardOpClass vard_op_source;

typedef struct
{
  const char *name;
  VardNode *node;
} VardOutput;

typedef struct
{
  VardNode *param;
  VardNode *value;
} VardAssignment;

const VardOutput *vard_graph_get_outputs (VardGraph *self, guint *n_outputs);
const VardAssignment *vard_graph_get_assignments (VardGraph *self, guint *n_assignments);

G_END_DECLS
