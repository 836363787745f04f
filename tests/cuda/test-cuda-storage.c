/* test-cuda-storage.c - in bf16, weights and activations lie in memory as the products read them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "cuda-engine.h"
#include "cuda-step.h"

#include <math.h>

#define SIDE 8
#define CHANNELS 32
#define N_LAYERS 5
#define N_VALUES (SIDE * SIDE * CHANNELS)

static VardEngine *
make_engine (CudaPrecision precision)
{
  /* call by call, so that each execution counts */
  return g_object_new (VARD_TYPE_CUDA_ENGINE, "graphs", FALSE, "precision", precision, NULL);
}

/* a convolution's weight as a file has it: [out, in, height, width] in half precision */
static VardTensor *
make_stored_weight (gint64 n, guint64 counter, gint64 k)
{
  VardShape shape = VARD_SHAPE (n, n, k, k);
  g_autoptr (VardTensor) values = vard_tensor_new (VARD_DTYPE_F32, &shape);

  vard_random_fill_normal (7, counter, vard_tensor_peek_f32 (values),
                           vard_tensor_get_count (values));
  for (gint64 i = 0; i < vard_tensor_get_count (values); i++)
    vard_tensor_peek_f32 (values)[i] *= 0.2f;
  return vard_tensor_convert (values, VARD_DTYPE_F16);
}

/* layers of normalisation, activation and convolution beside a sum of all before, a loss, and its
 * gradient for the input */
static VardGraph *
make_graph (VardTensor **weights, gint64 k)
{
  static const guint to_graph[] = { 0, 2, 3, 1 };
  const VardConv2dAttrs attrs = { 1, k / 2, k / 2, k / 2, k / 2 };
  VardGraph *graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (1, SIDE, SIDE, CHANNELS)),
           *h = x, *dx;

  for (guint i = 0; i < N_LAYERS; i++)
    {
      g_autofree char *name = g_strdup_printf ("layers.%u.weight", i);
      VardNode *w =
        vard_permute (vard_cast (vard_param (graph, name, weights[i]), VARD_DTYPE_F32), to_graph);
      VardNode *y =
        vard_conv2d (i == 0 ? h : vard_silu (vard_normalize (h, 1, 4, 1e-5)), w, &attrs);

      h = i == 0 ? y : vard_add (h, y);
    }
  h = vard_sum_all (vard_square (vard_silu (vard_normalize (h, 1, 4, 1e-5))));
  vard_vjp (&h, NULL, 1, &x, 1, &dx);
  vard_graph_add_output (graph, "y", h);
  vard_graph_add_output (graph, "dx", dx);
  g_assert_no_error (vard_graph_peek_error (graph));
  return graph;
}

static float *
run (VardExecutable *executable)
{
  float *values = g_new (float, N_VALUES);
  g_autoptr (GError) error = NULL;

  vard_random_fill_normal (5, 1, values, N_VALUES);
  vard_executable_set_input (executable, "x", values, N_VALUES * sizeof (float), &error);
  g_assert_no_error (error);
  vard_executable_run (executable, NULL, &error);
  g_assert_no_error (error);
  vard_executable_get_output (executable, "dx", values, N_VALUES * sizeof (float), &error);
  g_assert_no_error (error);
  return values;
}

static VardExecutable *
compile (VardEngine *engine, VardGraph *graph)
{
  g_autoptr (GError) error = NULL;
  VardExecutable *executable = vard_engine_compile (engine, graph, &error);

  g_assert_no_error (error);
  return executable;
}

static void
assert_close (const float *a, const float *b, gsize n, double tolerance)
{
  double largest = 0, difference = 0;

  for (gsize i = 0; i < n; i++)
    {
      largest = MAX (largest, fabs (b[i]));
      difference = isfinite (a[i]) ? MAX (difference, fabs ((double) a[i] - b[i])) : INFINITY;
    }
  g_test_message ("difference %.2e of the largest", difference / largest);
  g_assert_cmpfloat (difference, <=, tolerance * largest);
}

static gsize
get_allocated (VardEngine *engine)
{
  gsize allocated, peak;

  vard_cuda_engine_get_memory (VARD_CUDA_ENGINE (engine), &allocated, &peak);
  return allocated;
}

typedef struct
{
  VardTensor *weights[N_LAYERS];
  VardGraph *graph;
  gsize n_weights; /* elements */
} Network;

static Network
make_network (gint64 k)
{
  Network self = { { NULL } };

  for (guint i = 0; i < N_LAYERS; i++)
    self.weights[i] = make_stored_weight (CHANNELS, i, k);
  self.graph = make_graph (self.weights, k);
  self.n_weights = N_LAYERS * vard_tensor_get_count (self.weights[0]);
  return self;
}

static void
network_clear (Network *self)
{
  vard_graph_unref (self->graph);
  for (guint i = 0; i < N_LAYERS; i++)
    g_object_unref (self->weights[i]);
}

/* Nothing is on the device before the first execution. Afterwards there are the workspace and the
 * weights, each once in the type that products read; a file's own is on the device for a moment
 * only. */
static void
check_weights (CudaPrecision precision, gsize element, double tolerance)
{
  g_autoptr (VardEngine) engine = make_engine (precision), reference = vard_reference_engine_new ();
  Network network = make_network (3);
  g_autoptr (VardExecutable) plain = compile (reference, network.graph),
                             executable = compile (engine, network.graph);
  gsize before = get_allocated (engine),
        workspace = vard_executable_get_workspace_size (executable);
  g_autofree float *expected = run (plain), *first = run (executable), *second = run (executable);

  g_assert_cmpuint (get_allocated (engine) - before, ==, workspace + element * network.n_weights);
  g_assert_cmpmem (first, N_VALUES * sizeof (float), second, N_VALUES * sizeof (float));
  assert_close (first, expected, N_VALUES, tolerance);
  network_clear (&network);
}

