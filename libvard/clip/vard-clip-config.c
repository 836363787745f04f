/* vard-clip-config.c - reads the configuration of a CLIP folder's encoders
 *
 * OpenCLIP's words are translated to those of transformers, and read as these are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip-config.h"

#include "base/vard-error.h"

#define MAX_WIDTH (1 << 16)

/* what every CLIP was trained with unless its folder says something else */
static const float default_mean[] = { 0.48145466f, 0.4578275f, 0.40821073f };
static const float default_std[] = { 0.26862954f, 0.26130258f, 0.27577711f };

void
vard_clip_config_clear (VardClipConfig *self)
{
  g_clear_pointer (&self->vision, vard_config_reader_free);
  g_clear_pointer (&self->text, vard_config_reader_free);
}

/* an object inside of a configuration, as one of its own */
static VardConfigReader *
vard_clip_config_open_section (VardConfigReader *config, const char *key, GError **error)
{
  JsonNode *node = vard_config_reader_peek (config, key);
  g_autofree char *text = node != NULL ? json_to_string (node, FALSE) : g_strdup ("{}");
  g_autofree char *name = g_strdup_printf ("%s (%s)", vard_config_reader_get_path (config), key);

  return vard_config_reader_new_from_text (name, text, error);
}

/* ---- transformers ---- */

static gboolean
vard_clip_config_read_transformers (VardClipConfig *self,
                                    VardConfigReader *config,
                                    const char *folder,
                                    GError **error)
{
  const char *type = vard_config_reader_get_string (config, "model_type", "");

  self->n_features = vard_config_reader_get_int (config, "projection_dim", 512, 1, MAX_WIDTH);
  if (g_str_equal (type, "clip_vision_model"))
    {
      g_autofree char *path = g_build_filename (folder, "config.json", NULL);

      self->vision = vard_config_reader_new (path, error);
    }
  else if (g_str_equal (type, "clip"))
    {
      self->vision = vard_clip_config_open_section (config, "vision_config", error);
      self->text =
        self->vision != NULL ? vard_clip_config_open_section (config, "text_config", error) : NULL;
      if (self->text == NULL)
        return FALSE;
    }
  else
    vard_config_reader_refuse (config, "model_type", "clip or clip_vision_model");

  return vard_config_reader_finish (config, error) && self->vision != NULL;
}

/* ---- OpenCLIP ---- */

static void
vard_clip_config_refuse_key (VardConfigReader *config, const char *key)
{
  if (vard_config_reader_peek (config, key) != NULL)
    vard_config_reader_refuse (config, key,
                               "none: a vision transformer and CLIP's own text transformer");
}

static gint64
vard_clip_config_multiply (gint64 width, double ratio)
{
  return CLAMP (width * ratio, 1, MAX_WIDTH);
}

static char *
vard_clip_config_translate_vision (VardConfigReader *config, const char *activation)
{
  gint64 width = vard_config_reader_get_int (config, "width", 768, 1, MAX_WIDTH);
  gint64 head_width = vard_config_reader_get_int (config, "head_width", 64, 1, MAX_WIDTH);
  gint64 n_layers = vard_config_reader_get_int (config, "layers", 12, 1, 1000);
  gint64 size = vard_config_reader_get_int (config, "image_size", 224, 1, 4096);
  gint64 patch_size = vard_config_reader_get_int (config, "patch_size", 16, 1, 4096);
  gint64 inner =
    vard_clip_config_multiply (width, vard_config_reader_get_double (config, "mlp_ratio", 4));

  vard_clip_config_refuse_key (config, "timm_model_name");
  if (width % head_width)
    vard_config_reader_refuse (config, "head_width", "a divisor of width");

  return g_strdup_printf ("{\"hidden_size\":%d,\"num_attention_heads\":%d,\"num_hidden_layers\":%d,"
                          "\"image_size\":%d,"
                          "\"patch_size\":%d,\"intermediate_size\":%d,\"hidden_act\":\"%s\"}",
                          (int) width, (int) (width / head_width), (int) n_layers, (int) size,
                          (int) patch_size, (int) inner, activation);
}

