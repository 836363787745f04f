/* test-models.c - text encoder, denoiser and autoencoder against diffusers and transformers
 *
 * make-models-golden.py has the other side of the formula for weights and inputs. Weights go
 * through a file and the loader with the names and shapes that PyTorch gave, so names, layouts and
 * shapes are tested too. The first argument is the engine (else the reference), the second the
 * tolerance.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "formula.h"

#include "models/vard-autoencoder.h"
#include "clip/vard-clip-text.h"
#include "models/vard-unet.h"
#include "files/vard-weights.h"
#include "engine/vard-engine-loader.h"

#include <glib/gstdio.h>

typedef struct
{
  JsonObject *json;
  char *folder;
  VardGraph *graph;
} Case;

static JsonNode *golden;
static const char *engine_spec = "reference";
static double tolerance = 2e-4;

/* ---- files ---- */

static void
case_init (Case *self, const char *name)
{
  self->json = json_object_get_object_member (json_node_get_object (golden), name);
  self->folder = g_dir_make_tmp (NULL, NULL);
  self->graph = vard_graph_new ();
}

static void
case_clear (Case *self)
{
  static const char *const names[] = { "config.json", "weights.safetensors" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (self->folder, names[i], NULL);

      g_unlink (path);
    }
  g_rmdir (self->folder);
  g_free (self->folder);
  vard_graph_unref (self->graph);
}

static VardConfigReader *
open_config (Case *self)
{
  g_autofree char *path = g_build_filename (self->folder, "config.json", NULL);
  g_autofree char *text = json_to_string (json_object_get_member (self->json, "config"), FALSE);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);

  VardConfigReader *reader = vard_config_reader_new (path, &error);

  g_assert_no_error (error);
  return reader;
}

static void
load_weights (Case *self,
              VardModule *module,
              const char *old_part,
              const char *new_part,
              const VardWeightAlias *aliases)
{
  g_autofree char *path = g_build_filename (self->folder, "weights.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  write_weights (json_object_get_object_member (self->json, "tensors"), path, old_part, new_part);
  vard_weights_load (module, path, aliases, NULL, &error);
  g_assert_no_error (error);
}

/* ---- running ---- */

static VardExecutable *
compile (Case *self, VardNode *output)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardEngine) engine = vard_load_engine (engine_spec, 1, &error);
  VardExecutable *executable;

  g_assert_no_error (error);
  vard_graph_add_output (self->graph, "output", output);
  executable = vard_engine_compile (engine, self->graph, &error);
  g_assert_no_error (error);
  return executable;
}

static void
set (VardExecutable *executable, const char *name, gconstpointer data, gsize size)
{
  g_autoptr (GError) error = NULL;

  vard_executable_set_input (executable, name, data, size, &error);
  g_assert_no_error (error);
}

static void
check (Case *self, VardExecutable *executable, const char *member)
{
  JsonArray *expected = json_object_get_array_member (self->json, member);
  guint n = json_array_get_length (expected);
  g_autofree float *values = g_new (float, n);
  g_autoptr (GError) error = NULL;
  double worst = 0, largest = 0;

  vard_executable_run (executable, NULL, &error);
  g_assert_no_error (error);
  vard_executable_get_output (executable, "output", values, n * sizeof (float), &error);
  g_assert_no_error (error);
  for (guint i = 0; i < n; i++)
    {
      double right = json_array_get_double_element (expected, i);

      worst = MAX (worst, fabs (values[i] - right));
      largest = MAX (largest, fabs (right));
    }
  g_test_message ("%s: %.2e of the largest value", member, worst / largest);
  g_assert_cmpfloat (worst, <=, tolerance * largest);
}

static void
test_unet (gconstpointer name)
{
  Case self;
  g_autoptr (GError) error = NULL;
  VardUnetConfig config;

  case_init (&self, name);

  g_autoptr (VardConfigReader) reader = open_config (&self);

  vard_unet_config_read (&config, reader, &error);
  g_assert_no_error (error);

  g_autoptr (VardUnet) unet = vard_unet_new (&config);
  gint64 height = json_object_get_int_member (self.json, "height"),
         width = json_object_get_int_member (self.json, "width");
  gint64 context_width = config.context_width[0];
  const float timesteps[2] = { 7, 961 };
  g_autofree float *latents = make_noise ("latents", 2 * height * width * 4);
  g_autofree float *context = make_noise ("context", 2 * 5 * context_width);
  VardNode *x = vard_input (self.graph, "x", VARD_DTYPE_F32, VARD_SHAPE (2, height, width, 4));
  VardNode *t = vard_input (self.graph, "t", VARD_DTYPE_F32, VARD_SHAPE (2));
  VardNode *c = vard_input (self.graph, "c", VARD_DTYPE_F32, VARD_SHAPE (2, 5, context_width));

  load_weights (&self, VARD_MODULE (unet), NULL, NULL, NULL);

  g_autoptr (VardExecutable) executable = compile (&self, vard_unet_record (unet, x, t, c));

  set (executable, "x", latents, 2 * height * width * 4 * sizeof (float));
  set (executable, "t", timesteps, sizeof timesteps);
  set (executable, "c", context, 2 * 5 * context_width * sizeof (float));
  check (&self, executable, "output");
  case_clear (&self);
}

