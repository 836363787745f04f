/* vard-clip-weights.c - reads the weights of CLIP's two encoders in any supported naming and format
 *
 * OpenCLIP keeps the three projections of attention in one matrix, and the last projection of an
 * encoder transposed. Checkpoints of training programs have its names below "state_dict.".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip-weights.h"

#include "base/vard-error.h"
#include "files/vard-original-names.h"
#include "files/vard-weights.h"
#include "tensor/vard-pth.h"

#include <math.h>
#include <string.h>

struct _VardClipWeights
{
  char *path;
  VardSafetensors *safetensors; /* one of the two */
  VardPth *pth;
  const char *prefix; /* of every name */
  gboolean is_open;   /* OpenCLIP's names */
};

/* ---- one file, of two formats ---- */

static const char *const *
vard_clip_weights_peek_names (VardClipWeights *self)
{
  return self->pth != NULL ? vard_pth_peek_names (self->pth)
                           : vard_safetensors_peek_names (self->safetensors);
}

static gboolean
vard_clip_weights_contains (VardClipWeights *self, const char *name)
{
  return self->pth != NULL ? vard_pth_contains (self->pth, name)
                           : vard_safetensors_contains (self->safetensors, name);
}

static VardTensor *
vard_clip_weights_lookup (VardClipWeights *self, const char *name, GError **error)
{
  if (vard_clip_weights_contains (self, name))
    return self->pth != NULL ? vard_pth_lookup (self->pth, name, error)
                             : vard_safetensors_lookup (self->safetensors, name, error);
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has no tensor %s", self->path, name);
  return NULL;
}

static char *
vard_clip_weights_find_file (const char *folder, GError **error)
{
  static const char *const names[] = {
    "model.safetensors",      "model.safetensors.index.json",
    "model.fp16.safetensors", "open_clip_model.safetensors",
    "pytorch_model.bin",      "open_clip_pytorch_model.bin",
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (folder, names[i], NULL);

      if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer (&path);
    }
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "there are no weights in %s: neither %s nor %s", folder, names[0], names[3]);

  return NULL;
}

static gboolean
vard_clip_weights_find_spelling (VardClipWeights *self, GError **error)
{
  static const char *const prefixes[] = { "", "state_dict.", "module.", "state_dict.module." };

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      g_autofree char *open = g_strconcat (prefixes[i], "visual.class_embedding", NULL);
      g_autofree char *other =
        g_strconcat (prefixes[i], "vision_model.embeddings.class_embedding", NULL);

      self->prefix = prefixes[i];
      self->is_open = vard_clip_weights_contains (self, open);
      if (self->is_open || vard_clip_weights_contains (self, other))
        return TRUE;
    }
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s has no vision encoder: neither vision_model.embeddings.class_embedding nor "
               "visual.class_embedding",
               self->path);

  return FALSE;
}

VardClipWeights *
vard_clip_weights_open (const char *folder, const char *file, GError **error)
{
  g_autoptr (VardClipWeights) self = g_new0 (VardClipWeights, 1);

  self->path = file != NULL ? g_strdup (file) : vard_clip_weights_find_file (folder, error);
  if (self->path == NULL)
    return NULL;
  if (g_str_has_suffix (self->path, ".safetensors") || g_str_has_suffix (self->path, ".json"))
    self->safetensors = vard_safetensors_open (self->path, error);
  else
    self->pth = vard_pth_open (self->path, error);
  if ((self->safetensors == NULL && self->pth == NULL)
      || !vard_clip_weights_find_spelling (self, error))
    return NULL;

  return g_steal_pointer (&self);
}

void
vard_clip_weights_free (VardClipWeights *self)
{
  g_free (self->path);
  g_clear_object (&self->safetensors);
  g_clear_object (&self->pth);
  g_free (self);
}

/* ---- names ---- */

/* what one of our parameters is in the file */
typedef struct
{
  char *name;
  guint piece, n_pieces;
  gboolean is_transposed;
} Place;

static char *
vard_clip_weights_translate_layer (const char *path, Place *place)
{
  static const VardOriginalNames names = { .part = VARD_ORIGINAL_OPEN_CLIP };
  g_autofree char *name =
    vard_original_names_translate (&names, path, &place->piece, &place->n_pieces);

  return g_strdup (name + strlen (vard_original_names_get_prefix (VARD_ORIGINAL_OPEN_CLIP)));
}

static char *
vard_clip_weights_translate_vision (const char *path, Place *place)
{
  static const char *const heads[][2] = {
    { "embeddings.class_embedding", "class_embedding" },
    { "embeddings.patch_embedding.", "conv1." },
    { "pre_layrnorm.", "ln_pre." },
    { "post_layernorm.", "ln_post." },
  };
  g_autofree char *rest = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (heads); i++)
    if (g_str_has_prefix (path, heads[i][0]))
      return g_strconcat ("visual.", heads[i][1], path + strlen (heads[i][0]), NULL);
  rest = vard_clip_weights_translate_layer (path, place);

  return g_strconcat ("visual.", rest, NULL);
}