static void
test_weights (void)
{
  check_weights (CUDA_PRECISION_FP32, sizeof (float), 1e-4);
  /* the longest path has two products a layer, and each rounds thrice and two steps after it
   * once */
  check_weights (CUDA_PRECISION_BF16, sizeof (guint16), 3 * 0x1p-9 * sqrt (2 * N_LAYERS * 5));
}

/* Every step reads what it needs. The loss's cotangent alone is in single precision: patches are
 * made from it as it is, and cuDNN, where there is one, has it converted once. */
static void
test_no_conversions (gconstpointer cudnn)
{
  g_autoptr (VardEngine) engine = g_object_new (VARD_TYPE_CUDA_ENGINE, "graphs", FALSE, "precision",
                                                CUDA_PRECISION_BF16, "cudnn", cudnn != NULL, NULL);
  Network network = make_network (3);
  g_autoptr (VardExecutable) executable = compile (engine, network.graph);
  g_autofree float *first = run (executable);
  guint n = vard_cuda_engine_get_conversions (VARD_CUDA_ENGINE (engine));
  g_autofree float *second = run (executable);

  g_assert_cmpuint (vard_cuda_engine_get_conversions (VARD_CUDA_ENGINE (engine)) - n, <=,
                    cudnn != NULL ? 1 : 0);
  network_clear (&network);
}

/* of kernels of one pixel, which need no patches: what is left is activations */
static void
test_arena (void)
{
  g_autoptr (VardEngine) single = make_engine (CUDA_PRECISION_FP32),
                         half = make_engine (CUDA_PRECISION_BF16);
  Network network = make_network (1);
  g_autoptr (VardExecutable) a = compile (single, network.graph), b = compile (half, network.graph);
  gsize workspace = vard_executable_get_workspace_size (a),
        smaller = vard_executable_get_workspace_size (b);

  g_test_message ("%" G_GSIZE_FORMAT " and %" G_GSIZE_FORMAT, workspace, smaller);
  /* the loss's end stays in single precision: a value and its cotangent */
  g_assert_cmpuint (smaller, <=, workspace / 2 + 2 * N_VALUES * sizeof (float));
  g_assert_cmpuint (workspace, >, 12 * N_VALUES * sizeof (float));
  network_clear (&network);
}

/* What is said before anything runs is what is held at the peak; stored weights pass through memory
 * that is given back */
static void
test_estimate (void)
{
  for (guint precision = CUDA_PRECISION_FP32; precision <= CUDA_PRECISION_BF16; precision++)
    {
      g_autoptr (VardEngine) engine = make_engine (precision);
      Network network = make_network (3);
      g_autoptr (VardExecutable) executable = compile (engine, network.graph);
      VardDeviceMemory said, found;

      g_assert_true (vard_engine_describe_memory (engine, &said));
      g_assert_cmpuint (said.missing, ==, said.weights + said.workspace);
      g_assert_cmpuint (said.peak, <, said.needed);
      g_free (run (executable));
      g_assert_true (vard_engine_describe_memory (engine, &found));
      g_assert_cmpuint (found.missing, ==, 0);
      g_assert_cmpuint (said.needed, ==, found.needed);
      g_assert_cmpfloat_with_epsilon ((double) found.peak / said.needed, 1, 0.1);
      network_clear (&network);
    }
}

/* ---- what is trained ---- */

/* y = x w, beside w = w + 1 in a program of its own */
static void
test_written_weight (void)
{
  g_autoptr (VardEngine) engine = make_engine (CUDA_PRECISION_BF16);
  const VardShape one = VARD_SHAPE (1, 1);
  g_autoptr (VardTensor) w = vard_tensor_new (VARD_DTYPE_F32, &one);
  g_autoptr (VardGraph) product = vard_graph_new (), update = vard_graph_new ();
  g_autoptr (GError) error = NULL;
  const float two = 2, three = 3;
  float y;

  vard_tensor_peek_f32 (w)[0] = 5;
  vard_engine_adopt (engine, w, &error);
  g_assert_no_error (error);
  vard_graph_add_output (product, "y",
                         vard_matmul (vard_input (product, "x", VARD_DTYPE_F32, VARD_SHAPE (1, 1)),
                                      vard_param (product, "w", w), FALSE, FALSE));

  VardNode *param = vard_param (update, "w", w);

  vard_assign (param, vard_affine (param, 1, 1));

  g_autoptr (VardExecutable) multiply = compile (engine, product), add = compile (engine, update);

  vard_executable_set_input (multiply, "x", &two, sizeof two, &error);
  for (guint round = 0; round < 3; round++)
    {
      if (round == 1)
        vard_executable_run (add, NULL, &error);
      else if (round == 2)
        vard_engine_write (engine, vard_tensor_peek_buffer (w), vard_tensor_get_offset (w), &three,
                           sizeof three, &error);
      g_assert_no_error (error);
      vard_executable_run (multiply, NULL, &error);
      g_assert_no_error (error);
      vard_executable_get_output (multiply, "y", &y, sizeof y, &error);
      g_assert_cmpfloat (y, ==, ((const float[]) { 10, 12, 6 })[round]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cuda/storage/weights", test_weights);
  g_test_add_data_func ("/cuda/storage/no-conversions", NULL, test_no_conversions);
  g_test_add_data_func ("/cuda/storage/no-conversions-cudnn", "cudnn", test_no_conversions);
  g_test_add_func ("/cuda/storage/arena", test_arena);
  g_test_add_func ("/cuda/storage/estimate", test_estimate);
  g_test_add_func ("/cuda/storage/written-weight", test_written_weight);
  return g_test_run ();
}
