/* test-stored-weights.c - weights that stay in the file's pages, in its type and layout, give what
 * copies of them give
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-engine.h"
#include <vard-internal.h>

#include "files/vard-weights.h"
#include "nn/vard-conv2d.h"
#include "nn/vard-embedding.h"
#include "nn/vard-linear.h"

#include <glib/gstdio.h>
#include <math.h>

#define N 2
#define C_IN 200
#define C_OUT 312
#define SIDE 9
#define N_OUT 1700
#define ROWS 1024
#define WIDTH 520

/* large enough to stay stored: 200 x 312 x 9, 312 x 1700 (a little over the least), 1024 x 520 */
typedef struct
{
  VardModule *root;
  VardConv2d *conv;
  VardLinear *linear;
  VardEmbedding *table;
} Layers;

static Layers
layers_new (void)
{
  Layers self = { g_object_new (VARD_TYPE_MODULE, NULL) };

  self.conv = vard_module_add_child (self.root, "conv", vard_conv2d_new_same (C_IN, C_OUT, 3));
  self.linear = vard_module_add_child (self.root, "linear",
                                       vard_linear_new (C_OUT, N_OUT, TRUE, VARD_LAYOUT_PLAIN));
  self.table = vard_module_add_child (self.root, "table", vard_embedding_new (ROWS, WIDTH));
  return self;
}

static void
fill (const char *path, VardParameter *parameter, gpointer data)
{
  float *values = vard_tensor_peek_f32 (parameter->tensor);
  gint64 n = vard_tensor_get_count (parameter->tensor);

  vard_random_fill_normal (5, parameter->shape.dims[0], values, n);
  for (gint64 i = 0; i < n; i++)
    values[i] *= 0.03f;
}

static Layers
load_stored (VardDType dtype)
{
  Layers made = layers_new (), loaded = layers_new ();
  g_autofree char *folder = g_dir_make_tmp ("vard-stored-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "weights.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  vard_module_foreach_parameter (made.root, fill, NULL);
  vard_weights_save (made.root, path, dtype, NULL, &error);
  g_assert_no_error (error);
  vard_weights_load (loaded.root, path, NULL, NULL, &error);
  g_assert_no_error (error);
  /* the mapping outlives the name */
  g_remove (path);
  g_rmdir (folder);
  g_object_unref (made.root);
  return loaded;
}

/* y [N, SIDE, SIDE, N_OUT], the gradient for x through both weights twice over, and rows of the
 * table */
static VardGraph *
record (const Layers *self)
{
  VardGraph *graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (N, SIDE, SIDE, C_IN));
  VardNode *ids = vard_input (graph, "ids", VARD_DTYPE_I32, VARD_SHAPE (3));
  VardNode *y = vard_linear_record (self->linear, vard_silu (vard_conv2d_record (self->conv, x)));
  VardNode *squares = vard_sum_all (vard_square (y)), *gradient;

  vard_vjp (&squares, NULL, 1, &x, 1, &gradient);
  vard_graph_add_output (graph, "y", y);
  vard_graph_add_output (graph, "gradient", gradient);
  vard_graph_add_output (graph, "rows", vard_embedding_record (self->table, ids));
  return graph;
}

typedef struct
{
  float y[N * SIDE * SIDE * N_OUT], gradient[N * SIDE * SIDE * C_IN], rows[3 * WIDTH];
} Results;

