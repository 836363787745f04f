/* test-cuda-epilogue.c - what joins a product as a bias or a matrix to add to, what does not, and
 * the sums
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "cuda-engine.h"
#include "cuda-step.h"

#include <math.h>

#define ROWS 24
#define COLUMNS 32
#define DEPTH 16

typedef struct
{
  const char *name;
  VardNode *(*build) (VardNode *product, VardNode *other, VardNode *bias);
  const char *step; /* begins with this in every precision, and ends with that */
  gboolean is_joined;
} Case;

static VardNode *
build_bias (VardNode *product, VardNode *other, VardNode *bias)
{
  return vard_add (product, bias);
}

static VardNode *
build_residual (VardNode *product, VardNode *other, VardNode *bias)
{
  return vard_add (other, product);
}

static VardNode *
build_both (VardNode *product, VardNode *other, VardNode *bias)
{
  return vard_add (vard_add (product, bias), other);
}

/* the product as pictures, as a layer on tokens makes it */
static VardNode *
build_reshaped (VardNode *product, VardNode *other, VardNode *bias)
{
  VardShape shape = VARD_SHAPE (2, ROWS / 2, COLUMNS);

  return vard_add (vard_reshape (vard_add (product, bias), shape), vard_reshape (other, shape));
}

static VardNode *
build_two (VardNode *product, VardNode *other, VardNode *bias)
{
  return vard_add (vard_add (product, other), vard_add (vard_square (other), bias));
}

static VardNode *
build_activated (VardNode *product, VardNode *other, VardNode *bias)
{
  return vard_gelu (vard_add (product, bias));
}

/* a sum whose halves are one and the same */
static VardNode *
build_doubled (VardNode *product, VardNode *other, VardNode *bias)
{
  VardNode *sum = vard_add (vard_add (product, bias), other);

  return vard_add (sum, sum);
}

static VardNode *
build_doubled_product (VardNode *product, VardNode *other, VardNode *bias)
{
  VardNode *pictures = vard_reshape (product, VARD_SHAPE (2, ROWS / 2, COLUMNS));

  return vard_add (pictures, pictures);
}

/* the same layer elsewhere, where more is done with it */
static VardNode *
build_unlike (VardNode *product, VardNode *other, VardNode *bias)
{
  VardNode *twin =
    vard_matmul (other,
                 vard_input (product->graph, "w", VARD_DTYPE_F32, VARD_SHAPE (COLUMNS, COLUMNS)),
                 FALSE, FALSE);

  return vard_mul (vard_add (product, bias), vard_exp (vard_scale (vard_add (twin, bias), 0.1)));
}

static const Case cases[] = {
  { "bias", build_bias, "+bias", TRUE },
  { "residual", build_residual, "+residual", TRUE },
  { "both", build_both, "+bias+residual", TRUE },
  { "reshaped", build_reshaped, "+bias+residual", TRUE },
  { "more-than-sums", build_two, "", FALSE },
  { "activation", build_activated, "", FALSE },
  { "doubled", build_doubled, "", FALSE },
  { "doubled-product", build_doubled_product, "", FALSE },
  { "unlike-elsewhere", build_unlike, "", FALSE },
};

static const struct
{
  const char *name;
  double tolerance;
} precisions[] = { { "fp32", 1e-5 }, { "tf32", 5e-3 }, { "bf16", 4 * 0x1p-9 } };

static void
set_input (VardExecutable *executable, const char *name, gsize n)
{
  g_autofree float *values = g_new (float, n);
  g_autoptr (GError) error = NULL;

  vard_random_fill_normal (9, g_str_hash (name), values, n);
  vard_executable_set_input (executable, name, values, n * sizeof (float), &error);
  g_assert_no_error (error);
}

static void
run (VardEngine *engine,
     VardGraph *graph,
     gboolean has_twin,
     VardExecutable **executable,
     float *out)
{
  g_autoptr (GError) error = NULL;

  *executable = vard_engine_compile (engine, graph, &error);
  g_assert_no_error (error);
  set_input (*executable, "a", ROWS * DEPTH);
  set_input (*executable, "b", DEPTH * COLUMNS);
  set_input (*executable, "other", ROWS * COLUMNS);
  set_input (*executable, "bias", COLUMNS);
  if (has_twin)
    set_input (*executable, "w", COLUMNS * COLUMNS);
  vard_executable_run (*executable, NULL, &error);
  g_assert_no_error (error);
  vard_executable_get_output (*executable, "y", out, ROWS * COLUMNS * sizeof (float), &error);
  g_assert_no_error (error);
}

/* how many steps there are, and whether one is the product with these words */
static gboolean
has_step (VardExecutable *executable, const char *precision, const char *words, guint *n_steps)
{
  VardProgram *program = vard_executable_peek_program (executable);
  g_autofree char *name = g_strconcat ("matmul/", precision, words, NULL);
  gboolean has = FALSE;

  *n_steps = vard_program_get_n_steps (program);
  for (guint i = 0; i < *n_steps; i++)
    has = has || g_str_equal (vard_program_get_step (program, i)->name, name);
  return has;
}

static void
check_precision (const Case *row, VardGraph *graph, const float *expected, guint precision)
{
  g_autoptr (VardEngine) engine =
    g_object_new (VARD_TYPE_CUDA_ENGINE, "precision", precision, NULL);
  g_autoptr (VardExecutable) executable = NULL;
  float found[ROWS * COLUMNS];
  double largest = 0, difference = 0;
  guint n_steps;

  run (engine, graph, row->build == build_unlike, &executable, found);
  for (guint i = 0; i < ROWS * COLUMNS; i++)
    {
      largest = MAX (largest, fabs (expected[i]));
      difference = MAX (difference, fabs ((double) found[i] - expected[i]));
    }
  g_assert_cmpfloat (difference, <=, precisions[precision].tolerance * largest);
  g_assert_true (has_step (executable, precisions[precision].name, row->step, &n_steps));
  if (row->is_joined)
    g_assert_cmpuint (n_steps, ==, 1);
}

static void
test_case (gconstpointer data)
{
  const Case *row = data;
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (VardEngine) reference = vard_reference_engine_new ();
  g_autoptr (VardExecutable) executable = NULL;
  VardNode *a = vard_input (graph, "a", VARD_DTYPE_F32, VARD_SHAPE (ROWS, DEPTH));
  VardNode *b = vard_input (graph, "b", VARD_DTYPE_F32, VARD_SHAPE (DEPTH, COLUMNS));
  VardNode *other = vard_input (graph, "other", VARD_DTYPE_F32, VARD_SHAPE (ROWS, COLUMNS));
  VardNode *bias = vard_input (graph, "bias", VARD_DTYPE_F32, VARD_SHAPE (COLUMNS));
  float expected[ROWS * COLUMNS];

  vard_graph_add_output (graph, "y", row->build (vard_matmul (a, b, FALSE, FALSE), other, bias));
  g_assert_no_error (vard_graph_peek_error (graph));
  run (reference, graph, row->build == build_unlike, &executable, expected);
  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++)
    check_precision (row, graph, expected, i);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/cuda/epilogue/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  return g_test_run ();
}
