/* test-cuda-cudnn.c - the real cuDNN reads the graphs that the engine describes, for a device that
 * is not there
 *
 * Version 9.8 and newer make plans for a device whose properties are given as text: what the
 * library finds wrong with a description, or has no way for, shows without a driver. Nothing is
 * executed. Skipped where there is no such library.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "cuda-cudnn-step.h"

#include <string.h>

#define H200                                                                                    \
  "{\"cudaDeviceId\": 0, \"deviceVer\": 900, \"driverVer\": 13000, \"deviceName\": \"NVIDIA "   \
  "H200\", "                                                                                    \
  "\"multiProcessorCount\": 132, \"totalGlobalMem\": 150000000000, \"l2CacheSize\": 62914560, " \
  "\"smClockRateKHz\": 1980000, \"memClockRateKHz\": 3201000, \"warpSize\": 32, "               \
  "\"regsPerBlock\": 65536, "                                                                   \
  "\"maxGridSize\": [2147483647, 65535, 65535], \"maxBlockSize\": [1024, 1024, 64], "           \
  "\"maxThreadsPerBlock\": 1024, "                                                              \
  "\"maxThreadsPerSM\": 2048, \"maxCtasPerSM\": 32, \"maxRegistersPerSM\": 65536, "             \
  "\"maxSharedMemoryPerBlock\": 49152, "                                                        \
  "\"maxSharedMemoryPerBlockOptin\": 232448, \"reservedSharedMemoryPerBlock\": 1024, "          \
  "\"supportCoopLaunch\": 1, "                                                                  \
  "\"isTccDriver\": 0, \"pciDeviceId\": 0}"

typedef struct
{
  const char *name;
  gint64 n, side, c_in, c_out, kernel;
  VardConv2dAttrs attrs;
} Row;

/* Stable Diffusion's: inside, first, last, smaller by half, the encoder's with a border on one
 * side */
static const Row rows[] = {
  { "inside", 8, 64, 320, 320, 3, { 1, 1, 1, 1, 1 } },
  { "deep", 8, 8, 1280, 1280, 3, { 1, 1, 1, 1, 1 } },
  { "first", 8, 64, 4, 320, 3, { 1, 1, 1, 1, 1 } },
  { "last", 8, 64, 320, 4, 3, { 1, 1, 1, 1, 1 } },
  { "half", 8, 64, 320, 320, 3, { 2, 1, 1, 1, 1 } },
  { "encoder-half", 1, 512, 128, 128, 3, { 2, 0, 1, 0, 1 } },
};

/* Stable Diffusion's at 512 x 512, 2.1's at 768 x 768, and a token that is no multiple of
 * anything */
static const struct
{
  const char *name;
  gint64 b, n_queries, n_keys, n_heads, d;
} attentions[] = {
  { "40", 8, 4096, 4096, 8, 40 },    { "80", 8, 1024, 1024, 8, 80 },
  { "160", 8, 256, 256, 8, 160 },    { "160-middle", 8, 64, 64, 8, 160 },
  { "40-text", 8, 4096, 77, 8, 40 }, { "160-text", 1, 64, 77, 8, 160 },
  { "64", 1, 9216, 9216, 5, 64 },    { "64-text", 2, 9216, 77, 5, 64 },
  { "8", 3, 25, 9, 2, 8 },
};

#define WORKSPACE ((gsize) 256 << 20)

static CudaDnnTarget *target;

/* the convolution and its gradients, in the order of the engine's kinds */
static void
make_nodes (VardGraph *graph, const Row *row, VardNode **nodes)
{
  VardNode *x =
    vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (row->n, row->side, row->side, row->c_in));
  VardNode *w = vard_input (graph, "w", VARD_DTYPE_F32,
                            VARD_SHAPE (row->c_out, row->kernel, row->kernel, row->c_in));
  VardNode *y = vard_conv2d (x, w, &row->attrs),
           *dy = vard_input (graph, "dy", VARD_DTYPE_F32, y->shape);

  nodes[0] = y;
  nodes[1] = vard_conv2d_input_gradient (dy, w, x->shape, &row->attrs);
  nodes[2] = vard_conv2d_weight_gradient (x, dy, w->shape, &row->attrs);
}

static void
test_convolution (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *nodes[3];

  make_nodes (graph, row, nodes);
  g_assert_no_error (vard_graph_peek_error (graph));
  for (int precision = CUDA_PRECISION_FP32; precision <= CUDA_PRECISION_BF16; precision++)
    for (guint i = 0; i < G_N_ELEMENTS (nodes); i++)
      {
        CudaDnnGraph *described = cuda_conv_describe (target, nodes[i], precision);
        const CudaDnnWish wish = { cuda_dnn_get_refused_notes (precision), WORKSPACE, 4, -1 };

        g_assert_cmpstr (cuda_dnn_graph_peek_failure (described), ==, NULL);

        g_autoptr (CudaDnnPlan) plan = cuda_dnn_plan_new (described, &wish);

        g_test_message ("%s, precision %d, kind %u: %u ways, workspace %.1f MB", row->name,
                        precision, i, plan != NULL ? cuda_dnn_plan_get_n_ways (plan) : 0,
                        plan != NULL ? cuda_dnn_plan_get_workspace (plan) * 1e-6 : 0);
        /* in single precision a way may be missing: patches remain */
        if (precision == CUDA_PRECISION_BF16)
          g_assert_nonnull (plan);
      }
}