static Results *
run (const Layers *self, VardEngine *engine, gsize *workspace)
{
  Results *results = g_new (Results, 1);
  const gint32 ids[] = { 5, ROWS - 1, -1 };
  g_autofree float *x = g_new (float, N *SIDE *SIDE *C_IN);
  g_autoptr (VardGraph) graph = record (self);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardExecutable) executable = vard_engine_compile (engine, graph, &error);

  g_assert_no_error (error);
  vard_random_fill_normal (6, 0, x, N * SIDE * SIDE * C_IN);
  g_assert_true (
    vard_executable_set_input (executable, "x", x, N * SIDE * SIDE * C_IN * sizeof *x, NULL));
  g_assert_true (vard_executable_set_input (executable, "ids", ids, sizeof ids, NULL));
  g_assert_true (vard_executable_run (executable, NULL, &error));
  g_assert_true (vard_executable_get_output (executable, "y", results->y, sizeof results->y, NULL));
  g_assert_true (vard_executable_get_output (executable, "gradient", results->gradient,
                                             sizeof results->gradient, NULL));
  g_assert_true (
    vard_executable_get_output (executable, "rows", results->rows, sizeof results->rows, NULL));
  *workspace = vard_executable_get_workspace_size (executable);
  return results;
}

static void
assert_close (const float *a, const float *b, gsize n)
{
  float worst = 0, largest = 0;

  for (gsize i = 0; i < n; i++)
    {
      worst = MAX (worst, fabsf (a[i] - b[i]));
      largest = MAX (largest, fabsf (b[i]));
    }
  g_assert_cmpfloat (largest, >, 0);
  g_assert_cmpfloat (worst, <=, 2e-5f * largest);
}

static void
assert_same_results (const Results *a, const Results *b)
{
  assert_close (a->y, b->y, G_N_ELEMENTS (a->y));
  assert_close (a->gradient, b->gradient, G_N_ELEMENTS (a->gradient));
  assert_close (a->rows, b->rows, G_N_ELEMENTS (a->rows));
}

static void
assert_stored (const char *path, VardParameter *parameter, gpointer data)
{
  gboolean is_large = parameter->shape.n_dims > 1;

  g_assert_cmpint (parameter->is_stored, ==, is_large);
  if (is_large)
    {
      g_assert_cmpint (vard_tensor_get_dtype (parameter->tensor), ==, GPOINTER_TO_INT (data));
      g_assert_true (vard_tensor_peek_buffer (parameter->tensor)->is_read_only);
    }
}

static void
assert_own (const char *path, VardParameter *parameter, gpointer data)
{
  g_assert_false (parameter->is_stored);
  g_assert_cmpint (vard_tensor_get_dtype (parameter->tensor), ==, VARD_DTYPE_F32);
}

static void
test_same (gconstpointer data)
{
  VardDType dtype = GPOINTER_TO_INT (data);
  Layers layers = load_stored (dtype);
  g_autoptr (VardEngine) cpu = g_object_new (VARD_TYPE_CPU_ENGINE, "threads", 2, NULL);
  g_autoptr (VardEngine) reference = g_object_new (VARD_TYPE_REFERENCE_ENGINE, NULL);
  gsize stored_size, own_size, reference_size;

  vard_module_foreach_parameter (layers.root, assert_stored, GINT_TO_POINTER (dtype));

  g_autofree Results *stored = run (&layers, cpu, &stored_size);
  g_autofree Results *plain = run (&layers, reference, &reference_size);

  vard_module_set_trainable (layers.root, TRUE);
  vard_module_foreach_parameter (layers.root, assert_own, NULL);

  g_autofree Results *own = run (&layers, cpu, &own_size);

  assert_same_results (stored, own);
  assert_same_results (stored, plain);
  g_assert_cmpfloat (stored->rows[2 * WIDTH], ==, 0);
  /* at most one weight at a time is single precision */
  g_assert_cmpuint (stored_size, <=, own_size + sizeof (float) * C_IN * C_OUT * 9);
  g_object_unref (layers.root);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/stored-weights/f32", GINT_TO_POINTER (VARD_DTYPE_F32), test_same);
  g_test_add_data_func ("/stored-weights/f16", GINT_TO_POINTER (VARD_DTYPE_F16), test_same);
  g_test_add_data_func ("/stored-weights/bf16", GINT_TO_POINTER (VARD_DTYPE_BF16), test_same);
  return g_test_run ();
}