static void
run_autoencoder (const char *name, gboolean is_decoder, gboolean has_old_names)
{
  static const VardWeightAlias aliases[] = { { ".to_q.", ".query." }, { NULL } };
  Case self;
  g_autoptr (GError) error = NULL;

  case_init (&self, name);

  g_autoptr (VardConfigReader) reader = open_config (&self);
  g_autoptr (VardAutoencoder) autoencoder = vard_autoencoder_new (reader, &error);

  g_assert_no_error (error);

  gint64 side = json_object_get_int_member (self.json, "side");
  gint64 n_channels = is_decoder ? 4 : 3;

  if (is_decoder)
    side /= vard_autoencoder_get_scale (autoencoder);

  gsize n = side * side * n_channels;
  g_autofree float *noise = make_noise (is_decoder ? "latents" : "pictures", n);
  VardNode *x =
    vard_input (self.graph, "x", VARD_DTYPE_F32, VARD_SHAPE (1, side, side, n_channels));

  load_weights (&self, VARD_MODULE (autoencoder), has_old_names ? ".to_q." : NULL, ".query.",
                aliases);

  g_autoptr (VardExecutable) executable =
    compile (&self, is_decoder ? vard_autoencoder_record_decode (autoencoder, x)
                               : vard_autoencoder_record_encode (autoencoder, x));

  set (executable, "x", noise, n * sizeof (float));
  check (&self, executable, is_decoder ? "decoded" : "output");
  case_clear (&self);
}

static void
test_encode (gconstpointer name)
{
  run_autoencoder (name, FALSE, FALSE);
}

static void
test_decode (gconstpointer name)
{
  run_autoencoder (name, TRUE, FALSE);
}

static void
test_old_names (gconstpointer name)
{
  run_autoencoder (name, TRUE, TRUE);
}

static void
test_text (gconstpointer name)
{
  static const VardWeightAlias aliases[] = { { "", "text_model." }, { NULL } };
  Case self;
  g_autoptr (GError) error = NULL;
  gint32 ids[12];

  case_init (&self, name);

  g_autoptr (VardConfigReader) reader = open_config (&self);
  g_autoptr (VardClipText) text = vard_clip_text_new (reader, &error);
  VardNode *node = vard_input (self.graph, "ids", VARD_DTYPE_I32, VARD_SHAPE (2, 6));

  g_assert_no_error (error);
  load_weights (&self, VARD_MODULE (text), NULL, NULL, aliases);
  for (guint i = 0; i < 12; i++)
    ids[i] = json_array_get_int_element (json_object_get_array_member (self.json, "ids"), i);

  g_autoptr (VardExecutable) executable = compile (&self, vard_clip_text_record (text, node));

  set (executable, "ids", ids, sizeof ids);
  check (&self, executable, "output");
  case_clear (&self);
}

int
main (int argc, char **argv)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "models.json", NULL);
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  golden = json_parser_get_root (parser);
  if (argc > 1)
    engine_spec = argv[1];
  if (argc > 2)
    tolerance = g_ascii_strtod (argv[2], NULL);
  g_test_add_data_func ("/models/unet/sd1", "unet-sd1", test_unet);
  g_test_add_data_func ("/models/unet/sd2", "unet-sd2", test_unet);
  g_test_add_data_func ("/models/unet/lists", "unet-lists", test_unet);
  g_test_add_data_func ("/models/vae/encode", "vae", test_encode);
  g_test_add_data_func ("/models/vae/decode", "vae", test_decode);
  g_test_add_data_func ("/models/vae/old-names", "vae", test_old_names);
  g_test_add_data_func ("/models/vae-plain/encode", "vae-plain", test_encode);
  g_test_add_data_func ("/models/vae-plain/decode", "vae-plain", test_decode);
  g_test_add_data_func ("/models/text/quick-gelu", "text-quick", test_text);
  g_test_add_data_func ("/models/text/gelu", "text-gelu", test_text);
  return g_test_run ();
}
