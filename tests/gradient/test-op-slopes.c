/* test-op-slopes.c - reverse rules against central differences
 *
 * For a function y (x) with a random cotangent b and a random direction d, the derivative of <b, y
 * (x + t d)> is compared with <gradient, d>, for each input alone. The cotangent is random because
 * a plain sum cannot see Jacobian rows that cancel (softmax adds up to one whatever its input).
 * Second derivatives are the same test of the function (x, b) -> gradient.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "vard-op-rows.h"

#include "base/vard-random.h"

#include <math.h>
#include <string.h>

#define STEP 0.01
#define TOLERANCE 1e-3

static double
dot (const float *a, const float *b, gint64 n)
{
  double sum = 0;

  for (gint64 i = 0; i < n; i++)
    sum += (double) a[i] * b[i];
  return sum;
}

/* <b, y (x + t d)>: the cotangents are the inputs from first_bar on */
static double
get_loss (VardOpFunction *function, guint input, const float *direction, double t, gpointer *bars)
{
  gint64 n = vard_node_get_count (function->inputs[input]);
  g_autofree float *moved = g_memdup2 (function->values[input], n * sizeof *moved);
  gpointer values[VARD_OP_FUNCTION_MAX];
  double loss = 0;

  for (gint64 i = 0; i < n; i++)
    moved[i] += t * direction[i];
  memcpy (values, function->values, sizeof values);
  values[input] = moved;

  g_autoptr (VardTestValues) results = vard_test_eval (function->graph, values);

  for (guint i = 0; i < function->n_outputs; i++)
    loss += dot (bars[i], results->values[function->outputs[i]->id],
                 vard_node_get_count (function->outputs[i]));
  return loss;
}

/* fourth order: two central differences, the leading error taken away */
static double
get_slope (VardOpFunction *function, guint input, const float *direction, gpointer *bars)
{
  double slopes[2];

  for (guint i = 0; i < 2; i++)
    {
      double t = STEP * (i + 1);

      slopes[i] = (get_loss (function, input, direction, t, bars)
                   - get_loss (function, input, direction, -t, bars))
                  / (2 * t);
    }
  return (4 * slopes[0] - slopes[1]) / 3;
}

/* relative to the gradient's length, which is what <gradient, d> is like for a random d */
static double
get_slope_error (VardOpFunction *function, guint input, const float *gradient, gpointer *bars)
{
  gint64 n = vard_node_get_count (function->inputs[input]);
  g_autofree float *direction = g_new (float, n);
  double length = sqrt (dot (gradient, gradient, n));

  vard_random_fill_normal (7, 100 + input, direction, n);

  double slope = get_slope (function, input, direction, bars);

  return fabs (slope - dot (gradient, direction, n)) / MAX (length, 1e-2);
}

static void
check_slopes (const VardOpRow *row, guint order)
{
  g_autoptr (VardOpFunction) function = vard_op_function_new (row, order);
  g_autoptr (VardOpFunction) gradient = vard_op_function_new (row, order + 1);
  g_autoptr (VardTestValues) values = vard_test_eval (gradient->graph, gradient->values);

  for (guint i = 0, k = 0; i < function->n_inputs; i++)
    if (function->inputs[i]->dtype == VARD_DTYPE_F32)
      {
        double difference = get_slope_error (function, i,
                                             values->values[gradient->outputs[k++]->id],
                                             gradient->values + function->n_inputs);

        if (!(difference < TOLERANCE))
          g_test_message ("order %u, input %u", order + 1, i);
        g_assert_cmpfloat (difference, <, TOLERANCE);
      }
}

static void
test_slopes (gconstpointer data)
{
  const VardOpRow *row = data;

  for (guint order = 0; order < row->n_slopes; order++)
    check_slopes (row, order);
}

/* an op without a rule must say so: nothing is skipped by leaving its row out */
static gboolean
has_row (const VardOpClass *op, gboolean with_slopes)
{
  for (guint i = 0; i < vard_n_op_rows; i++)
    if (vard_op_rows[i].op == op && (!with_slopes || vard_op_rows[i].n_slopes > 0))
      return TRUE;
  return FALSE;
}

static void
test_all_have_rows (void)
{
  for (guint i = 0; i < vard_n_ops; i++)
    {
      const VardOpClass *op = vard_ops[i];
      gboolean is_smooth = !(op->flags & VARD_OP_FLAG_NO_GRADIENT) && op != &vard_op_cast;

      if (!has_row (op, is_smooth))
        g_error ("%s has no row%s", op->name, is_smooth ? " with slopes" : "");
      g_assert_nonnull (op->infer);
      g_assert_nonnull (op->reference);
      g_assert_true (op->vjp || op->decompose || (op->flags & VARD_OP_FLAG_NO_GRADIENT));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/slopes/all-have-rows", test_all_have_rows);
  for (guint i = 0; i < vard_n_op_rows; i++)
    if (vard_op_rows[i].n_slopes > 0 && !vard_op_rows[i].is_large)
      {
        g_autofree char *path = g_strdup_printf ("/slopes/%s", vard_op_rows[i].name);

        g_test_add_data_func (path, &vard_op_rows[i], test_slopes);
      }
  return g_test_run ();
}
