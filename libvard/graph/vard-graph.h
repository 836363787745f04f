/* vard-graph.h - operations in the order they were recorded, to be compiled once and replayed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/vard-graph-view.h"

G_BEGIN_DECLS

#define VARD_TYPE_GRAPH (vard_graph_get_type ())

GType vard_graph_get_type (void) G_GNUC_CONST;
VardGraph *vard_graph_new (void);
VardGraph *vard_graph_ref (VardGraph *self);
void vard_graph_unref (VardGraph *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardGraph, vard_graph_unref)

/* Emits a node, or returns the equal node that is already there. Inputs must be of one graph.
 * Errors are kept in the graph (the first wins) and poison what depends on them. @attrs is
 * copied. */
VardNode *vard_node_emit (VardGraph *graph,
                          const VardOpClass *op,
                          VardNode *const *inputs,
                          guint n_inputs,
                          gconstpointer attrs);

/* The first error of the recording, or NULL; (transfer none) */
const GError *vard_graph_peek_error (VardGraph *self);
/* Records an error found by code that builds on the graph (a model given a wrong size) */
void vard_graph_take_error (VardGraph *self, GError *error);

/* Sources. An input is written before each execution; a param reads the tensor's storage where it
 * is; a constant is copied at compile time. Names of inputs and outputs are unique in a graph. */
VardNode *vard_input (VardGraph *self, const char *name, VardDType dtype, VardShape shape);
VardNode *vard_param (VardGraph *self, const char *name, VardTensor *tensor);
VardNode *vard_constant (VardGraph *self, VardTensor *tensor);
VardNode *vard_constant_f32 (VardGraph *self, VardShape shape, const float *values);
VardNode *vard_fill (VardGraph *self, double value, VardShape shape);

/* Sinks. An output is kept for reading after each execution. An assign replaces a param's contents
 * when the execution ends: every read in the same graph sees the old contents. */
void vard_graph_add_output (VardGraph *self, const char *name, VardNode *node);
void vard_assign (VardNode *param, VardNode *value);

/* Module paths, for names in dumps and traces; nest with push and pop */
void vard_graph_push_scope (VardGraph *self, const char *name);
void vard_graph_pop_scope (VardGraph *self);

/* Between these two calls nodes belong to one segment: the reverse sweep re-emits it instead of
 * keeping its inner values alive (gradient checkpointing, arXiv 1604.06174). Not nested. */
void vard_graph_begin_segment (VardGraph *self);
void vard_graph_end_segment (VardGraph *self);

/* marks[id] is TRUE for nodes that an output or an assignment needs; (transfer full) n_nodes
 * bytes */
guint8 *vard_graph_mark_live (VardGraph *self);

/* One line a node: id, op, shape, inputs, attributes, scope */
char *vard_graph_dump (VardGraph *self);

/* Reverse mode. Emits the cotangents of @wrt for the weighted sum of @outputs with @cotangents (a
 * NULL cotangent is all ones) into @gradients; one that nothing reaches is a fill of zeros. */
void vard_vjp (VardNode *const *outputs,
               VardNode *const *cotangents,
               guint n_outputs,
               VardNode *const *wrt,
               guint n_wrt,
               VardNode **gradients);

G_END_DECLS
