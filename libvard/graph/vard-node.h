/* vard-node.h - one operation of a graph: a record in the graph's arena
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-dtype.h"
#include "tensor/vard-shape.h"

G_BEGIN_DECLS

typedef struct _VardGraph VardGraph;
typedef struct _VardNode VardNode;
typedef struct _VardOpClass VardOpClass;

typedef enum
{
  VARD_OP_FLAG_NONE = 0,
  VARD_OP_FLAG_ELEMENTWISE = 1 << 0, /* output i depends on inputs' elements i alone; same shapes */
  VARD_OP_FLAG_INPLACE = 1 << 1,     /* may write over its first input */
  VARD_OP_FLAG_SOURCE = 1 << 2,      /* input, param, const: no kernel, bound from outside */
  VARD_OP_FLAG_EFFECT = 1 << 3,      /* kept alive without readers (assign) */
  VARD_OP_FLAG_VIEW = 1 << 4,        /* same bytes under another shape (reshape) */
  VARD_OP_FLAG_NO_GRADIENT = 1 << 5, /* its inputs get no cotangent (stop, step, gather's ids) */
} VardOpFlags;

/* What an operation is. Every op has @infer and @reference; @vjp unless NO_GRADIENT or SOURCE. */
struct _VardOpClass
{
  const char *name;
  VardOpFlags flags;
  gsize attrs_size;

  /* the output's shape and type from inputs and attributes; errors name both shapes */
  gboolean (*infer) (const VardNode *self, VardShape *shape, VardDType *dtype, GError **error);

  /* out[k] = cotangent of input k as new nodes of the same graph, or NULL where there is none */
  void (*vjp) (VardNode *self, VardNode *bar, VardNode **out);

  /* plain loops in float (integer inputs are passed as they are, by cast): the oracle */
  void (*reference) (const VardNode *self, float **in, float *out);

  /* optional: the same value from simpler ops; gives an op without @vjp its second derivative */
  VardNode *(*decompose) (VardNode *self);

  /* optional: attributes as text for dumps */
  void (*describe) (const VardNode *self, GString *text);
};

struct _VardNode
{
  VardGraph *graph;
  const VardOpClass *op;
  guint id; /* dense; emission order is a topological order */
  VardDType dtype;
  VardShape shape;
  guint n_inputs;
  VardNode **inputs;
  gconstpointer attrs; /* op->attrs_size bytes */
  const char *scope;   /* interned path of the module that emitted it, or "" */
  guint segment;       /* 0: none; else recomputed in the reverse sweep as a block */
  guint generation;    /* 0: recorded; above: re-emitted by the reverse sweep */
};

/**
 * vard_node_get_count: (skip)
 * @self: a node
 *
 * Returns: the number of elements of its value
 */
static inline gint64
vard_node_get_count (const VardNode *self)
{
  return vard_shape_get_count (&self->shape);
}

G_END_DECLS
