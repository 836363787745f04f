/* test-module.c - trees of parameters: paths, order, flags
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "nn/vard-attention.h"
#include "nn/vard-conv2d.h"
#include "nn/vard-layer-norm.h"

static void
append_path (const char *path, VardParameter *parameter, gpointer data)
{
  g_string_append_printf (data, "%s ", path);
}

static void
append_module (const char *path, VardModule *module, gpointer data)
{
  g_string_append_printf (data, "<%s> ", path);
}

static VardModule *
make_tree (void)
{
  VardModule *root = g_object_new (VARD_TYPE_MODULE, NULL);
  VardModule *block =
    vard_module_add_child (root, "blocks.0", g_object_new (VARD_TYPE_MODULE, NULL));

  vard_module_add_child (block, "norm", vard_layer_norm_new (4, 1e-5));
  vard_module_add_child (block, "attn",
                         vard_attention_new (4, 6, 2, 2, &vard_attention_style_unet,
                                             VARD_LAYOUT_PLAIN));
  vard_module_add_child (root, "conv", vard_conv2d_new_same (4, 8, 3));
  return root;
}

static void
test_paths (void)
{
  g_autoptr (VardModule) root = make_tree ();
  g_autoptr (GString) paths = g_string_new (NULL), modules = g_string_new (NULL);

  vard_module_foreach_parameter (root, append_path, paths);
  g_assert_cmpstr (paths->str, ==,
                   "blocks.0.norm.weight blocks.0.norm.bias blocks.0.attn.to_q.weight "
                   "blocks.0.attn.to_k.weight blocks.0.attn.to_v.weight "
                   "blocks.0.attn.to_out.0.weight blocks.0.attn.to_out.0.bias conv.weight "
                   "conv.bias ");
  vard_module_foreach (root, append_module, modules);
  g_assert_cmpstr (modules->str, ==,
                   "<> <blocks.0> <blocks.0.norm> <blocks.0.attn> <blocks.0.attn.to_q> "
                   "<blocks.0.attn.to_k> "
                   "<blocks.0.attn.to_v> <blocks.0.attn.to_out.0> <conv> ");
}

/* a param is named by its path from the root and is one node however often it is recorded */
static void
test_record (void)
{
  g_autoptr (VardModule) root = g_object_new (VARD_TYPE_MODULE, NULL);
  VardLinear *layer =
    vard_module_add_child (root, "a.b", vard_linear_new (3, 2, TRUE, VARD_LAYOUT_PLAIN));
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (5, 7, 3));
  VardNode *y = vard_linear_record (layer, x);
  const VardSourceAttrs *attrs =
    vard_parameter_record (vard_linear_peek_weight (layer), graph)->attrs;
  g_autofree char *path = vard_module_dup_path (VARD_MODULE (layer));

  g_assert_null (vard_graph_peek_error (graph));
  g_assert_cmpint (y->shape.n_dims, ==, 3);
  g_assert_cmpint (y->shape.dims[1], ==, 7);
  g_assert_cmpint (y->shape.dims[2], ==, 2);
  g_assert_true (vard_linear_record (layer, x) == y);
  g_assert_cmpstr (attrs->name, ==, "a.b.weight");
  g_assert_cmpstr (path, ==, "a.b");
}

static void
count_trainable (const char *path, VardParameter *parameter, gpointer data)
{
  *(guint *) data += parameter->is_trainable;
}

static void
test_flags (void)
{
  g_autoptr (VardModule) root = make_tree ();
  guint n = 0;

  vard_module_foreach_parameter (root, count_trainable, &n);
  g_assert_cmpuint (n, ==, 0);
  vard_module_set_trainable (root, TRUE);
  vard_module_foreach_parameter (root, count_trainable, &n);
  g_assert_cmpuint (n, ==, 9);
  g_assert_true (vard_module_get_adapters_enabled (root));
  vard_module_set_adapters_enabled (root, FALSE);
  g_assert_false (vard_module_get_adapters_enabled (root));
}

/* A of a layer depends on seed and path, not on which other layers are targets */
static void
first_number (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  if (g_str_has_suffix (path, "to_k"))
    *(float *) data = vard_tensor_peek_f32 (vard_lora_peek_down (lora)->tensor)[0];
}

static void
test_lora_seed (void)
{
  static const char *const keys[] = { "to_k", NULL }, *const both[] = { "to_q", "to_k", NULL };
  const char *const *targets[] = { keys, both, both };
  const guint64 seeds[] = { 1, 1, 2 };
  float numbers[3] = { 0 };

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (VardModule) root = make_tree ();

      g_assert_true (vard_lora_attach (root, targets[i], 2, 2, seeds[i], NULL));
      vard_lora_foreach (root, first_number, &numbers[i]);
    }
  g_assert_cmpfloat (numbers[0], !=, 0);
  g_assert_cmpfloat (numbers[0], ==, numbers[1]);
  g_assert_cmpfloat (numbers[0], !=, numbers[2]);
}

