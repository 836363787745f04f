/* vard-op-rows.h - every operation at several shapes, as data for the tests of slopes and of
 * engines
 *
 * A row builds one node (or a few) from inputs whose values are drawn for it. A function is a row
 * or its derivative of some order, recorded in a graph of its own. An engine is tested by calling
 * vard_op_function_compare on the functions of every row.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "vard-test-eval.h"

#include "engine/vard-executable.h"

G_BEGIN_DECLS

typedef enum
{
  VARD_DRAW_NONE,
  VARD_DRAW_NORMAL,
  VARD_DRAW_POSITIVE, /* 0.5 to 2 */
  VARD_DRAW_GRID,     /* near integers: at least 0.4 from halves */
  VARD_DRAW_HALVES,   /* near halves: at least 0.4 from integers */
  VARD_DRAW_IDS,      /* i32 from -1 to limit, both outside a table of limit rows */
  VARD_DRAW_COUNTER,  /* i64 */
} VardDraw;

typedef struct
{
  VardDraw draw;
  VardShape shape;
  gint32 limit;
} VardOpInput;

typedef struct _VardOpRow VardOpRow;

struct _VardOpRow
{
  const char *name;
  const VardOpClass *op; /* what the row is for; NULL for composed builders */
  VardNode *(*build) (const VardOpRow *row, VardNode **in);
  VardOpInput inputs[4];
  VardNode *(*unary) (VardNode *x);
  VardNode *(*binary) (VardNode *a, VardNode *b);
  double numbers[8]; /* the builder's attributes */
  VardShape shape;   /* another attribute */
  guint n_slopes;    /* how often it can be differentiated here: 0 to 2 */
  gboolean is_large; /* for engines' tiles and tails: too slow for slopes */
};

extern const VardOpRow vard_op_rows[];
extern const guint vard_n_op_rows;

/* Blocks of several operations (vard-op-blocks.c) */
VardNode *vard_op_build_gated (const VardOpRow *row, VardNode **in);
VardNode *vard_op_build_res_block (const VardOpRow *row, VardNode **in);
VardNode *vard_op_build_transformer_block (const VardOpRow *row, VardNode **in);
VardNode *vard_op_build_down_up (const VardOpRow *row, VardNode **in);
VardNode *vard_op_build_guidance (const VardOpRow *row, VardNode **in);

#define VARD_OP_FUNCTION_MAX 16

typedef struct
{
  VardGraph *graph;
  guint n_inputs, n_outputs;
  VardNode *inputs[VARD_OP_FUNCTION_MAX];
  VardNode *outputs[VARD_OP_FUNCTION_MAX]; /* named "y0", "y1", ... */
  gpointer values[VARD_OP_FUNCTION_MAX];   /* drawn, for each input */
} VardOpFunction;

/* order 0: the row; 1: the gradients for its inputs and a random cotangent; 2: the gradients of
 * these */
VardOpFunction *vard_op_function_new (const VardOpRow *row, guint order);
/* How often a value is rounded on the longest way to an output, by an engine that rounds what
 * products read and write and what is made of it; 0 without products */
guint vard_op_function_count_roundings (const VardOpFunction *self);
void vard_op_function_free (VardOpFunction *self);
/* Replaces the outputs by their gradients; each old output gets a drawn cotangent as a new input.
 * wrt[i] is the input that new output i belongs to. Returns the number of new outputs. */
guint vard_op_function_differentiate (VardOpFunction *self, guint *wrt);
/* the largest |a - b| / max|b| over the outputs, a from the engine, b from the reference
 * functions */
gboolean vard_op_function_compare (VardOpFunction *self,
                                   VardEngine *engine,
                                   double *difference,
                                   GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardOpFunction, vard_op_function_free)

G_END_DECLS
