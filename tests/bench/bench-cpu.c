/* bench-cpu.c - how fast the CPU engine is: the machine's peak, kernels by shape, and a model's
 * programs by kernel
 *
 *   bench-cpu [--threads N] [--model DIR] [--batch N]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "cpu-engine.h"
#include "cpu-step.h"

#include <math.h>
#include <string.h>

static int threads, batch = 64;
static char *model_path;
static gboolean show_steps;

static const GOptionEntry entries[] = {
  { "threads", 't', 0, G_OPTION_ARG_INT, &threads, "Threads, 0 for one a processor", "N" },
  { "model", 'm', 0, G_OPTION_ARG_FILENAME, &model_path, "Model folder to time", "DIR" },
  { "batch", 'n', 0, G_OPTION_ARG_INT, &batch, "Pictures in a batch", "N" },
  { "steps", 's', 0, G_OPTION_ARG_NONE, &show_steps, "List every step of the denoiser", NULL },
  { NULL },
};

static float *
random_floats (gint64 n)
{
  float *x = g_new (float, n);

  vard_random_fill_normal (1, n, x, n);
  return x;
}

static double
now (void)
{
  return g_get_monotonic_time () * 1e-6;
}

/* the best of a few rounds, in GFLOP/s */
static double
measure_peak (CpuPool *pool)
{
  CpuGemm
    gemm = { .m = 1024, .n = 384, .k = 384, .lda = 384, .ldb = 384, .ldc = 384, .n_batches = 1 };
  g_autofree float *a = random_floats (gemm.m * gemm.k), *b = random_floats (gemm.n * gemm.k);
  g_autofree float *c = g_new0 (float, gemm.m *gemm.n);
  double best = 1e9;

  for (guint i = 0; i < 20; i++)
    {
      double begin = now ();

      cpu_gemm_run (pool, &gemm, a, b, c, NULL);
      best = MIN (best, now () - begin);
    }
  return 2e-9 * gemm.m * gemm.n * gemm.k / best;
}

/* ---- products: y = x w', as linear layers have them ---- */

typedef struct
{
  gint64 m, n, k;
} ProductCase;

static const ProductCase product_cases[] = {
  { 4096, 320, 320 },  { 4096, 2560, 320 }, { 4096, 320, 1280 }, { 1024, 640, 640 },
  { 1024, 5120, 640 }, { 1024, 640, 2560 }, { 256, 1280, 1280 }, { 256, 10240, 1280 },
  { 256, 1280, 5120 }, { 77, 1280, 768 },
};

static void
bench_products (CpuPool *pool, double peak)
{
  for (guint i = 0; i < G_N_ELEMENTS (product_cases); i++)
    {
      const ProductCase *p = &product_cases[i];
      CpuGemm gemm = { .transpose_b = TRUE,
                       .m = p->m,
                       .n = p->n,
                       .k = p->k,
                       .lda = p->k,
                       .ldb = p->k,
                       .ldc = p->n,
                       .n_batches = 1 };
      g_autofree float *a = random_floats (p->m * p->k), *b = random_floats (p->n * p->k);
      g_autofree float *c = g_new0 (float, p->m * p->n);
      double best = 1e9;

      for (guint round = 0; round < 7; round++)
        {
          double begin = now ();

          cpu_gemm_run (pool, &gemm, a, b, c, NULL);
          best = MIN (best, now () - begin);
        }

      double speed = 2e-9 * p->m * p->n * p->k / best;

      g_print ("%5d x %5d x %4d product %6.0f GFLOP/s (%4.2f of peak)\n", (int) p->m, (int) p->n,
               (int) p->k, speed, speed / peak);
    }
}

/* ---- convolutions ---- */

typedef struct
{
  gint64 n, side, ci, co;
} ConvCase;

static const ConvCase conv_cases[] = {
  { 64, 16, 48, 48 },   { 64, 16, 96, 48 },   { 64, 8, 64, 64 },     { 64, 8, 128, 64 },
  { 64, 4, 128, 128 },  { 64, 4, 256, 128 },  { 16, 64, 32, 32 },    { 16, 32, 64, 64 },
  { 1, 64, 320, 320 },  { 1, 32, 640, 640 },  { 1, 16, 1280, 1280 }, { 1, 16, 2560, 1280 },
  { 1, 8, 1280, 1280 }, { 1, 4, 1280, 1280 }, { 1, 64, 960, 320 },   { 1, 32, 1920, 640 },
};