static char *
vard_clip_config_translate_text (VardConfigReader *config, const char *activation)
{
  gint64 width = vard_config_reader_get_int (config, "width", 512, 1, MAX_WIDTH);
  gint64 n_heads = vard_config_reader_get_int (config, "heads", 8, 1, 1024);
  gint64 n_layers = vard_config_reader_get_int (config, "layers", 12, 1, 1000);
  gint64 length = vard_config_reader_get_int (config, "context_length", 77, 2, 4096);
  gint64 n_ids = vard_config_reader_get_int (config, "vocab_size", 49408, 1, 1 << 24);
  gint64 inner =
    vard_clip_config_multiply (width, vard_config_reader_get_double (config, "mlp_ratio", 4));

  vard_clip_config_refuse_key (config, "hf_model_name");

  return g_strdup_printf ("{\"hidden_size\":%d,\"num_attention_heads\":%d,\"num_hidden_layers\":%d,"
                          "\"max_position_embeddings\":%d,\"vocab_size\":%d,\"intermediate_size\":%"
                          "d,"
                          "\"hidden_act\":\"%s\"}",
                          (int) width, (int) n_heads, (int) n_layers, (int) length, (int) n_ids,
                          (int) inner, activation);
}

static VardConfigReader *
vard_clip_config_translate_section (VardConfigReader *model,
                                    const char *key,
                                    const char *activation,
                                    char *(*translate) (VardConfigReader *config,
                                                        const char *activation),
                                    GError **error)
{
  g_autoptr (VardConfigReader) section = vard_clip_config_open_section (model, key, error);
  g_autofree char *text = section != NULL ? translate (section, activation) : NULL;

  if (section == NULL || !vard_config_reader_finish (section, error))
    return NULL;

  return vard_config_reader_new_from_text (vard_config_reader_get_path (section), text, error);
}

static gboolean
vard_clip_config_read_open_clip (VardClipConfig *self, VardConfigReader *config, GError **error)
{
  g_autoptr (VardConfigReader) model = vard_clip_config_open_section (config, "model_cfg", error);

  if (model == NULL)
    return FALSE;

  const char *activation = vard_config_reader_get_bool (model, "quick_gelu", FALSE) ? "quick_gelu"
                                                                                    : "gelu";

  self->n_features = vard_config_reader_get_int (model, "embed_dim", 512, 1, MAX_WIDTH);
  self->vision = vard_clip_config_translate_section (model, "vision_cfg", activation,
                                                     vard_clip_config_translate_vision, error);
  self->text = self->vision != NULL
                 ? vard_clip_config_translate_section (model, "text_cfg", activation,
                                                       vard_clip_config_translate_text, error)
                 : NULL;

  return self->text != NULL && vard_config_reader_finish (model, error);
}

/* ---- pictures ---- */

static gboolean
vard_clip_config_is_number (JsonNode *node)
{
  GType type = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;

  return type == G_TYPE_DOUBLE || type == G_TYPE_INT64;
}

static void
vard_clip_config_read_colours (VardConfigReader *config,
                               const char *key,
                               double minimum,
                               float *values)
{
  JsonNode *node = vard_config_reader_peek (config, key);
  JsonArray *array = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node)
                                                                  : NULL;

  if (node == NULL)
    return;
  for (guint i = 0; i < 3; i++)
    {
      JsonNode *element = array != NULL && json_array_get_length (array) == 3
                            ? json_array_get_element (array, i)
                            : NULL;

      if (element == NULL || !vard_clip_config_is_number (element)
          || json_node_get_double (element) < minimum)
        {
          vard_config_reader_refuse (config, key, "three numbers, of red, green and blue");
          return;
        }
      values[i] = json_node_get_double (element);
    }
}

