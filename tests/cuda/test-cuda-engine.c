/* test-cuda-engine.c - what the CUDA engine promises as a whole: replays equal to single calls,
 * kernels from the cache, transfers, and one clear sentence for each way to fail
 *
 * It runs on the fake driver beside it, whose faults VARD_FAKE_CUDA chooses.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "cuda-engine.h"
#include "cuda-step.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define SIDE 4
#define CHANNELS 16
#define TOKENS (SIDE * SIDE)

typedef struct
{
  VardGraph *graph;
  gint64 n; /* pictures */
} Network;

static VardNode *
add_weights (VardGraph *graph, VardShape shape, guint64 counter)
{
  gint64 n = vard_shape_get_count (&shape);
  g_autofree float *values = g_new (float, n);

  vard_random_fill_normal (3, counter, values, n);
  for (gint64 i = 0; i < n; i++)
    values[i] *= 0.1f;
  return vard_constant_f32 (graph, shape, values);
}

/* normalisation, convolution, attention, and the gradient for the input */
static Network
make_network (gint64 n)
{
  Network self = { vard_graph_new (), n };
  const VardConv2dAttrs same = { 1, 1, 1, 1, 1 };
  VardNode *x = vard_input (self.graph, "x", VARD_DTYPE_F32, VARD_SHAPE (n, SIDE, SIDE, CHANNELS));
  VardNode *w = add_weights (self.graph, VARD_SHAPE (CHANNELS, 3, 3, CHANNELS), 1);
  VardNode *h = vard_conv2d (vard_silu (vard_normalize (x, 1, 4, 1e-5)), w, &same);
  VardNode *q = vard_reshape (h, VARD_SHAPE (n, TOKENS, 2, CHANNELS / 2));
  VardNode *y = vard_add (x, vard_reshape (vard_attention (q, q, q, 0.3, FALSE), x->shape));
  VardNode *cotangent = vard_tanh (y), *dx;

  vard_vjp (&y, &cotangent, 1, &x, 1, &dx);
  vard_graph_add_output (self.graph, "y", y);
  vard_graph_add_output (self.graph, "dx", dx);
  g_assert_no_error (vard_graph_peek_error (self.graph));
  return self;
}

static VardExecutable *
compile (VardEngine *engine, const Network *network)
{
  g_autoptr (GError) error = NULL;
  VardExecutable *executable = vard_engine_compile (engine, network->graph, &error);

  g_assert_no_error (error);
  return executable;
}

static gsize
count_floats (const Network *network)
{
  return network->n * TOKENS * CHANNELS;
}

static float *
run (VardExecutable *executable, const Network *network, guint64 seed)
{
  gsize n = count_floats (network), size = n * sizeof (float);
  float *values = g_new (float, 2 * n);
  g_autoptr (GError) error = NULL;

  vard_random_fill_normal (seed, 1, values, n);
  vard_executable_set_input (executable, "x", values, size, &error);
  g_assert_no_error (error);
  vard_executable_run (executable, NULL, &error);
  g_assert_no_error (error);
  vard_executable_get_output (executable, "y", values, size, &error);
  g_assert_no_error (error);
  vard_executable_get_output (executable, "dx", values + n, size, &error);
  g_assert_no_error (error);
  return values;
}

static VardEngine *
make_engine (gboolean graphs)
{
  return g_object_new (VARD_TYPE_CUDA_ENGINE, "graphs", graphs, NULL);
}

static guint
count_captures (VardExecutable *executable)
{
  const VardStep *step = vard_program_get_step (vard_executable_peek_program (executable), 0);

  return CUDA_DATA (step)->program->n_captures;
}

/* ---- replays ---- */

/* Each round has another input: what a capture forgot to record, or recorded as a number, would
 * stay the same */
static void
test_replay_equals_calls (void)
{
  g_autoptr (VardEngine) replays = make_engine (TRUE), calls = make_engine (FALSE);
  Network network = make_network (2);
  g_autoptr (VardExecutable) a = compile (replays, &network), b = compile (calls, &network);

  for (guint round = 0; round < 4; round++)
    {
      g_autofree float *replayed = run (a, &network, round), *called = run (b, &network, round);

      g_assert_cmpmem (replayed, 2 * count_floats (&network) * sizeof (float), called,
                       2 * count_floats (&network) * sizeof (float));
    }
  g_assert_true (vard_engine_is_exact (calls));
  g_assert_cmpuint (count_captures (a), ==, 1);
  g_assert_cmpuint (count_captures (b), ==, 0);
  vard_graph_unref (network.graph);
}