/* the halves of a layer are the halves of what it gives as a whole, with an adapter and without */
static void
test_halves (gconstpointer data)
{
  static const char *const targets[] = { "layer", NULL };
  g_autoptr (VardModule) root = g_object_new (VARD_TYPE_MODULE, NULL);
  VardLinear *layer =
    vard_module_add_child (root, "layer", vard_linear_new (3, 4, TRUE, VARD_LAYOUT_PLAIN));
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (GError) error = NULL;
  float values[2 * 5 * 3], worst = 1;
  VardNode *first, *second;

  vard_random_fill_normal (1, 0, vard_tensor_peek_f32 (vard_linear_peek_weight (layer)->tensor),
                           12);
  vard_random_fill_normal (2, 0, vard_tensor_peek_f32 (vard_linear_peek_bias (layer)->tensor), 4);
  if (GPOINTER_TO_INT (data))
    g_assert_true (vard_lora_attach (root, targets, 2, 2, 3, NULL));

  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (2, 5, 3));
  VardNode *both = vard_linear_record (layer, x);

  vard_linear_record_halves (layer, x, &first, &second);

  VardNode *apart = vard_sub (both, vard_concat ((VardNode *[]) { first, second }, 2, 2));

  vard_graph_add_output (graph, "apart", vard_sum_all (vard_square (apart)));

  g_autoptr (VardExecutable) executable = vard_engine_compile (engine, graph, &error);

  g_assert_no_error (error);
  vard_random_fill_normal (4, 0, values, G_N_ELEMENTS (values));
  g_assert_true (vard_executable_set_input (executable, "x", values, sizeof values, NULL));
  g_assert_true (vard_executable_run (executable, NULL, NULL));
  g_assert_true (vard_executable_get_output (executable, "apart", &worst, sizeof worst, NULL));
  g_assert_cmpfloat (worst, <, 1e-10);
}

static guint
count_products (VardGraph *graph, gint64 rows, gint64 columns)
{
  guint n = 0;

  for (guint id = 0; id < vard_graph_get_n_nodes (graph); id++)
    {
      const VardNode *node = vard_graph_get_node (graph, id);

      n += node->op == &vard_op_matmul && node->shape.dims[0] == rows
           && node->shape.dims[1] == columns;
    }
  return n;
}

/* The adapter of a layer of many rows is merged into its weight where it may be, that of one with
 * few runs beside it: the same result for the same rows, and the same gradients for A and B */
static void
test_lora_ways (void)
{
  enum
  {
    MANY = 64,
    FEW = 5,
    N_IN = 12,
    N_OUT = 20,
    RANK = 2
  };
  static const char *const targets[] = { "layer", NULL }, *const names[] = { "y", "down", "up" };
  g_autoptr (VardModule) root = g_object_new (VARD_TYPE_MODULE, NULL);
  VardLinear *layer =
    vard_module_add_child (root, "layer", vard_linear_new (N_IN, N_OUT, TRUE, VARD_LAYOUT_PLAIN));
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (VardGraph) graph = vard_graph_new ();
  float values[MANY * N_IN], worst = 1;
  VardNode *of_many[3], *of_few[3];

  g_assert_true (vard_lora_attach (root, targets, RANK, 5, 3, NULL));

  VardLora *lora = VARD_LORA (vard_linear_peek_adapter (layer));

  vard_random_fill_normal (1, 0, vard_tensor_peek_f32 (vard_linear_peek_weight (layer)->tensor),
                           N_IN * N_OUT);
  vard_random_fill_normal (2, 0, vard_tensor_peek_f32 (vard_lora_peek_up (lora)->tensor),
                           N_OUT * RANK);

  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (MANY, N_IN));
  VardNode *wrt[] = { vard_parameter_record (vard_lora_peek_down (lora), graph),
                      vard_parameter_record (vard_lora_peek_up (lora), graph) };

  vard_linear_record (layer, x);
  vard_lora_set_merging (root, TRUE);
  of_few[0] = vard_linear_record (layer, vard_slice (x, 0, 0, FEW));
  g_assert_cmpuint (count_products (graph, N_OUT, N_IN), ==, 0);
  of_many[0] = vard_slice (vard_linear_record (layer, x), 0, 0, FEW);
  g_assert_cmpuint (count_products (graph, N_OUT, N_IN), ==, 1);
  for (guint i = 0; i < 2; i++)
    {
      VardNode **y = i == 0 ? of_many : of_few, *loss = vard_sum_all (vard_square (y[0]));

      vard_vjp (&loss, NULL, 1, wrt, 2, y + 1);
    }
  for (guint i = 0; i < 3; i++)
    vard_graph_add_output (graph, names[i],
                           vard_sum_all (vard_square (vard_sub (of_many[i], of_few[i]))));

  g_autoptr (VardExecutable) executable = vard_engine_compile (engine, graph, NULL);

  vard_random_fill_normal (4, 0, values, G_N_ELEMENTS (values));
  g_assert_true (vard_executable_set_input (executable, "x", values, sizeof values, NULL));
  g_assert_true (vard_executable_run (executable, NULL, NULL));
  for (guint i = 0; i < 3; i++)
    {
      g_assert_true (vard_executable_get_output (executable, names[i], &worst, sizeof worst, NULL));
      g_assert_cmpfloat (worst, <, 1e-6);
    }
}

static void
test_child_outlives_parent (void)
{
  VardModule *root = g_object_new (VARD_TYPE_MODULE, NULL);
  g_autoptr (VardModule) child =
    g_object_ref (vard_module_add_child (root, "a", vard_layer_norm_new (4, 1e-5)));
  g_autofree char *path = NULL;

  g_assert_finalize_object (root);
  path = vard_module_dup_path (child);
  g_assert_cmpstr (path, ==, "a");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/module/paths", test_paths);
  g_test_add_func ("/module/record", test_record);
  g_test_add_func ("/module/flags", test_flags);
  g_test_add_func ("/module/lora-seed", test_lora_seed);
  g_test_add_func ("/module/lora-ways", test_lora_ways);
  g_test_add_data_func ("/module/halves", GINT_TO_POINTER (FALSE), test_halves);
  g_test_add_data_func ("/module/halves-adapted", GINT_TO_POINTER (TRUE), test_halves);
  g_test_add_func ("/module/child-outlives-parent", test_child_outlives_parent);
  return g_test_run ();
}