/* as text and back */
static void
check_restored (CudaDnnPlan *plan, CudaDnnGraph *described)
{
  g_autofree char *text = cuda_dnn_plan_dup_text (plan, 0);
  g_autoptr (CudaDnnPlan) restored = NULL;
  g_autofree char *half = NULL;

  g_assert_nonnull (text);
  half = g_strndup (text, strlen (text) / 2);
  g_assert_null (cuda_dnn_plan_restore (described, half, 3));
  restored = cuda_dnn_plan_restore (described, text, 3);
  g_assert_nonnull (restored);
  g_assert_cmpint (cuda_dnn_plan_get_way (restored, 0), ==, 3);
  g_assert_cmpuint (cuda_dnn_plan_get_workspace (restored), <=, cuda_dnn_plan_get_workspace (plan));
}

static void
check_attention (const char *name, const VardNode *node)
{
  const CudaDnnWish wish = { cuda_dnn_get_refused_notes (CUDA_PRECISION_BF16), WORKSPACE, 4, -1 };
  CudaDnnGraph *described = cuda_attention_describe (target, node, WORKSPACE);

  g_assert_cmpstr (cuda_dnn_graph_peek_failure (described), ==, NULL);

  g_autoptr (CudaDnnPlan) plan = cuda_dnn_plan_new (described, &wish);

  g_test_message ("%s of heads of %s: %u ways, workspace %.1f MB", node->op->name, name,
                  plan != NULL ? cuda_dnn_plan_get_n_ways (plan) : 0,
                  plan != NULL ? cuda_dnn_plan_get_workspace (plan) * 1e-6 : 0);
  g_assert_nonnull (plan);
  check_restored (plan, cuda_attention_describe (target, node, WORKSPACE));
}

static void
test_attention (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  gint64 b = attentions[i].b, heads = attentions[i].n_heads, d = attentions[i].d;
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *q =
    vard_input (graph, "q", VARD_DTYPE_F32, VARD_SHAPE (b, attentions[i].n_queries, heads, d));
  VardNode *k =
    vard_input (graph, "k", VARD_DTYPE_F32, VARD_SHAPE (b, attentions[i].n_keys, heads, d));
  VardNode *v = vard_input (graph, "v", VARD_DTYPE_F32, k->shape),
           *y = vard_attention (q, k, v, 0.125, FALSE);
  VardNode *dy = vard_input (graph, "dy", VARD_DTYPE_F32, q->shape);

  g_assert_no_error (vard_graph_peek_error (graph));
  check_attention (attentions[i].name, y);
  check_attention (attentions[i].name, vard_attention_gradient (q, k, v, dy, 0.125, FALSE, 0));
}

/* the library has an opinion: channels that do not fit are refused */
static void
test_wrong_shape (void)
{
  const CudaDnnTensor x = { CUDNN_DATA_BFLOAT16, 0, { 1, 8, 8, 8 }, { 512, 1, 64, 8 } };
  const CudaDnnTensor w = { CUDNN_DATA_BFLOAT16, 0, { 8, 16, 3, 3 }, { 144, 1, 48, 16 } };
  const CudaDnnWindow window = { { 1, 1 }, { 1, 1 }, { 1, 1 } };
  CudaDnnGraph *graph = cuda_dnn_graph_new (target);
  guint a = cuda_dnn_graph_add_tensor (graph, &x), b = cuda_dnn_graph_add_tensor (graph, &w);
  guint c = cuda_dnn_graph_add_tensor (graph, &x);
  const CudaDnnWish wish = { 0, WORKSPACE, 4, -1 };

  cuda_dnn_graph_add_convolution (graph, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                  &window, a, b, c);
  g_assert_null (cuda_dnn_plan_new (graph, &wish));
}

int
main (int argc, char **argv)
{
  const CudaDnnLibrary *library;

  g_test_init (&argc, &argv, NULL);
  library = cuda_dnn_library_open ();
  target = library != NULL ? cuda_dnn_target_new_described (library, H200) : NULL;
  if (target == NULL)
    {
      g_print ("1..0 # SKIP there is no cuDNN of 9.8 or newer\n");
      return 0;
    }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/cuda/cudnn/", rows[i].name, NULL);

      g_test_add_data_func (path, &rows[i], test_convolution);
    }
  for (guint i = 0; i < G_N_ELEMENTS (attentions); i++)
    {
      g_autofree char *path = g_strconcat ("/cuda/cudnn/attention-", attentions[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_attention);
    }
  g_test_add_func ("/cuda/cudnn/wrong-shape", test_wrong_shape);

  int result = g_test_run ();

  cuda_dnn_target_free (target);
  return result;
}
