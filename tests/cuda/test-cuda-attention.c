/* test-cuda-attention.c - attention by cuDNN: the numbers of the engine's own way, whole or some
 * heads at a time
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "cuda-engine.h"
#include "cuda-step.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define PICTURES 2
#define HEADS 4

typedef struct
{
  const char *name;
  gint64 n_queries, n_keys, d;
  gboolean has_all; /* gradients for queries, keys and values, or for queries alone */
  gsize workspace;  /* 0: as it is */
  const char *forward, *gradient;
} Case;

/* scores of one head of 64 queries and of up to 128 keys are 16 KiB */
/* clang-format off */
static const Case cases[] = {
  { "whole", 64, 25, 8, TRUE, 0, "attention/cudnn-bf16", "attention_gradient/cudnn-bf16" },
  { "for-queries", 64, 25, 8, FALSE, 0, "attention/cudnn-bf16", "attention_gradient/cudnn-bf16" },
  { "by-pictures", 64, 25, 8, TRUE, 5 * 16384, "attention/cudnn-bf16",
    "attention_gradient/cudnn-bf16" },
  { "by-heads", 64, 25, 8, TRUE, 3 * 16384, "attention/cudnn-bf16",
    "attention_gradient/cudnn-bf16" },
  { "one-head", 12, 128, 40, TRUE, 16384 + 4096, "attention/cudnn-bf16",
    "attention_gradient/cudnn-bf16" },
  { "no-room", 64, 25, 8, TRUE, 8192, "attention/cudnn-bf16", "attention_gradient/blocks-bf16" },
  { "unaligned-parts", 25, 25, 8, TRUE, 3 * 16384, "attention/cudnn-bf16",
    "attention_gradient/blocks-bf16" },
  { "narrow", 16, 9, 4, TRUE, 0, "attention/blocks-bf16", "attention_gradient/blocks-bf16" },
};
/* clang-format on */

static VardNode *
add_layer (VardNode *x, const char *name, gint64 n, gint64 d)
{
  gint64 c = HEADS * d;
  g_autofree float *values = g_new (float, c *c);

  vard_random_fill_normal (5, g_str_hash (name), values, c * c);
  for (gint64 i = 0; i < c * c; i++)
    values[i] *= 0.2f;
  return vard_reshape (vard_matmul (vard_reshape (x, VARD_SHAPE (PICTURES * n, c)),
                                    vard_constant_f32 (x->graph, VARD_SHAPE (c, c), values), FALSE,
                                    FALSE),
                       VARD_SHAPE (PICTURES, n, HEADS, d));
}

/* layers, attention, a layer; outputs y, dx and dz */
static VardGraph *
make_graph (const Case *row)
{
  VardGraph *graph = vard_graph_new ();
  gint64 d = row->d, c = HEADS * d;
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (PICTURES, row->n_queries, c));
  VardNode *z = vard_input (graph, "z", VARD_DTYPE_F32, VARD_SHAPE (PICTURES, row->n_keys, c)),
           *wrt[] = { x, z };
  VardNode *dy = vard_input (graph, "dy", VARD_DTYPE_F32,
                             VARD_SHAPE (PICTURES, row->n_queries, HEADS, d)),
           *gradients[2];
  VardNode *attended = vard_attention (add_layer (x, "q", row->n_queries, d),
                                       add_layer (z, "k", row->n_keys, d),
                                       add_layer (z, "v", row->n_keys, d), 1 / sqrt (d), FALSE);
  VardNode *y = add_layer (attended, "out", row->n_queries, d);

  vard_vjp (&y, &dy, 1, wrt, row->has_all ? 2 : 1, gradients);
  vard_graph_add_output (graph, "y", y);
  vard_graph_add_output (graph, "dx", gradients[0]);
  if (row->has_all)
    vard_graph_add_output (graph, "dz", gradients[1]);
  g_assert_no_error (vard_graph_peek_error (graph));
  return graph;
}

static void
set_input (VardExecutable *executable, const char *name, gint64 n)
{
  g_autofree float *values = g_new (float, n);
  g_autoptr (GError) error = NULL;

  vard_random_fill_normal (7, g_str_hash (name), values, n);
  vard_executable_set_input (executable, name, values, n * sizeof (float), &error);
  g_assert_no_error (error);
}

static gboolean
has_step (VardExecutable *executable, const char *name)
{
  VardProgram *program = vard_executable_peek_program (executable);

  for (guint i = 0; i < vard_program_get_n_steps (program); i++)
    if (g_str_equal (vard_program_get_step (program, i)->name, name))
      return TRUE;
  return FALSE;
}

static gint64
count_results (const Case *row)
{
  return PICTURES * HEADS * row->d * (2 * row->n_queries + (row->has_all ? row->n_keys : 0));
}

