/* test-updates.c - params that are replaced: nothing is copied that can be written straight over
 * them, and every read sees what there was before
 *
 *   test-updates ENGINE
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "graph/vard-ops.h"
#include "plugin/vard-plugin-manager.h"

#include <math.h>

#define SIDE 128
#define COUNT (SIDE * SIDE)
#define N_LAYERS 8

static VardEngine *engine;

typedef struct
{
  VardGraph *graph;
  GPtrArray *tensors;
} Fixture;

static void
fixture_set_up (Fixture *self, gconstpointer data)
{
  self->graph = vard_graph_new ();
  self->tensors = g_ptr_array_new_with_free_func (g_object_unref);
}

static void
fixture_tear_down (Fixture *self, gconstpointer data)
{
  vard_graph_unref (self->graph);
  g_ptr_array_unref (self->tensors);
}

/* [SIDE, SIDE] of one value */
static VardNode *
add_param (Fixture *self, float value)
{
  VardShape shape = VARD_SHAPE (SIDE, SIDE);
  VardTensor *tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);
  g_autofree char *name = g_strdup_printf ("param%u", self->tensors->len);
  float *values = vard_tensor_peek_data (tensor);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < COUNT; i++)
    values[i] = value;
  vard_engine_adopt (engine, tensor, &error);
  g_assert_no_error (error);
  g_ptr_array_add (self->tensors, tensor);
  return vard_param (self->graph, name, tensor);
}

static void
assert_param (Fixture *self, guint i, double expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardTensor) host = vard_engine_fetch (engine, self->tensors->pdata[i], &error);
  const float *values;

  g_assert_no_error (error);
  values = vard_tensor_peek_data (host);
  for (guint k = 0; k < COUNT; k++)
    g_assert_cmpfloat_with_epsilon (values[k], expected, 1e-5 * MAX (1, fabs (expected)));
}

static VardExecutable *
run (Fixture *self, guint n)
{
  g_autoptr (GError) error = NULL;
  VardExecutable *executable;

  g_assert_no_error (vard_graph_peek_error (self->graph));
  executable = vard_engine_compile (engine, self->graph, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < n; i++)
    {
      vard_executable_run (executable, NULL, &error);
      g_assert_no_error (error);
    }
  return executable;
}

/* as an optimizer does: all that it needs is there already */
static void
test_optimizer (Fixture *self, gconstpointer data)
{
  VardNode *weight = add_param (self, 1), *mean = add_param (self, 2),
           *gradient = add_param (self, 4);
  VardNode *next = vard_add (vard_scale (mean, 0.5), vard_scale (gradient, 0.25));

  vard_assign (weight, vard_sub (weight, vard_mul (next, vard_sqrt (vard_square (weight)))));
  vard_assign (mean, next);
  vard_assign (gradient, vard_fill (self->graph, 0, gradient->shape));

  g_autoptr (VardExecutable) executable = run (self, 2);

  /* mean 2, then 1; weight 1 - 2 = -1, then -1 - 1 */
  assert_param (self, 0, -2);
  assert_param (self, 1, 1);
  assert_param (self, 2, 0);
  g_assert_cmpuint (vard_executable_get_workspace_size (executable), <, COUNT * sizeof (float));
}

/* gradients of all layers are recorded first, and their sums after them: none waits for the last */
static void
test_sums (Fixture *self, gconstpointer data)
{
  VardNode *sums[N_LAYERS], *gradients[N_LAYERS], *x = add_param (self, 1.0 / SIDE);

  for (guint i = 0; i < N_LAYERS; i++)
    sums[i] = add_param (self, i);
  for (guint i = 0; i < N_LAYERS; i++)
    gradients[i] = vard_matmul (x, vard_scale (x, i + 1), FALSE, FALSE);
  for (guint i = 0; i < N_LAYERS; i++)
    vard_assign (sums[i], vard_add (sums[i], gradients[i]));

  g_autoptr (VardExecutable) executable = run (self, 3);

  for (guint i = 0; i < N_LAYERS; i++)
    assert_param (self, 1 + i, i + 3 * (i + 1.0) / SIDE);
  g_assert_cmpuint (vard_executable_get_workspace_size (executable), <,
                    N_LAYERS / 2 * COUNT * sizeof (float));
}

/* what is read after the new value is there, or moved on the way, keeps the old one */
static void
test_old_values (Fixture *self, gconstpointer data)
{
  VardNode *a = add_param (self, 1), *b = add_param (self, 2), *c = add_param (self, 3),
           *d = add_param (self, 5);
  VardNode *more = vard_add (a, vard_fill (self->graph, 10, a->shape));

  vard_assign (a, more);
  vard_assign (b, vard_matmul (more, vard_scale (a, 1.0 / SIDE), FALSE, FALSE));
  vard_assign (c, d);
  vard_assign (d, vard_add (c, vard_permute (d, (const guint[]) { 1, 0 })));

  g_autoptr (VardExecutable) executable = run (self, 1);

  assert_param (self, 0, 11);
  assert_param (self, 1, 11);
  assert_param (self, 2, 5);
  assert_param (self, 3, 8);
}

/* one buffer seen as two params: what one of them replaces is under the other */
static void
test_shared_memory (Fixture *self, gconstpointer data)
{
  VardNode *a = add_param (self, 3);
  VardTensor *tensor = self->tensors->pdata[0];
  g_autoptr (VardTensor) again =
    vard_tensor_new_view (vard_tensor_peek_buffer (tensor), vard_tensor_get_offset (tensor),
                          VARD_DTYPE_F32, vard_tensor_peek_shape (tensor));
  VardNode *same = vard_param (self->graph, "again", again), *b = add_param (self, 0);

  vard_assign (a, vard_scale (a, 2));
  vard_assign (b, vard_matmul (same, vard_scale (same, 1.0 / SIDE), FALSE, FALSE));

  g_autoptr (VardExecutable) executable = run (self, 1);

  assert_param (self, 0, 6);
  assert_param (self, 1, 9);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  if (argc < 2)
    {
      g_print ("Bail out! test-updates ENGINE\n");
      return 2;
    }
  engine = (VardEngine *) vard_plugin_manager_create_from_spec (vard_plugin_manager_get_default (),
                                                                "engine", argv[1], NULL, &error);
  g_assert_no_error (error);
  g_test_add ("/updates/optimizer", Fixture, NULL, fixture_set_up, test_optimizer,
              fixture_tear_down);
  g_test_add ("/updates/sums", Fixture, NULL, fixture_set_up, test_sums, fixture_tear_down);
  g_test_add ("/updates/old-values", Fixture, NULL, fixture_set_up, test_old_values,
              fixture_tear_down);
  g_test_add ("/updates/shared-memory", Fixture, NULL, fixture_set_up, test_shared_memory,
              fixture_tear_down);

  int status = g_test_run ();

  g_clear_object (&engine);
  return status;
}
