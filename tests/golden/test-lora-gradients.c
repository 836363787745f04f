/* test-lora-gradients.c - gradients of a LoRA training step against torch's autograd with PEFT's
 * adapters
 *
 * make-lora-golden.py has the other side. Gradients are taken as a training run takes them: summed
 * into the flat buffer of a parameter set, on the reference engine and on the CPU's, or on the
 * engine that the first argument names ("cuda:precision=bf16"), within the second.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "formula.h"

#include "models/vard-unet.h"
#include "files/vard-weights.h"
#include "nn/vard-lora.h"
#include "engine/vard-engine-loader.h"
#include "learn/vard-parameter-set.h"

#include <glib/gstdio.h>
#include <string.h>

#define N_KEPT 12

static JsonNode *golden;
static double tolerance = 1e-4;

static VardUnet *
load_unet (JsonObject *json)
{
  g_autofree char *folder = g_dir_make_tmp (NULL, NULL);
  g_autofree char *path = g_build_filename (folder, "weights.safetensors", NULL);
  g_autofree char *text = json_to_string (json_object_get_member (json, "config"), FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (VardConfigReader) reader = vard_config_reader_new_from_text ("config", text, &error);
  VardUnetConfig config;

  g_assert_no_error (error);
  vard_unet_config_read (&config, reader, &error);
  g_assert_no_error (error);

  VardUnet *unet = vard_unet_new (&config);

  write_weights (json_object_get_object_member (json, "tensors"), path, NULL, NULL);
  vard_weights_load (VARD_MODULE (unet), path, NULL, NULL, &error);
  g_assert_no_error (error);
  g_unlink (path);
  g_rmdir (folder);
  return unet;
}

static void
set_matrix (VardParameter *parameter, const char *path, const char *kind)
{
  g_autofree char *name = g_strconcat (path, kind, NULL);
  g_autoptr (VardTensor) values = make_values (name, *vard_tensor_peek_shape (parameter->tensor));

  memcpy (vard_tensor_peek_f32 (parameter->tensor), vard_tensor_peek_f32 (values),
          vard_tensor_get_n_bytes (values));
}

static void
set_adapter (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  set_matrix (vard_lora_peek_down (lora), path, ".down");
  set_matrix (vard_lora_peek_up (lora), path, ".up");
}

static void
attach (VardUnet *unet, JsonObject *json)
{
  JsonArray *names = json_object_get_array_member (json, "targets");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < json_array_get_length (names); i++)
    g_strv_builder_add (builder, json_array_get_string_element (names, i));

  g_auto (GStrv) targets = g_strv_builder_end (builder);

  vard_lora_attach (VARD_MODULE (unet), (const char *const *) targets,
                    json_object_get_int_member (json, "rank"),
                    json_object_get_double_member (json, "alpha"), 1, &error);
  g_assert_no_error (error);
  vard_lora_foreach (VARD_MODULE (unet), set_adapter, NULL);
}

/* the error of one number relative to a size */
static double
miss (JsonArray *row, guint i, double found, double size)
{
  return fabs (found - json_array_get_double_element (row, i)) / size;
}

static double
compare (JsonArray *row, const float *values, gsize n)
{
  double largest = 0, square = 0, dot = 0, worst = 0, top = json_array_get_double_element (row, 0);
  double length = json_array_get_double_element (row, 1);
  gsize stride = MAX (1, n / N_KEPT);

  for (gsize i = 0; i < n; i++)
    {
      largest = MAX (largest, fabs (values[i]));
      square += (double) values[i] * values[i];
      dot += values[i] * uniform (seed_of ("dot"), i);
    }
  worst = MAX (miss (row, 0, largest, top), miss (row, 1, sqrt (square), length));
  worst = MAX (worst, miss (row, 2, dot, length));
  for (guint i = 3; i < json_array_get_length (row); i++)
    worst = MAX (worst, miss (row, i, values[(i - 3) * stride], top));
  return worst;
}

typedef struct
{
  JsonObject *rows;
  VardParameterSet *set;
  VardTensor *gradients; /* on the host */
  guint n_compared;
  double worst;
} Check;

static void
check_matrix (Check *check, const char *path, const char *kind, VardParameter *parameter)
{
  g_autofree char *name = g_strconcat (path, kind, NULL);
  VardParameterSet *set = check->set;
  guint i = 0;

  while (i < set->parameters->len && set->parameters->pdata[i] != parameter)
    i++;
  g_assert_cmpuint (i, <, set->parameters->len);
  g_assert_true (json_object_has_member (check->rows, name));

  const float *values = vard_tensor_peek_f32 (check->gradients)
                        + g_array_index (set->offsets, gint64, i);
  double error = compare (json_object_get_array_member (check->rows, name), values,
                          vard_tensor_get_count (parameter->tensor));

  if (error > tolerance)
    g_test_message ("%s: %.2e", name, error);
  check->worst = MAX (check->worst, error);
  check->n_compared++;
}

