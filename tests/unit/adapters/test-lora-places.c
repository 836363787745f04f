/* test-lora-places.c - a model with two text encoders says what files call each of them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "lora-fixture.h"

#include "adapters/vard-lora-names.h"

#define WIDTH 4
#define N_PLACES 3

/* A denoiser and two text encoders that have the same layer; all adapters are filled */
static VardLoraTarget
make_target (guint rank)
{
  VardLoraTarget target = { .n_places = N_PLACES };

  for (guint i = 0; i < N_PLACES; i++)
    {
      VardModule *module = g_object_new (VARD_TYPE_MODULE, NULL);
      const char *name = i == 0 ? "to_q" : "layers.0.q_proj";
      const char *const names[] = { i == 0 ? "to_q" : "q_proj", NULL };

      vard_module_add_child (module, name,
                             vard_linear_new (WIDTH, WIDTH, FALSE, VARD_LAYOUT_PLAIN));
      if (rank > 0)
        {
          g_assert_true (vard_lora_attach (module, names, rank, rank, i, NULL));
          vard_lora_foreach (module, fill_up, NULL);
        }
      target.places[i].module = module;
    }
  target.places[0] = VARD_LORA_UNET (target.places[0].module);
  target.places[1] = (VardLoraPlace) { target.places[1].module, VARD_LORA_PLACE_TEXT,
                                       "text_encoder", "lora_te1", "lora_te" };
  target.places[2] = (VardLoraPlace) { target.places[2].module, VARD_LORA_PLACE_TEXT,
                                       "text_encoder_2", "lora_te2", NULL };

  return target;
}

static void
clear_target (VardLoraTarget *target)
{
  for (guint i = 0; i < target->n_places; i++)
    g_clear_object (&target->places[i].module);
}

static void
keep_up (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  *(VardTensor **) data = vard_lora_peek_up (lora)->tensor;
}

static void
test_places (gconstpointer data)
{
  VardLoraFormat format = GPOINTER_TO_UINT (data);
  gboolean is_kohya = format == VARD_LORA_FORMAT_KOHYA;
  guint spelling = is_kohya ? VARD_LORA_SPELLING_KOHYA : VARD_LORA_SPELLING_DIFFUSERS;
  const char *second =
    is_kohya ? "lora_te2_text_model_layers_0_q_proj.lora_down.weight"
             : "text_encoder_2.text_model.layers.0.q_proj.lora_linear_layer.down.weight";
  g_autofree char *folder = g_dir_make_tmp ("vard-places-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "adapters.safetensors", NULL);
  VardLoraTarget written = make_target (2), read = make_target (0);
  g_autoptr (GError) error = NULL;
  guint n_written, n_read;

  vard_lora_write (&written, path, format, NULL, &n_written, &error);
  g_assert_no_error (error);

  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, &error);

  g_assert_true (vard_safetensors_contains (file, second));
  for (const char *const *name = vard_safetensors_peek_names (file); *name != NULL; name++)
    g_assert_true (vard_lora_names_fit (spelling, &written, *name));
  g_assert_false (vard_lora_names_fit (spelling, &written, "lora_te3_layers_0_q_proj.alpha"));

  vard_lora_add (&read, path, 1, &n_read, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n_written, ==, N_PLACES);
  g_assert_cmpuint (n_read, ==, N_PLACES);
  for (guint i = 0; i < N_PLACES; i++)
    {
      VardTensor *before = NULL, *after = NULL;

      vard_lora_foreach (written.places[i].module, keep_up, &before);
      vard_lora_foreach (read.places[i].module, keep_up, &after);
      g_assert_cmpmem (vard_tensor_peek_data (before), vard_tensor_get_n_bytes (before),
                       vard_tensor_peek_data (after), vard_tensor_get_n_bytes (after));
    }

  /* one encoder less, and its tensors fit nothing */
  read.n_places = 2;
  g_assert_false (vard_lora_add (&read, path, 1, NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_CONFIG);
  read.n_places = N_PLACES;
  clear_target (&written);
  clear_target (&read);
  tiny_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/lora-places/diffusers", GUINT_TO_POINTER (VARD_LORA_FORMAT_DIFFUSERS),
                        test_places);
  g_test_add_data_func ("/lora-places/kohya", GUINT_TO_POINTER (VARD_LORA_FORMAT_KOHYA),
                        test_places);

  return g_test_run ();
}