/* A larger program on the same engine makes the arena grow, and so move */
static void
test_moved_arena (void)
{
  g_autoptr (VardEngine) engine = make_engine (TRUE);
  g_autoptr (VardEngine) reference = vard_reference_engine_new ();
  Network small = make_network (1), large = make_network (3);
  g_autoptr (VardExecutable) a = compile (engine, &small), plain = compile (reference, &small);
  g_autofree float *first = run (a, &small, 1), *second = run (a, &small, 1);
  g_autoptr (VardExecutable) b = compile (engine, &large);
  g_autofree float *other = run (b, &large, 1), *third = run (a, &small, 1),
                   *expected = run (plain, &small, 1);

  g_assert_cmpuint (count_captures (a), ==, 2);
  for (gsize i = 0; i < 2 * count_floats (&small); i++)
    {
      g_assert_true (first[i] == second[i] && second[i] == third[i]);
      g_assert_cmpfloat (fabsf (first[i] - expected[i]), <, 1e-4);
    }
  vard_graph_unref (small.graph);
  vard_graph_unref (large.graph);
}

static gboolean
has_cudnn (void)
{
  g_autoptr (VardEngine) engine = make_engine (TRUE);
  g_autofree char *text = vard_engine_describe (engine);

  return strstr (text, "built without cuDNN") == NULL;
}

static void
test_steps_are_named (gconstpointer cudnn)
{
  gboolean is_cudnn = cudnn != NULL && has_cudnn ();
  g_autoptr (VardEngine) engine = g_object_new (VARD_TYPE_CUDA_ENGINE, "precision",
                                                CUDA_PRECISION_BF16, "cudnn", cudnn != NULL, NULL);
  g_autofree char *text = vard_engine_describe (engine);
  Network network = make_network (1);
  g_autoptr (VardExecutable) executable = compile (engine, &network);
  VardProgram *program = vard_executable_peek_program (executable);
  g_autoptr (GString) names = g_string_new (" ");

  for (guint i = 0; i < vard_program_get_n_steps (program); i++)
    g_string_append_printf (names, "%s ", vard_program_get_step (program, i)->name);
  g_test_message ("%s", names->str);
  g_assert_nonnull (
    strstr (names->str, is_cudnn ? " conv2d/cudnn-bf16 " : " conv2d/patches-bf16 "));
  g_assert_nonnull (strstr (names->str, is_cudnn ? " conv2d_input_gradient/cudnn-bf16 "
                                                 : " conv2d_input_gradient/patches-bf16 "));
  g_assert_nonnull (strstr (text, is_cudnn        ? ", cuDNN 9.19.0, "
                                  : cudnn != NULL ? "without cuDNN"
                                                  : ", cuDNN not used, "));
  g_assert_nonnull (strstr (names->str, " attention_gradient/blocks-bf16 "));
  g_assert_nonnull (strstr (names->str, " normalize+region "));
  g_assert_false (vard_engine_is_exact (engine));
  g_assert_cmpfloat (vard_executable_count_flops (executable), >,
                     2.0 * 2 * TOKENS * CHANNELS * CHANNELS * 9);
  vard_graph_unref (network.graph);
}