static double
time_conv (CpuPool *pool, const CpuConv *conv, CpuConvKind kind, gboolean winograd)
{
  guint n_threads = cpu_pool_get_n_threads (pool);
  gint64 x_count = conv->n * conv->h * conv->w * conv->ci,
         y_count = conv->n * conv->oh * conv->ow * conv->co;
  gint64 w_count = conv->co * conv->kh * conv->kw * conv->ci;
  g_autofree float *x = random_floats (x_count), *w = random_floats (w_count),
                   *y = random_floats (y_count);
  gsize size = winograd ? cpu_winograd_get_scratch_size (conv, kind, n_threads)
                        : cpu_conv_gemm_get_scratch_size (conv, kind, n_threads);
  g_autofree float *scratch = g_malloc0 (size + 64);
  const float *a = kind == CPU_CONV_INPUT_GRADIENT ? y : x,
              *b = kind == CPU_CONV_WEIGHT_GRADIENT ? y : w;
  float *to = kind == CPU_CONV_FORWARD ? y : kind == CPU_CONV_INPUT_GRADIENT ? x : w;
  CpuEpilogue none = { NULL };
  double best = 1e9;

  for (guint i = 0; i < 7; i++)
    {
      double begin = now ();

      (winograd ? cpu_winograd_run : cpu_conv_gemm_run) (pool, conv, kind, a, b, to, scratch,
                                                         &none);
      best = MIN (best, now () - begin);
    }
  return best;
}

static void
bench_convs (CpuPool *pool, double peak)
{
  static const char *const kinds[] = { "forward", "input gradient", "weight gradient" };

  for (guint i = 0; i < G_N_ELEMENTS (conv_cases); i++)
    for (CpuConvKind kind = CPU_CONV_FORWARD; kind <= CPU_CONV_WEIGHT_GRADIENT; kind++)
      {
        const ConvCase *c = &conv_cases[i];
        CpuConv conv = { .n = c->n,
                         .h = c->side,
                         .w = c->side,
                         .ci = c->ci,
                         .oh = c->side,
                         .ow = c->side,
                         .co = c->co,
                         .kh = 3,
                         .kw = 3,
                         .stride = 1,
                         .top = 1,
                         .left = 1 };
        double flops = 18e-9 * c->n * c->side * c->side * c->ci * c->co;
        double winograd = time_conv (pool, &conv, kind, TRUE),
               gemm = time_conv (pool, &conv, kind, FALSE);

        g_print ("%3d x %2d x %2d %4d -> %4d %-15s winograd %6.0f GFLOP/s (%4.2f of peak), gemm "
                 "%6.0f; %s\n",
                 (int) c->n, (int) c->side, (int) c->side, (int) c->ci, (int) c->co, kinds[kind],
                 flops / winograd, flops / winograd / peak, flops / gemm,
                 (cpu_winograd_get_cost (&conv, kind, 2) < cpu_conv_gemm_get_cost (&conv, 2))
                     == (winograd < gemm)
                   ? "chosen well"
                   : "CHOSEN BADLY");
      }
}

/* ---- attention ---- */

static const CpuAttention attention_cases[] = {
  { .b = 1, .tq = 4096, .tk = 4096, .heads = 8, .d = 40 },
  { .b = 1, .tq = 1024, .tk = 1024, .heads = 8, .d = 80 },
  { .b = 1, .tq = 256, .tk = 256, .heads = 8, .d = 160 },
  { .b = 1, .tq = 4096, .tk = 77, .heads = 8, .d = 40 },
  { .b = 1, .tq = 1024, .tk = 77, .heads = 8, .d = 80 },
  { .b = 1, .tq = 4096, .tk = 4096, .heads = 5, .d = 64 },
};

static void
bench_attention (CpuPool *pool, double peak)
{
  for (guint i = 0; i < G_N_ELEMENTS (attention_cases); i++)
    {
      CpuAttention s = attention_cases[i];
      gint64 n_q = s.b * s.tq * s.heads * s.d, n_k = s.b * s.tk * s.heads * s.d;
      g_autofree float *q = random_floats (n_q), *k = random_floats (n_k), *v = random_floats (n_k);
      g_autofree float *y = random_floats (n_q), *dq = random_floats (n_q);
      g_autofree float *dk = random_floats (n_k), *dv = random_floats (n_k);
      guint n_threads = cpu_pool_get_n_threads (pool);
      g_autofree float *scratch =
        g_malloc0 (MAX (cpu_attention_get_scratch_size (&s, n_threads),
                        cpu_attention_gradient_get_scratch_size (&s, n_threads)));
      double best = 1e9, gradient = 1e9, flops = 4e-9 * n_q * s.tk;

      s.scale = 1 / sqrt (s.d);
      for (guint round = 0; round < 5; round++)
        {
          double begin = now (), between;

          cpu_attention_run (pool, &s, q, k, v, y, scratch);
          between = now ();
          best = MIN (best, between - begin);
          cpu_attention_gradient_run (pool, &s, q, k, v, y, dq, dk, dv, scratch);
          gradient = MIN (gradient, now () - between);
        }
      g_print ("%d heads of %3d, %4d queries, %4d keys: forward %5.1f ms, %4.0f GFLOP/s (%4.2f of "
               "peak), gradient %5.1f ms, %4.0f\n",
               (int) s.heads, (int) s.d, (int) s.tq, (int) s.tk, 1e3 * best, flops / best,
               flops / best / peak, 1e3 * gradient, 2.5 * flops / gradient);
    }
}

/* ---- a model ---- */