static void
check_adapter (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  check_matrix (data, path, ".down", vard_lora_peek_down (lora));
  check_matrix (data, path, ".up", vard_lora_peek_up (lora));
}

static VardExecutable *
compile (VardUnet *unet, JsonObject *json, VardEngine *engine, VardParameterSet *set)
{
  gint64 height = json_object_get_int_member (json, "height"),
         width = json_object_get_int_member (json, "width");
  gint64 context_width = vard_unet_peek_config (unet)->context_width[0];
  VardShape shape = VARD_SHAPE (2, height, width, 4);
  g_autoptr (VardGraph) graph = vard_graph_new ();
  g_autoptr (GError) error = NULL;
  VardNode *x = vard_input (graph, "latents", VARD_DTYPE_F32, shape);
  VardNode *t = vard_input (graph, "t", VARD_DTYPE_F32, VARD_SHAPE (2));
  VardNode *c = vard_input (graph, "context", VARD_DTYPE_F32, VARD_SHAPE (2, 5, context_width));
  VardNode *miss_node = vard_sub (vard_unet_record (unet, x, t, c),
                                  vard_input (graph, "target", VARD_DTYPE_F32, shape));
  VardNode *loss =
    vard_scale (vard_sum_all (vard_square (miss_node)), 1.0 / vard_shape_get_count (&shape));

  vard_graph_add_output (graph, "loss", loss);
  vard_parameter_set_record_gradients (set, loss);

  VardExecutable *executable = vard_engine_compile (engine, graph, &error);

  g_assert_no_error (error);
  return executable;
}

static void
set_noise (VardExecutable *executable, const char *name, gsize n)
{
  g_autofree float *values = make_noise (name, n);
  g_autoptr (GError) error = NULL;

  vard_executable_set_input (executable, name, values, n * sizeof (float), &error);
  g_assert_no_error (error);
}

static float
run (VardExecutable *executable, VardUnet *unet, gsize n_latents)
{
  const float timesteps[2] = { 7, 961 };
  float loss;
  g_autoptr (GError) error = NULL;

  set_noise (executable, "latents", n_latents);
  set_noise (executable, "target", n_latents);
  set_noise (executable, "context", 2 * 5 * vard_unet_peek_config (unet)->context_width[0]);
  vard_executable_set_input (executable, "t", timesteps, sizeof timesteps, &error);
  g_assert_no_error (error);
  vard_executable_run (executable, NULL, &error);
  g_assert_no_error (error);
  vard_executable_get_output (executable, "loss", &loss, sizeof loss, &error);
  g_assert_no_error (error);
  return loss;
}

static void
check_case (const char *name, VardEngine *engine)
{
  JsonObject *json = json_object_get_object_member (json_node_get_object (golden), name);
  g_autoptr (VardUnet) unet = load_unet (json);
  g_autoptr (GError) error = NULL;

  attach (unet, json);
  /* one engine goes each way */
  vard_lora_set_merging (VARD_MODULE (unet), !VARD_IS_REFERENCE_ENGINE (engine));

  g_autoptr (VardParameterSet) set = vard_parameter_set_new (engine, VARD_MODULE (unet), &error);

  g_assert_no_error (error);

  g_autoptr (VardExecutable) executable = compile (unet, json, engine, set);
  gsize n = 2 * 4 * json_object_get_int_member (json, "height")
            * json_object_get_int_member (json, "width");
  float loss = run (executable, unet, n);
  g_autoptr (VardTensor) gradients = vard_engine_fetch (engine, set->gradients, &error);
  Check check = { json_object_get_object_member (json, "gradients"), set, gradients, 0, 0 };

  g_assert_no_error (error);
  vard_lora_foreach (VARD_MODULE (unet), check_adapter, &check);
  g_test_message ("%s: %u matrices, at most %.2e", name, check.n_compared, check.worst);
  g_assert_cmpfloat_with_epsilon (loss, json_object_get_double_member (json, "loss"),
                                  tolerance / 10);
  g_assert_cmpuint (check.n_compared, ==, json_object_get_size (check.rows));
  g_assert_cmpfloat (check.worst, <, tolerance);
}

typedef struct
{
  const char *engine, *name;
} Case;

static void
test_case (gconstpointer data)
{
  const Case *row = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VardEngine) engine = vard_load_engine (row->engine, 2, &error);

  g_assert_no_error (error);
  check_case (row->name, engine);
}

static void
add_engine (const char *engine)
{
  static const char *const names[] = { "sd1", "sd2" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const Case row = { engine, names[i] };
      g_autofree char *path = g_strdup_printf ("/lora-gradients/%s/%s", engine, names[i]);

      g_test_add_data_func_full (path, g_memdup2 (&row, sizeof row), test_case, g_free);
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "lora-gradients.json", NULL);
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  golden = json_parser_get_root (parser);
  if (argc > 2)
    tolerance = g_ascii_strtod (argv[2], NULL);
  if (argc > 1)
    add_engine (argv[1]);
  else
    {
      add_engine ("reference");
      add_engine ("cpu");
    }
  return g_test_run ();
}