/* The side that a size asks for: a number, or the only member that its object has; 0 if the
 * configuration has no such size */
static gint64
vard_clip_config_read_side (VardConfigReader *config, const char *key)
{
  JsonNode *node = vard_config_reader_peek (config, key);
  JsonObject *object = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                                                     : NULL;
  const char *names[] = { "shortest_edge", "height" };

  for (guint i = 0; object != NULL && i < G_N_ELEMENTS (names); i++)
    if (json_object_has_member (object, names[i]))
      node = json_object_get_member (object, names[i]);

  return node != NULL && vard_clip_config_is_number (node) ? json_node_get_int (node) : 0;
}

/* What preprocessor_config.json may say differently, and what it may not */
static gboolean
vard_clip_config_read_preprocessor (VardClipConfig *self, const char *folder, GError **error)
{
  static const VardConfigFixed fixed[] = {
    { "do_resize", "true" },
    { "do_center_crop", "true" },
    { "do_normalize", "true" },
    { "resample", "3" },
  };
  g_autofree char *path = g_build_filename (folder, "preprocessor_config.json", NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;

  g_autoptr (VardConfigReader) config = vard_config_reader_new (path, error);

  if (config == NULL)
    return FALSE;

  gint64 size = vard_config_reader_get_int (self->vision, "image_size", 224, 1, 4096);
  g_autofree char *wanted =
    g_strdup_printf ("%" G_GINT64_FORMAT ", the encoder's image_size", size);
  static const char *const keys[] = { "size", "crop_size" };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (vard_clip_config_read_side (config, keys[i]) != 0
        && vard_clip_config_read_side (config, keys[i]) != size)
      vard_config_reader_refuse (config, keys[i], wanted);
  vard_config_reader_check_fixed (config, fixed, G_N_ELEMENTS (fixed));
  vard_clip_config_read_colours (config, "image_mean", -100, self->mean);
  vard_clip_config_read_colours (config, "image_std", 1e-6, self->std);

  return vard_config_reader_finish (config, error);
}

static gboolean
vard_clip_config_read_open_clip_colours (VardClipConfig *self,
                                         VardConfigReader *config,
                                         GError **error)
{
  g_autoptr (VardConfigReader) section =
    vard_clip_config_open_section (config, "preprocess_cfg", error);

  if (section == NULL)
    return FALSE;
  vard_clip_config_read_colours (section, "mean", -100, self->mean);
  vard_clip_config_read_colours (section, "std", 1e-6, self->std);

  return vard_config_reader_finish (section, error);
}

static gboolean
vard_clip_config_read_folder (VardClipConfig *self, const char *folder, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "config.json", NULL);
  g_autofree char *open_path = g_build_filename (folder, "open_clip_config.json", NULL);
  gboolean is_open = !g_file_test (path, G_FILE_TEST_EXISTS)
                     && g_file_test (open_path, G_FILE_TEST_EXISTS);

  if (!is_open && !g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s is not the folder of a CLIP model: there is neither config.json nor "
                   "open_clip_config.json in it",
                   folder);
      return FALSE;
    }

  g_autoptr (VardConfigReader) config = vard_config_reader_new (is_open ? open_path : path, error);

  if (config == NULL)
    return FALSE;
  if (is_open)
    return vard_clip_config_read_open_clip (self, config, error)
           && vard_clip_config_read_open_clip_colours (self, config, error);

  return vard_clip_config_read_transformers (self, config, folder, error)
         && vard_clip_config_read_preprocessor (self, folder, error);
}

gboolean
vard_clip_config_read (VardClipConfig *self, const char *folder, GError **error)
{
  *self = (VardClipConfig) { 0 };
  for (guint i = 0; i < 3; i++)
    {
      self->mean[i] = default_mean[i];
      self->std[i] = default_std[i];
    }
  if (vard_clip_config_read_folder (self, folder, error))
    return TRUE;
  vard_clip_config_clear (self);

  return FALSE;
}