static void
set_random (VardExecutable *executable, VardNode *node, const char *name)
{
  gint64 n = vard_node_get_count (node);
  g_autofree float *values = random_floats (n);

  if (vard_executable_set_input (executable, name, values, n * sizeof *values, NULL))
    return;
  g_printerr ("no input %s\n", name);
}

static void
print_steps (VardExecutable *executable)
{
  VardProgram *program = vard_executable_peek_program (executable);

  for (guint i = 0; i < vard_program_get_n_steps (program); i++)
    {
      const VardStep *step = vard_program_get_step (program, i);
      const VardNode *node = step->out[0];
      g_autofree char *shape = vard_shape_to_string (&node->shape);

      g_print ("%4u %-32s %-24s %s\n", i, step->name, shape, node->scope);
    }
}

static void
time_graph (VardGraph *graph,
            VardNode **inputs,
            const char *const *names,
            guint n_inputs,
            const char *title)
{
  g_autoptr (VardCpuEngine) engine = g_object_new (VARD_TYPE_CPU_ENGINE, "threads", threads, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardExecutable) executable = vard_engine_compile (VARD_ENGINE (engine), graph, &error);
  g_autofree char *profile = NULL;
  double best = 1e9;

  if (executable == NULL)
    {
      g_printerr ("%s: %s\n", title, error->message);
      return;
    }
  for (guint i = 0; i < n_inputs; i++)
    set_random (executable, inputs[i], names[i]);
  vard_executable_run (executable, NULL, NULL);
  g_object_set (engine, "profile", TRUE, NULL);
  for (guint i = 0; i < 5; i++)
    {
      double begin = now ();

      vard_executable_run (executable, NULL, NULL);
      best = MIN (best, now () - begin);
    }
  profile = vard_cpu_engine_dup_profile (engine);
  if (show_steps)
    print_steps (executable);
  g_print ("\n%s: best of 5 %.1f ms, workspace %.1f MB; five runs:\n%s", title, best * 1e3,
           vard_executable_get_workspace_size (executable) / 1e6, profile);
}

static void
bench_model (VardModel *model)
{
  const VardModelInfo *info = vard_model_peek_info (model);
  static const char *const names[] = { "latents", "timesteps", "condition/context" };
  VardShape latents = VARD_SHAPE (batch, info->height, info->width, info->channels);
  g_autoptr (VardGraph) predict = vard_graph_new (), gradient = vard_graph_new (),
                        decode = vard_graph_new ();
  g_autoptr (GPtrArray) wrt = g_ptr_array_new ();
  VardGraph *const graphs[] = { predict, gradient };
  VardNode *in[3], *eps;

  for (guint i = 0; i < 2; i++)
    {
      in[0] = vard_input (graphs[i], names[0], VARD_DTYPE_F32, latents);
      in[1] = vard_input (graphs[i], names[1], VARD_DTYPE_F32, VARD_SHAPE (batch));
      vard_condition_layout_record_inputs (&info->condition, graphs[i], "condition", batch, &in[2]);
      eps = vard_model_record_predict (model, in[0], in[1], &in[2]);
      if (i == 0)
        vard_graph_add_output (graphs[i], "eps", eps);
    }
  for (guint id = 0; id < vard_graph_get_n_nodes (gradient); id++)
    {
      VardNode *node = vard_graph_get_node (gradient, id);

      if (node->op == &vard_op_source
          && ((const VardSourceAttrs *) node->attrs)->kind == VARD_SOURCE_PARAM)
        g_ptr_array_add (wrt, node);
    }

  g_autofree VardNode **gradients = g_new0 (VardNode *, wrt->len);

  vard_vjp (&eps, NULL, 1, (VardNode **) wrt->pdata, wrt->len, gradients);
  for (guint i = 0; i < wrt->len; i++)
    vard_graph_add_output (gradient, g_intern_string (g_strdup_printf ("g%u", i)), gradients[i]);

  time_graph (predict, in, names, 3, "denoiser");
  time_graph (gradient, in, names, 3, "denoiser and gradient for all weights");
  in[0] = vard_input (decode, names[0], VARD_DTYPE_F32, latents);
  vard_graph_add_output (decode, "pictures", vard_model_record_decode (model, in[0]));
  time_graph (decode, in, names, 1, "decoder");
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      g_printerr ("%s\n", error->message);
      return 2;
    }
  if (threads == 0)
    threads = g_get_num_processors ();
  if (model_path != NULL)
    {
      g_autoptr (VardModel) model = vard_model_load (model_path, &error);

      if (model == NULL)
        {
          g_printerr ("%s\n", error->message);
          return 3;
        }
      bench_model (model);
      return 0;
    }

  CpuPool *pool = cpu_pool_new (threads);
  double peak = measure_peak (pool);

  g_print ("%d threads, large product %.0f GFLOP/s\n", threads, peak);
  bench_attention (pool, peak);
  bench_products (pool, peak);
  bench_convs (pool, peak);
  cpu_pool_free (pool);
  return 0;
}