static void
test_cancelled (void)
{
  g_autoptr (VardEngine) engine = make_engine (TRUE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Network network = make_network (1);
  g_autoptr (VardExecutable) executable = compile (engine, &network);
  g_autofree float *before = run (executable, &network, 1);

  g_cancellable_cancel (cancellable);
  g_assert_false (vard_executable_run (executable, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  g_autofree float *after = run (executable, &network, 1);

  g_assert_cmpmem (after, count_floats (&network) * sizeof (float), before,
                   count_floats (&network) * sizeof (float));
  vard_graph_unref (network.graph);
}

/* ---- memory ---- */

/* several pieces of pinned memory and a rest; the fake driver moves them as late as it may */
static void
test_transfers (void)
{
  const gsize size = (21 << 20) + 5;
  g_autoptr (VardEngine) engine = make_engine (TRUE);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardBuffer) a = vard_engine_alloc (engine, size + 64, &error),
                         b = vard_engine_alloc (engine, size + 64, &error);
  g_autofree guint8 *from = g_malloc (size), *to = g_malloc0 (size);

  g_assert_no_error (error);
  for (gsize i = 0; i < size; i++)
    from[i] = (i * 2654435761u) >> 13;
  vard_engine_write (engine, a, 3, from, size, &error);
  g_assert_no_error (error);
  VARD_ENGINE_GET_CLASS (engine)->copy (engine, a, 3, b, 7, size, &error);
  g_assert_no_error (error);
  /* the source may be written again at once: what is queued comes first */
  vard_engine_write (engine, a, 3, to, size, &error);
  g_assert_no_error (error);
  vard_engine_read (engine, b, 7, to, size, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (from, size, to, size);
}

/* ---- the cache ---- */

static void
spoil_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_assert_true (
        g_file_set_contents (path, "\xff\xff\xff\xff\xff\xff\xff\xff spoilt", -1, NULL));
    }
}

static void
remove_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (folder);
}

static void
compile_and_count (guint *n_compiled, guint *n_cached)
{
  g_autoptr (VardEngine) engine = make_engine (TRUE);
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (GError) error = NULL;
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (4, 8));

  vard_graph_add_output (graph, "y", vard_softmax (vard_exp (x)));

  g_autoptr (VardExecutable) executable = vard_engine_compile (engine, graph, &error);

  g_assert_no_error (error);
  vard_cuda_engine_get_modules (VARD_CUDA_ENGINE (engine), n_compiled, n_cached);
}

static void
test_cache (void)
{
  g_autofree char *folder = g_dir_make_tmp (NULL, NULL),
                  *before = g_strdup (g_getenv ("VARD_CUDA_CACHE"));
  guint n_compiled, n_cached;

  g_setenv ("VARD_CUDA_CACHE", folder, TRUE);
  compile_and_count (&n_compiled, &n_cached);
  g_assert_cmpuint (n_compiled, ==, 2);
  g_assert_cmpuint (n_cached, ==, 0);
  compile_and_count (&n_compiled, &n_cached);
  g_assert_cmpuint (n_compiled, ==, 0);
  g_assert_cmpuint (n_cached, ==, 2);
  spoil_files (folder);
  compile_and_count (&n_compiled, &n_cached);
  g_assert_cmpuint (n_compiled, ==, 2);
  remove_files (folder);
  /* a folder that cannot be made costs time only */
  g_setenv ("VARD_CUDA_CACHE", "/proc/nowhere", TRUE);
  compile_and_count (&n_compiled, &n_cached);
  g_assert_cmpuint (n_compiled, ==, 2);
  g_setenv ("VARD_CUDA_CACHE", before, TRUE);
}

/* three algorithms are proposed, and the second is the fastest */
static float *
multiply_and_count (guint *n_measured, guint *n_recalled)
{
  g_autoptr (VardEngine) engine = make_engine (TRUE);
  Network network = make_network (1);
  g_autoptr (VardExecutable) executable = compile (engine, &network);
  float *values = run (executable, &network, 1);

  g_free (run (executable, &network, 1));
  vard_cuda_engine_get_choices (VARD_CUDA_ENGINE (engine), n_measured, n_recalled);
  vard_graph_unref (network.graph);
  return values;
}

static GKeyFile *
load_choices (const char *folder, char **path)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  const char *name = g_dir_read_name (dir);

  while (name != NULL && !g_str_has_prefix (name, "algorithms-Emulated-device-sm_90-"))
    name = g_dir_read_name (dir);
  g_assert_nonnull (name);
  *path = g_build_filename (folder, name, NULL);
  g_assert_true (g_key_file_load_from_file (file, *path, G_KEY_FILE_NONE, NULL));
  return g_steal_pointer (&file);
}

