/* test-value-net.c - the value network: size, start, file, gradient
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <glib/gstdio.h>
#include <math.h>

#define N 2
#define SIDE 8
#define CHANNELS 4
#define TEXT 6
#define N_X (N * SIDE * SIDE * CHANNELS)

typedef struct
{
  VardGraph *graph;
  VardNode *x, *value;
  float latents[N_X], text[N * TEXT], timesteps[N];
} Net;

static void
net_record (Net *self, VardValueNet *net)
{
  self->graph = vard_graph_new ();
  self->x = vard_input (self->graph, "x", VARD_DTYPE_F32, VARD_SHAPE (N, SIDE, SIDE, CHANNELS));
  self->value =
    vard_value_net_record (net, self->x,
                           vard_input (self->graph, "t", VARD_DTYPE_F32, VARD_SHAPE (N)),
                           vard_input (self->graph, "text", VARD_DTYPE_F32, VARD_SHAPE (N, TEXT)));
  vard_graph_add_output (self->graph, "value", self->value);
  vard_random_fill_normal (1, 0, self->latents, N_X);
  vard_random_fill_normal (2, 0, self->text, N * TEXT);
  self->timesteps[0] = 31;
  self->timesteps[1] = 900;
}

static VardExecutable *
net_compile (Net *self)
{
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (GError) error = NULL;
  VardExecutable *executable = vard_engine_compile (engine, self->graph, &error);

  g_assert_no_error (error);
  return executable;
}

static void
net_run (Net *self, VardExecutable *executable, float *values)
{
  g_autoptr (GError) error = NULL;

  vard_executable_set_input (executable, "x", self->latents, sizeof self->latents, &error);
  vard_executable_set_input (executable, "t", self->timesteps, sizeof self->timesteps, &error);
  vard_executable_set_input (executable, "text", self->text, sizeof self->text, &error);
  vard_executable_run (executable, NULL, &error);
  vard_executable_get_output (executable, "value", values, N * sizeof (float), &error);
  g_assert_no_error (error);
}

static void
count (const char *path, VardParameter *parameter, gpointer data)
{
  g_assert_true (parameter->is_trainable);
  *(gint64 *) data += vard_tensor_get_count (parameter->tensor);
}

/* the head is zero at first, so the value is 0 whatever the input */
static void
test_start (void)
{
  g_autoptr (VardValueNet) net = vard_value_net_new (CHANNELS, 128, 32, 1);
  g_autoptr (VardValueNet) small = vard_value_net_new (CHANNELS, TEXT, 8, 1);
  gint64 n = 0;
  Net self;
  float values[N];

  vard_module_foreach_parameter (VARD_MODULE (net), count, &n);
  g_test_message ("%" G_GINT64_FORMAT " parameters", n);
  g_assert_cmpint (n, >, 300000);
  g_assert_cmpint (n, <, 600000);
  net_record (&self, small);

  g_autoptr (VardExecutable) executable = net_compile (&self);

  net_run (&self, executable, values);
  g_assert_cmpfloat (values[0], ==, 0);
  g_assert_cmpfloat (values[1], ==, 0);
  vard_graph_unref (self.graph);
}

static void
fill (const char *path, VardParameter *parameter, gpointer data)
{
  float *values = vard_tensor_peek_f32 (parameter->tensor);

  for (gint64 i = 0; i < vard_tensor_get_count (parameter->tensor); i++)
    values[i] += 0.2 * (vard_random_uniform (vard_random_derive_key (3, path, 0), 0, i) - 0.5);
}

static void
test_file (void)
{
  g_autoptr (VardValueNet) net = vard_value_net_new (CHANNELS, TEXT, 8, 1);
  g_autofree char *folder = g_dir_make_tmp (NULL, NULL);
  g_autofree char *path = g_build_filename (folder, "value-net.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  Net a, b;
  float before[N], after[N];

  vard_module_foreach_parameter (VARD_MODULE (net), fill, NULL);
  g_assert_true (vard_value_net_save (net, path, &error));

  g_autoptr (VardValueNet) read = vard_value_net_new_from_file (path, &error);

  g_assert_no_error (error);
  net_record (&a, net);
  net_record (&b, read);

  g_autoptr (VardExecutable) first = net_compile (&a);
  g_autoptr (VardExecutable) second = net_compile (&b);

  net_run (&a, first, before);
  net_run (&b, second, after);
  g_assert_cmpmem (before, sizeof before, after, sizeof after);
  g_assert_cmpfloat (before[0], !=, before[1]);
  g_file_set_contents (path, "nonsense", -1, NULL);
  g_assert_null (vard_value_net_new_from_file (path, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  vard_graph_unref (a.graph);
  vard_graph_unref (b.graph);
  g_unlink (path);
  g_rmdir (folder);
}

/* the gradient of a weighted sum of values against a central difference along a random direction */
static void
test_slope (void)
{
  g_autoptr (VardValueNet) net = vard_value_net_new (CHANNELS, TEXT, 8, 1);
  const float weights[N] = { 0.7, -1.3 };
  const double step = 2e-3;
  g_autofree float *gradient = g_new (float, N_X);
  g_autofree float *direction = g_new (float, N_X);
  g_autoptr (GError) error = NULL;
  VardNode *bar, *dx;
  Net self;
  float up[N], down[N];
  double analytic = 0, numeric = 0;

  vard_module_foreach_parameter (VARD_MODULE (net), fill, NULL);
  net_record (&self, net);
  bar = vard_constant_f32 (self.graph, VARD_SHAPE (N), weights);
  vard_vjp (&self.value, &bar, 1, &self.x, 1, &dx);
  vard_graph_add_output (self.graph, "dx", dx);

  g_autoptr (VardExecutable) executable = net_compile (&self);

  net_run (&self, executable, up);
  vard_executable_get_output (executable, "dx", gradient, N_X * sizeof (float), &error);
  g_assert_no_error (error);
  vard_random_fill_normal (4, 0, direction, N_X);
  for (guint i = 0; i < N_X; i++)
    {
      analytic += gradient[i] * direction[i];
      self.latents[i] += step * direction[i];
    }
  net_run (&self, executable, up);
  for (guint i = 0; i < N_X; i++)
    self.latents[i] -= 2 * step * direction[i];
  net_run (&self, executable, down);
  for (guint i = 0; i < N; i++)
    numeric += weights[i] * (up[i] - down[i]) / (2 * step);
  g_test_message ("slope %g, difference %g", analytic, numeric);
  g_assert_cmpfloat (fabs (analytic - numeric), <, 1e-3 * (fabs (numeric) + 0.1));
  vard_graph_unref (self.graph);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/value-net/start", test_start);
  g_test_add_func ("/value-net/file", test_file);
  g_test_add_func ("/value-net/slope", test_slope);
  return g_test_run ();
}
