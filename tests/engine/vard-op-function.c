/* vard-op-function.c - rows as functions that can be evaluated, differentiated and compared
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "vard-op-rows.h"

#include "base/vard-random.h"

#include <math.h>
#include <string.h>

#define KEY 20260101

/* jitter of 0.1 around integers plus an offset, from -3 to 3 */
static void
draw_grid (guint64 counter, double offset, float *out, gint64 n)
{
  for (gint64 i = 0; i < n; i++)
    out[i] = (double) vard_random_uniform_int (KEY, counter, 2 * i, 7) - 3 + offset
             + 0.2 * (vard_random_uniform (KEY, counter, 2 * i + 1) - 0.5);
}

static void
draw_ids (guint64 counter, gint32 limit, gint32 *out, gint64 n)
{
  for (gint64 i = 0; i < n; i++)
    out[i] = (gint32) vard_random_uniform_int (KEY, counter, i, limit + 2) - 1;
}

static VardDType
get_dtype (VardDraw draw)
{
  return draw == VARD_DRAW_IDS       ? VARD_DTYPE_I32
         : draw == VARD_DRAW_COUNTER ? VARD_DTYPE_I64
                                     : VARD_DTYPE_F32;
}

static gpointer
draw_values (const VardOpInput *input, guint64 counter)
{
  gint64 n = vard_shape_get_count (&input->shape);
  gpointer out = g_malloc0 (n * vard_dtype_get_size (get_dtype (input->draw)));

  if (input->draw == VARD_DRAW_NORMAL)
    vard_random_fill_normal (KEY, counter, out, n);
  else if (input->draw == VARD_DRAW_GRID || input->draw == VARD_DRAW_HALVES)
    draw_grid (counter, input->draw == VARD_DRAW_GRID ? 0 : 0.5, out, n);
  else if (input->draw == VARD_DRAW_IDS)
    draw_ids (counter, input->limit, out, n);
  else
    for (gint64 i = 0; i < n; i++)
      if (input->draw == VARD_DRAW_COUNTER)
        ((gint64 *) out)[i] = 1234567 + 89 * i;
      else
        ((float *) out)[i] = 0.5 + 1.5 * vard_random_uniform (KEY, counter, i);
  return out;
}

static VardNode *
add_input (VardOpFunction *self, const VardOpInput *input)
{
  guint k = self->n_inputs++;
  g_autofree char *name = g_strdup_printf ("x%u", k);

  g_assert_cmpuint (k, <, VARD_OP_FUNCTION_MAX);
  self->inputs[k] = vard_input (self->graph, name, get_dtype (input->draw), input->shape);
  self->values[k] = draw_values (input, k + 1);
  return self->inputs[k];
}

guint
vard_op_function_differentiate (VardOpFunction *self, guint *wrt)
{
  VardNode *cotangents[VARD_OP_FUNCTION_MAX], *nodes[VARD_OP_FUNCTION_MAX];
  guint n_wrt = 0;

  for (guint i = 0; i < self->n_inputs; i++)
    if (self->inputs[i]->dtype == VARD_DTYPE_F32)
      {
        wrt[n_wrt] = i;
        nodes[n_wrt++] = self->inputs[i];
      }
  for (guint i = 0; i < self->n_outputs; i++)
    {
      VardOpInput bar = { VARD_DRAW_NORMAL, self->outputs[i]->shape };

      cotangents[i] = add_input (self, &bar);
    }
  vard_vjp (self->outputs, cotangents, self->n_outputs, nodes, n_wrt, self->outputs);
  self->n_outputs = n_wrt;
  g_assert_no_error (vard_graph_peek_error (self->graph));
  return n_wrt;
}

VardOpFunction *
vard_op_function_new (const VardOpRow *row, guint order)
{
  VardOpFunction *self = g_new0 (VardOpFunction, 1);
  guint wrt[VARD_OP_FUNCTION_MAX];

  self->graph = vard_graph_new ();
  for (guint k = 0; k < G_N_ELEMENTS (row->inputs) && row->inputs[k].draw; k++)
    add_input (self, &row->inputs[k]);
  self->outputs[self->n_outputs++] = row->build (row, self->inputs);
  g_assert_no_error (vard_graph_peek_error (self->graph));
  for (guint i = 0; i < order; i++)
    vard_op_function_differentiate (self, wrt);
  for (guint i = 0; i < self->n_outputs; i++)
    {
      g_autofree char *name = g_strdup_printf ("y%u", i);

      vard_graph_add_output (self->graph, name, self->outputs[i]);
    }
  return self;
}