/* every choice in the file is the fast one; returns how many there are */
static guint
check_choices (const char *folder)
{
  g_autofree char *path = NULL;
  g_autoptr (GKeyFile) file = load_choices (folder, &path);
  g_auto (GStrv) keys = NULL;
  gsize n_keys = 0;

  keys = g_key_file_get_keys (file, "algorithms", &n_keys, NULL);
  for (gsize i = 0; i < n_keys; i++)
    {
      g_autofree char *text = g_key_file_get_string (file, "algorithms", keys[i], NULL);
      gsize size;
      g_autofree guchar *bytes = g_base64_decode (text, &size);

      if (g_str_has_prefix (keys[i], "cudnn-91900-fp32-conv"))
        {
          g_assert_cmpuint (size, ==, sizeof (gint32));
          g_assert_cmpint (*(const gint32 *) (gpointer) bytes, ==, 2);
          continue;
        }
      g_assert_cmpuint (size, ==, sizeof (cublasLtMatmulAlgo_t));
      g_assert_cmpuint (((const cublasLtMatmulAlgo_t *) (gpointer) bytes)->data[1], ==, 1);
    }
  return n_keys;
}

/* ways that cuDNN does not propose, as another version may have; returns how many */
static guint
write_unknown_ways (const char *folder)
{
  g_autofree char *path = NULL;
  g_autoptr (GKeyFile) file = load_choices (folder, &path);
  g_auto (GStrv) keys = g_key_file_get_keys (file, "algorithms", NULL, NULL);
  const gint32 way = 23;
  g_autofree char *text = g_base64_encode ((const guchar *) &way, sizeof way);
  guint n = 0;

  for (gsize i = 0; keys[i] != NULL; i++)
    if (g_str_has_prefix (keys[i], "cudnn-"))
      {
        g_key_file_set_string (file, "algorithms", keys[i], text);
        n++;
      }
  g_assert_true (g_key_file_save_to_file (file, path, NULL));
  return n;
}

static void
test_choices (void)
{
  g_autofree char *folder = g_dir_make_tmp (NULL, NULL),
                  *before = g_strdup (g_getenv ("VARD_CUDA_CACHE"));
  guint n_measured, n_recalled, n_choices, n_unknown;

  g_autofree float *plain = multiply_and_count (&n_measured, &n_recalled);

  g_assert_cmpuint (n_measured, ==, 0);
  g_setenv ("VARD_CUDA_CACHE", folder, TRUE);
  g_setenv ("VARD_FAKE_CUDA", "algorithms=3", TRUE);

  g_autofree float *measured = multiply_and_count (&n_measured, &n_recalled);

  n_choices = check_choices (folder);
  g_assert_cmpuint (n_choices, >, 3);
  g_assert_cmpuint (n_measured, ==, n_choices);

  g_autofree float *recalled = multiply_and_count (&n_measured, &n_recalled);

  g_assert_cmpuint (n_measured, ==, 0);
  g_assert_cmpuint (n_recalled, >=, n_choices);
  g_assert_cmpmem (measured, TOKENS * CHANNELS * sizeof (float), plain,
                   TOKENS * CHANNELS * sizeof (float));
  g_assert_cmpmem (recalled, TOKENS * CHANNELS * sizeof (float), plain,
                   TOKENS * CHANNELS * sizeof (float));
  n_unknown = write_unknown_ways (folder);

  g_autofree float *again = multiply_and_count (&n_measured, &n_recalled);

  g_assert_cmpuint (n_measured, ==, n_unknown);
  g_assert_cmpuint (check_choices (folder), ==, n_choices);
  g_assert_cmpmem (again, TOKENS * CHANNELS * sizeof (float), plain,
                   TOKENS * CHANNELS * sizeof (float));
  spoil_files (folder);
  g_free (multiply_and_count (&n_measured, &n_recalled));
  g_assert_cmpuint (n_measured, ==, n_choices);
  g_unsetenv ("VARD_FAKE_CUDA");
  remove_files (folder);
  g_setenv ("VARD_CUDA_CACHE", before, TRUE);
}

/* ---- faults ---- */

typedef struct
{
  const char *name, *fault, *words[4];
  int code;
} Fault;

static const Fault open_faults[] = {
  { "no-device", "no-device", { "this machine has no NVIDIA device" }, VARD_ERROR_UNSUPPORTED },
  { "old-driver", "old-driver", { "11.4", "needs 12.0", "newer driver" }, VARD_ERROR_UNSUPPORTED },
};