/* y, dx and dz one after the other, of a call and of two replays, which must be the same */
static float *
run (VardExecutable *executable, const Case *row)
{
  gint64 queries = PICTURES * row->n_queries * HEADS * row->d,
         keys = PICTURES * row->n_keys * HEADS * row->d;
  gsize size = count_results (row) * sizeof (float);
  float *results = g_malloc (size);
  g_autofree float *before = g_malloc (size);
  g_autoptr (GError) error = NULL;

  set_input (executable, "x", queries);
  set_input (executable, "z", keys);
  set_input (executable, "dy", queries);
  for (guint i = 0; i < 3; i++)
    {
      memcpy (before, results, size);
      vard_executable_run (executable, NULL, &error);
      g_assert_no_error (error);
      vard_executable_get_output (executable, "y", results, queries * sizeof (float), &error);
      vard_executable_get_output (executable, "dx", results + queries, queries * sizeof (float),
                                  &error);
      if (row->has_all)
        vard_executable_get_output (executable, "dz", results + 2 * queries, keys * sizeof (float),
                                    &error);
      g_assert_no_error (error);
      if (i > 0)
        g_assert_cmpmem (before, size, results, size);
    }
  return results;
}

static float *
compute (const Case *row,
         gboolean cudnn,
         gsize workspace,
         const char *forward,
         const char *gradient)
{
  g_autoptr (VardEngine) engine =
    g_object_new (VARD_TYPE_CUDA_ENGINE, "precision", CUDA_PRECISION_BF16, "cudnn", cudnn, NULL);
  g_autofree char *text = vard_engine_describe (engine);
  VardGraph *graph = make_graph (row);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardExecutable) executable = NULL;
  float *results;

  if (workspace > 0)
    vard_cuda_engine_set_dnn_workspace (VARD_CUDA_ENGINE (engine), workspace);
  executable = vard_engine_compile (engine, graph, &error);
  g_assert_no_error (error);
  if (strstr (text, "built without cuDNN") == NULL)
    {
      g_assert_true (has_step (executable, forward));
      g_assert_true (has_step (executable, gradient));
    }
  results = run (executable, row);
  vard_graph_unref (graph);
  return results;
}

static void
test_case (gconstpointer data)
{
  const Case *row = data;
  gint64 n = count_results (row);
  g_autofree float *expected =
    compute (row, FALSE, 0, "attention/blocks-bf16", "attention_gradient/blocks-bf16");
  g_autofree float *found = compute (row, TRUE, row->workspace, row->forward, row->gradient);
  double largest = 0, difference = 0;

  for (gint64 i = 0; i < n; i++)
    {
      largest = MAX (largest, fabs (expected[i]));
      difference = MAX (difference, fabs ((double) found[i] - expected[i]));
    }
  g_test_message ("largest %g, difference %g", largest, difference);
  g_assert_cmpfloat (largest, >, 0.1);
  g_assert_cmpfloat (difference, <=, 8 * 0x1p-9 * largest);
}

/* heads do not know of each other */
static void
test_parts_are_the_whole (void)
{
  const Case *row = &cases[0];
  g_autofree float *whole = compute (row, TRUE, 0, row->forward, row->gradient);
  g_autofree float *parts = compute (row, TRUE, 3 * 16384, row->forward, row->gradient);
  gsize size = count_results (row) * sizeof (float);

  g_assert_cmpmem (whole, size, parts, size);
}

static void
change_files (const char *folder, const char *contents)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (contents == NULL)
        g_assert_cmpint (g_unlink (path), ==, 0);
      else if (g_str_has_suffix (name, ".plan"))
        g_assert_true (g_file_set_contents (path, contents, -1, NULL));
    }
}

/* A library that proposes nothing computes what was kept, and a file that was changed is as none */
static void
test_plans_are_kept (void)
{
  const Case *row = &cases[0];
  g_autofree char *folder = g_dir_make_tmp (NULL, NULL),
                  *before = g_strdup (g_getenv ("VARD_CUDA_CACHE"));

  g_setenv ("VARD_CUDA_CACHE", folder, TRUE);

  g_autofree float *first = compute (row, TRUE, 0, row->forward, row->gradient);

  g_setenv ("VARD_FAKE_CUDA", "no-proposals", TRUE);

  g_autofree float *again = compute (row, TRUE, 0, row->forward, row->gradient);

  g_assert_cmpmem (first, count_results (row) * sizeof (float), again,
                   count_results (row) * sizeof (float));
  change_files (folder, "cut short");
  g_free (compute (row, TRUE, 0, "attention/blocks-bf16", "attention_gradient/blocks-bf16"));
  g_unsetenv ("VARD_FAKE_CUDA");
  g_free (compute (row, TRUE, 0, row->forward, row->gradient));
  change_files (folder, NULL);
  g_rmdir (folder);
  g_setenv ("VARD_CUDA_CACHE", before, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/cuda/attention/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  g_test_add_func ("/cuda/attention/parts-are-the-whole", test_parts_are_the_whole);
  g_test_add_func ("/cuda/attention/plans-are-kept", test_plans_are_kept);
  return g_test_run ();
}
