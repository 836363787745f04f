/* test-unet.c - the whole denoiser's gradient, segments, sizes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>

#include "tiny-model.h"

#include <string.h>

#define N_CONTEXT (16 * 16)

typedef struct
{
  VardGraph *graph;
  VardNode *inputs[3];
  VardNode *output;
} Record;

static Record
record_new (VardModel *model)
{
  Record self = { .graph = vard_graph_new () };

  self.inputs[0] = vard_input (self.graph, "x", VARD_DTYPE_F32, VARD_SHAPE (1, 4, 4, 4));
  self.inputs[1] = vard_input (self.graph, "t", VARD_DTYPE_F32, VARD_SHAPE (1));
  self.inputs[2] = vard_input (self.graph, "c", VARD_DTYPE_F32, VARD_SHAPE (1, 16, 16));
  self.output = vard_model_record_predict (model, self.inputs[0], self.inputs[1], &self.inputs[2]);
  vard_graph_add_output (self.graph, "y", self.output);
  return self;
}

static VardExecutable *
record_run (Record *self)
{
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (GError) error = NULL;
  VardExecutable *executable = vard_engine_compile (engine, self->graph, &error);
  float x[TINY_N], context[N_CONTEXT];
  const float t = 481;

  g_assert_no_error (error);
  vard_random_fill_normal (1, 0, x, TINY_N);
  vard_random_fill_normal (2, 0, context, N_CONTEXT);
  vard_executable_set_input (executable, "x", x, sizeof x, &error);
  vard_executable_set_input (executable, "t", &t, sizeof t, &error);
  vard_executable_set_input (executable, "c", context, sizeof context, &error);
  vard_executable_run (executable, NULL, &error);
  g_assert_no_error (error);
  return executable;
}

static void
get (VardExecutable *executable, const char *name, float *values, gsize n)
{
  g_autoptr (GError) error = NULL;

  vard_executable_get_output (executable, name, values, n * sizeof *values, &error);
  g_assert_no_error (error);
}

static void
collect (const char *path, VardParameter *parameter, gpointer data)
{
  g_ptr_array_add (data, parameter);
}

static double
weigh (const float *y)
{
  float weights[TINY_N];
  double sum = 0;

  vard_random_fill_normal (7, 0, weights, TINY_N);
  for (guint i = 0; i < TINY_N; i++)
    sum += weights[i] * y[i];
  return sum;
}

/* all parameters one step along a fixed random direction */
static void
move (GPtrArray *parameters, double step)
{
  for (guint p = 0; p < parameters->len; p++)
    {
      VardTensor *tensor = ((VardParameter *) parameters->pdata[p])->tensor;
      gint64 n = vard_tensor_get_count (tensor);
      g_autofree float *direction = g_new (float, n);

      vard_random_fill_normal (11, p, direction, n);
      for (gint64 i = 0; i < n; i++)
        vard_tensor_peek_f32 (tensor)[i] += step * direction[i];
    }
}

static double
measure (VardModel *model)
{
  Record record = record_new (model);
  g_autoptr (VardExecutable) executable = record_run (&record);
  float y[TINY_N];

  get (executable, "y", y, TINY_N);
  vard_graph_unref (record.graph);
  return weigh (y);
}

static gboolean
is_recomputed (VardGraph *graph)
{
  for (guint i = 0; i < vard_graph_get_n_nodes (graph); i++)
    if (vard_graph_get_node (graph, i)->generation > 0)
      return TRUE;
  return FALSE;
}

/* d/ds of the weighted output along the direction, by reverse mode */
static double
differentiate (VardModel *model, GPtrArray *parameters, gboolean has_segments)
{
  Record record = record_new (model);
  g_autofree VardNode **wrt = g_new (VardNode *, parameters->len);
  g_autofree VardNode **gradients = g_new (VardNode *, parameters->len);
  float weights[TINY_N];
  double slope = 0;
  VardNode *bar;

  vard_random_fill_normal (7, 0, weights, TINY_N);
  bar = vard_constant_f32 (record.graph, VARD_SHAPE (1, 4, 4, 4), weights);
  for (guint p = 0; p < parameters->len; p++)
    wrt[p] = vard_parameter_record (parameters->pdata[p], record.graph);
  vard_vjp (&record.output, &bar, 1, wrt, parameters->len, gradients);
  g_assert_cmpint (is_recomputed (record.graph), ==, has_segments);
  for (guint p = 0; p < parameters->len; p++)
    {
      g_autofree char *name = g_strdup_printf ("g%u", p);

      vard_graph_add_output (record.graph, name, gradients[p]);
    }

  g_autoptr (VardExecutable) executable = record_run (&record);

  for (guint p = 0; p < parameters->len; p++)
    {
      g_autofree char *name = g_strdup_printf ("g%u", p);
      gint64 n = vard_node_get_count (gradients[p]);
      g_autofree float *direction = g_new (float, n);
      g_autofree float *values = g_new (float, n);

      vard_random_fill_normal (11, p, direction, n);
      get (executable, name, values, n);
      for (gint64 i = 0; i < n; i++)
        slope += (double) values[i] * direction[i];
    }
  vard_graph_unref (record.graph);
  return slope;
}

static void
test_slope (gconstpointer data)
{
  gboolean has_segments = GPOINTER_TO_INT (data);
  char *folder = tiny_model_make ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);
  g_autoptr (GPtrArray) parameters = g_ptr_array_new ();
  const double step = 1e-4;
  double up, down, analytic;

  g_assert_no_error (error);
  vard_module_set_segments (vard_model_peek_denoiser (model), has_segments);
  vard_module_foreach_parameter (vard_model_peek_denoiser (model), collect, parameters);
  analytic = differentiate (model, parameters, has_segments);
  move (parameters, step);
  up = measure (model);
  move (parameters, -2 * step);
  down = measure (model);
  g_test_message ("slope %g, difference %g", analytic, (up - down) / (2 * step));
  g_assert_cmpfloat (fabs (analytic - (up - down) / (2 * step)), <, 2e-3 * fabs (analytic));
  tiny_model_remove (folder);
}

/* recording twice gives the same nodes: the reference of a policy costs what adapters change, no
 * more */
static void
test_shared (void)
{
  char *folder = tiny_model_make ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);
  Record record = record_new (model);
  guint n = vard_graph_get_n_nodes (record.graph);

  g_assert_true (
    vard_model_record_predict (model, record.inputs[0], record.inputs[1], &record.inputs[2])
    == record.output);
  g_assert_cmpuint (vard_graph_get_n_nodes (record.graph), ==, n);
  vard_graph_unref (record.graph);
  tiny_model_remove (folder);
}

static void
test_wrong_sizes (void)
{
  char *folder = tiny_model_make ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardModel) model = vard_model_load (folder, &error);
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32, VARD_SHAPE (1, 5, 4, 4));
  VardNode *t = vard_input (graph, "t", VARD_DTYPE_F32, VARD_SHAPE (1));
  VardNode *c = vard_input (graph, "c", VARD_DTYPE_F32, VARD_SHAPE (1, 16, 16));

  vard_model_record_predict (model, x, t, &c);
  g_assert_error (vard_graph_peek_error (graph), VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (vard_graph_peek_error (graph)->message, "5 x 4"));
  tiny_model_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/unet/slope", GINT_TO_POINTER (FALSE), test_slope);
  g_test_add_data_func ("/unet/slope-with-segments", GINT_TO_POINTER (TRUE), test_slope);
  g_test_add_func ("/unet/shared", test_shared);
  g_test_add_func ("/unet/wrong-sizes", test_wrong_sizes);
  return g_test_run ();
}