/* products within a node, one after another */
static guint
count_products (const VardNode *node)
{
  if (node->op == &vard_op_attention_gradient)
    return 3;
  if (node->op == &vard_op_attention)
    return 2;
  return node->op == &vard_op_matmul || node->op == &vard_op_conv2d
         || node->op == &vard_op_conv2d_input_gradient
         || node->op == &vard_op_conv2d_weight_gradient;
}

/* a product rounds two operands and its result */
static guint
count_own_roundings (const VardNode *node)
{
  if (count_products (node) > 0)
    return 3 * count_products (node);
  return !(node->op->flags & (VARD_OP_FLAG_SOURCE | VARD_OP_FLAG_VIEW));
}

guint
vard_op_function_count_roundings (const VardOpFunction *self)
{
  guint n_nodes = vard_graph_get_n_nodes (self->graph), most = 0;
  g_autofree guint *count = g_new0 (guint, n_nodes);
  gboolean has_products = FALSE;

  for (guint id = 0; id < n_nodes; id++)
    {
      const VardNode *node = vard_graph_get_node (self->graph, id);

      for (guint k = 0; k < node->n_inputs; k++)
        count[id] = MAX (count[id], count[node->inputs[k]->id]);
      count[id] += count_own_roundings (node);
      has_products = has_products || count_products (node) > 0;
    }
  for (guint i = 0; i < self->n_outputs; i++)
    most = MAX (most, count[self->outputs[i]->id]);
  return has_products ? most : 0;
}

void
vard_op_function_free (VardOpFunction *self)
{
  for (guint k = 0; k < self->n_inputs; k++)
    g_free (self->values[k]);
  vard_graph_unref (self->graph);
  g_free (self);
}

static gsize
get_size (const VardNode *node)
{
  return vard_node_get_count (node) * vard_dtype_get_size (node->dtype);
}

static gboolean
run_engine (VardOpFunction *self, VardEngine *engine, gpointer *results, GError **error)
{
  g_autoptr (VardExecutable) executable = vard_engine_compile (engine, self->graph, error);

  if (executable == NULL)
    return FALSE;
  for (guint i = 0; i < self->n_inputs; i++)
    {
      const VardSourceAttrs *attrs = self->inputs[i]->attrs;

      if (!vard_executable_set_input (executable, attrs->name, self->values[i],
                                      get_size (self->inputs[i]), error))
        return FALSE;
    }
  if (!vard_executable_run (executable, NULL, error))
    return FALSE;
  for (guint i = 0; i < self->n_outputs; i++)
    {
      g_autofree char *name = g_strdup_printf ("y%u", i);

      results[i] = g_malloc (get_size (self->outputs[i]));
      if (!vard_executable_get_output (executable, name, results[i], get_size (self->outputs[i]),
                                       error))
        return FALSE;
    }
  return TRUE;
}

/* |a - b| / max|b|, infinite where a is no number */
static double
get_difference (const float *a, const float *b, gint64 n)
{
  double largest = 0, difference = 0;

  for (gint64 i = 0; i < n; i++)
    {
      double d = fabs ((double) a[i] - b[i]);

      largest = MAX (largest, fabs (b[i]));
      difference = isnan (d) ? INFINITY : MAX (difference, d);
    }
  return largest > 0 ? difference / largest : difference;
}

gboolean
vard_op_function_compare (VardOpFunction *self,
                          VardEngine *engine,
                          double *difference,
                          GError **error)
{
  g_autoptr (VardTestValues) expected = vard_test_eval (self->graph, self->values);
  gpointer results[VARD_OP_FUNCTION_MAX] = { NULL };
  gboolean has_run = run_engine (self, engine, results, error);
  double largest = 0;

  for (guint i = 0; has_run && i < self->n_outputs; i++)
    {
      g_assert_cmpint (self->outputs[i]->dtype, ==, VARD_DTYPE_F32);
      largest = MAX (largest, get_difference (results[i], expected->values[self->outputs[i]->id],
                                              vard_node_get_count (self->outputs[i])));
    }
  for (guint i = 0; i < self->n_outputs; i++)
    g_free (results[i]);
  if (has_run)
    *difference = largest;
  return has_run;
}