static char *
vard_clip_weights_translate (VardClipWeights *self, const char *path, Place *place)
{
  if (!self->is_open)
    return g_strdup (path);
  place->is_transposed = g_str_has_suffix (path, "_projection.weight");
  if (place->is_transposed)
    return g_strdup (g_str_has_prefix (path, "visual") ? "visual.proj" : "text_projection");
  if (g_str_has_prefix (path, "vision_model."))
    return vard_clip_weights_translate_vision (path + strlen ("vision_model."), place);

  return vard_clip_weights_translate_layer (path + strlen ("text_model."), place);
}

static Place
vard_clip_weights_find_place (VardClipWeights *self, const char *path)
{
  Place place = { .n_pieces = 1 };
  g_autofree char *name = vard_clip_weights_translate (self, path, &place);

  place.name = g_strconcat (self->prefix, name, NULL);
  return place;
}

/* ---- loading ---- */

typedef struct
{
  VardClipWeights *weights;
  GHashTable *used;
  GError *error;
} Load;

/* [rows, columns] -> [columns, rows], as f32 */
static VardTensor *
vard_clip_weights_transpose (VardTensor *matrix)
{
  VardShape shape = *vard_tensor_peek_shape (matrix);
  g_autoptr (VardTensor) from = vard_tensor_convert (matrix, VARD_DTYPE_F32);

  if (shape.n_dims != 2)
    return g_steal_pointer (&from);

  gint64 rows = shape.dims[0], columns = shape.dims[1];
  VardShape turned = VARD_SHAPE (columns, rows);
  VardTensor *to = vard_tensor_new (VARD_DTYPE_F32, &turned);

  for (gint64 i = 0; i < rows; i++)
    for (gint64 j = 0; j < columns; j++)
      vard_tensor_peek_f32 (to)[j * rows + i] = vard_tensor_peek_f32 (from)[i * columns + j];

  return to;
}

static void
load_parameter (const char *path, VardParameter *parameter, gpointer data)
{
  Load *load = data;

  if (load->error != NULL)
    return;

  Place place = vard_clip_weights_find_place (load->weights, path);
  g_autofree char *name = place.name;
  g_autoptr (VardTensor) stored = vard_clip_weights_lookup (load->weights, name, &load->error);

  if (stored != NULL && place.is_transposed)
    {
      VardTensor *turned = vard_clip_weights_transpose (stored);

      g_object_unref (stored);
      stored = turned;
    }
  if (stored != NULL
      && vard_weights_fill (load->weights->path, name, stored, parameter, place.piece,
                            place.n_pieces, &load->error))
    g_hash_table_add (load->used, g_steal_pointer (&name));
}

static gboolean
vard_clip_weights_belongs_to (VardClipWeights *self, VardClipPart part, const char *name)
{
  gboolean is_vision = g_str_has_prefix (name, "visual")
                       || g_str_has_prefix (name, "vision_model.");

  if (g_str_has_suffix (name, ".position_ids") || g_str_has_suffix (name, "attn_mask"))
    return FALSE;
  if (part == VARD_CLIP_VISION_PART)
    return is_vision;

  return g_str_has_prefix (name, self->is_open ? "transformer." : "text_model.");
}

/* a layer too many in the file means that it belongs to another configuration */
static gboolean
vard_clip_weights_check_left_over (VardClipWeights *self,
                                   VardClipPart part,
                                   GHashTable *used,
                                   GError **error)
{
  for (const char *const *name = vard_clip_weights_peek_names (self); *name != NULL; name++)
    if (g_str_has_prefix (*name, self->prefix)
        && vard_clip_weights_belongs_to (self, part, *name + strlen (self->prefix))
        && !g_hash_table_contains (used, *name))
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s does not fit the configuration",
                     self->path, *name);
        return FALSE;
      }

  return TRUE;
}

gboolean
vard_clip_weights_load (VardClipWeights *self, VardClipPart part, VardModule *root, GError **error)
{
  g_autoptr (GHashTable) used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Load load = { self, used, NULL };

  vard_module_foreach_parameter (root, load_parameter, &load);
  if (load.error == NULL)
    return vard_clip_weights_check_left_over (self, part, used, error);
  g_propagate_error (error, load.error);

  return FALSE;
}

gboolean
vard_clip_weights_read_scale (VardClipWeights *self, double *scale, GError **error)
{
  g_autofree char *name = g_strconcat (self->prefix, "logit_scale", NULL);
  g_autoptr (VardTensor) stored = NULL, value = NULL;

  *scale = 1;
  if (!vard_clip_weights_contains (self, name))
    return TRUE;
  stored = vard_clip_weights_lookup (self, name, error);
  if (stored == NULL)
    return FALSE;
  value = vard_tensor_convert (stored, VARD_DTYPE_F32);
  if (vard_tensor_get_count (value) == 1)
    *scale = exp (vard_tensor_peek_f32 (value)[0]);
  if (vard_tensor_get_count (value) == 1 && isfinite (*scale))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s: %s is not a single number of reasonable size", self->path, name);

  return FALSE;
}