static void
assert_says (const GError *error, const char *const *words)
{
  for (guint i = 0; i < 4 && words[i] != NULL; i++)
    if (strstr (error->message, words[i]) == NULL)
      g_error ("\"%s\" does not have \"%s\"", error->message, words[i]);
  g_assert_null (strchr (error->message, '\n'));
}

static void
test_open_fault (gconstpointer data)
{
  const Fault *fault = data;
  g_autoptr (VardEngine) engine = make_engine (TRUE);
  g_autoptr (GError) error = NULL;

  g_setenv ("VARD_FAKE_CUDA", fault->fault, TRUE);
  g_assert_null (vard_engine_alloc (engine, 16, &error));

  g_autofree char *text = vard_engine_describe (engine);

  g_unsetenv ("VARD_FAKE_CUDA");
  g_assert_error (error, VARD_ERROR, fault->code);
  assert_says (error, fault->words);
  g_assert_true (g_str_has_prefix (text, "cuda: unavailable: "));
}

static void
test_device_index (void)
{
  g_autoptr (VardEngine) engine = g_object_new (VARD_TYPE_CUDA_ENGINE, "device-index", 3, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (vard_engine_alloc (engine, 16, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  assert_says (error, (const char *const[]) { "no device 3", "has 1", NULL });
}

static void
test_too_little_memory (void)
{
  g_autoptr (VardEngine) engine = make_engine (TRUE);
  g_autoptr (GError) error = NULL;

  g_setenv ("VARD_FAKE_CUDA", "memory=100000000", TRUE);

  g_autoptr (VardBuffer) most = vard_engine_alloc (engine, 50000000, &error);

  g_assert_no_error (error);
  g_assert_null (vard_engine_alloc (engine, 70000000, &error));
  g_unsetenv ("VARD_FAKE_CUDA");
  g_assert_error (error, VARD_ERROR, VARD_ERROR_FAILED);
  assert_says (error, (const char *const[]) { "0.07 GB more", "of 0.10 GB", "holds 0.05",
                                              "--micro-batch" });
}

/* what was asked of the device afterwards says the same */
static void
test_lost_device (void)
{
  g_autoptr (VardEngine) engine = make_engine (TRUE);
  g_autoptr (GError) error = NULL, again = NULL;
  Network network = make_network (1);
  g_autoptr (VardExecutable) executable = compile (engine, &network);
  g_autofree float *values = run (executable, &network, 1);

  g_setenv ("VARD_FAKE_CUDA", "lost=3", TRUE);
  g_assert_false (vard_executable_run (executable, NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_FAILED);
  assert_says (error, (const char *const[]) { "Emulated device was lost while computing",
                                              "last checkpoint", NULL });
  g_assert_false (vard_executable_run (executable, NULL, &again));
  g_assert_cmpstr (again->message, ==, error->message);
  vard_graph_unref (network.graph);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cuda/engine/replay-equals-calls", test_replay_equals_calls);
  g_test_add_func ("/cuda/engine/moved-arena", test_moved_arena);
  g_test_add_data_func ("/cuda/engine/steps-are-named-cudnn", "cudnn", test_steps_are_named);
  g_test_add_data_func ("/cuda/engine/steps-are-named-without-cudnn", NULL, test_steps_are_named);
  g_test_add_func ("/cuda/engine/cancelled", test_cancelled);
  g_test_add_func ("/cuda/engine/transfers", test_transfers);
  g_test_add_func ("/cuda/engine/cache", test_cache);
  g_test_add_func ("/cuda/engine/choices", test_choices);
  for (guint i = 0; i < G_N_ELEMENTS (open_faults); i++)
    {
      g_autofree char *path = g_strconcat ("/cuda/engine/", open_faults[i].name, NULL);

      g_test_add_data_func (path, &open_faults[i], test_open_fault);
    }
  g_test_add_func ("/cuda/engine/device-index", test_device_index);
  g_test_add_func ("/cuda/engine/too-little-memory", test_too_little_memory);
  /* the last: the process's device stays lost */
  g_test_add_func ("/cuda/engine/lost-device", test_lost_device);
  return g_test_run ();
}
