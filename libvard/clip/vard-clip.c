/* vard-clip.c - CLIP: encodes pictures and texts as directions that are close if they match
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip.h"

#include "base/vard-error.h"
#include "base/vard-trace.h"
#include "clip/vard-clip-config.h"
#include "clip/vard-clip-text.h"
#include "clip/vard-clip-tokenizer.h"
#include "clip/vard-clip-vision.h"
#include "clip/vard-clip-weights.h"
#include "engine/vard-executable.h"
#include "nn/vard-linear.h"

#include <math.h>
#include <string.h>

/* texts that are remembered; a run has a few hundred */
#define MAX_TEXTS 4096

/* One encoder with its last projection, which has no bias */
typedef struct
{
  VardModule *root;
  gpointer encoder;       /* of root */
  VardLinear *projection; /* of root */
} Tower;

struct _VardClip
{
  GObject parent_instance;

  char *folder, *tokenizer_folder;
  VardEngine *engine;
  VardClipConfig config;
  VardClipWeights *weights; /* NULL once both towers are loaded */
  double scale;

  GMutex mutex; /* of all that follows */
  Tower vision, text;
  GHashTable *programs; /* number of pictures -> VardExecutable */
  VardExecutable *text_program;
  VardClipTokenizer *tokenizer;
  GHashTable *texts; /* text -> features */
};

G_DEFINE_FINAL_TYPE (VardClip, vard_clip, G_TYPE_OBJECT)

/* ---- loading ---- */

/* takes the encoder; FALSE leaves the tower empty */
static gboolean
vard_clip_load_tower (VardClip *self,
                      VardClipPart part,
                      gpointer encoder,
                      gint64 width,
                      Tower *tower,
                      GError **error)
{
  gboolean is_vision = part == VARD_CLIP_VISION_PART;
  g_autoptr (VardModule) root = g_object_new (VARD_TYPE_MODULE, NULL);
  Tower loaded = { .root = root };

  VARD_TRACE_SCOPE ("clip", is_vision ? "load-vision" : "load-text");

  loaded.encoder = vard_module_add_child (root, is_vision ? "vision_model" : "text_model", encoder);
  loaded.projection = vard_module_add_child (root,
                                             is_vision ? "visual_projection" : "text_projection",
                                             vard_linear_new (width, self->config.n_features, FALSE,
                                                              VARD_LAYOUT_PLAIN));
  if (!vard_clip_weights_load (self->weights, part, root, error))
    return FALSE;
  *tower = loaded;
  g_steal_pointer (&root);

  return TRUE;
}

static gboolean
vard_clip_load_vision (VardClip *self, GError **error)
{
  VardClipVision *vision = vard_clip_vision_new (self->config.vision, error);

  return vision != NULL
         && vard_clip_load_tower (self, VARD_CLIP_VISION_PART, vision,
                                  vard_clip_vision_get_width (vision), &self->vision, error);
}

/**
 * vard_clip_new: (skip)
 * @files: where the encoder comes from
 * @engine: what computes it; the encoder keeps a reference
 * @error: return location for an error
 *
 * Loads the picture encoder. vard_load_clip() shares encoders between rewards and is what a reward
 * wants.
 *
 * Returns: (transfer full): an encoder, or %NULL with %VARD_ERROR_CONFIG when files are missing or
 *   do not fit
 */
VardClip *
vard_clip_new (const VardClipFiles *files, VardEngine *engine, GError **error)
{
  g_return_val_if_fail (files != NULL && files->folder != NULL, NULL);
  g_return_val_if_fail (VARD_IS_ENGINE (engine), NULL);

  g_autoptr (VardClip) self = g_object_new (VARD_TYPE_CLIP, NULL);

  self->folder = g_strdup (files->folder);
  self->tokenizer_folder = g_strdup (files->tokenizer != NULL ? files->tokenizer : files->folder);
  self->engine = g_object_ref (engine);
  if (!vard_clip_config_read (&self->config, files->folder, error))
    return NULL;
  self->weights = vard_clip_weights_open (files->folder, files->weights, error);
  if (self->weights == NULL || !vard_clip_weights_read_scale (self->weights, &self->scale, error)
      || !vard_clip_load_vision (self, error))
    return NULL;

  return g_steal_pointer (&self);
}

static gboolean
vard_clip_do_load_text (VardClip *self, GError **error)
{
  g_autoptr (VardClipTokenizer) tokenizer = NULL;
  VardClipText *text;

  if (self->config.text == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s has only a vision encoder, but prompts need a CLIPModel", self->folder);
      return FALSE;
    }
  tokenizer = vard_clip_tokenizer_new (self->tokenizer_folder, error);
  text = tokenizer != NULL ? vard_clip_text_new (self->config.text, error) : NULL;
  if (text == NULL)
    return FALSE;
  if (vard_clip_tokenizer_get_n_ids (tokenizer) > vard_clip_text_get_n_ids (text))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "the tokenizer in %s has %d tokens, but the text encoder of %s knows %d",
                   self->tokenizer_folder, vard_clip_tokenizer_get_n_ids (tokenizer), self->folder,
                   (int) vard_clip_text_get_n_ids (text));
      g_object_unref (text);
      return FALSE;
    }
  if (!vard_clip_load_tower (self, VARD_CLIP_TEXT_PART, text, vard_clip_text_get_width (text),
                             &self->text, error))
    return FALSE;
  self->tokenizer = g_steal_pointer (&tokenizer);
  g_clear_pointer (&self->weights, vard_clip_weights_free);

  return TRUE;
}

/**
 * vard_clip_load_text: (skip)
 * @self: an encoder
 * @error: return location for an error
 *
 * Loads the text encoder and its tokenizer. Later calls do nothing.
 *
 * Returns: %FALSE when files are missing or do not fit
 */
gboolean
vard_clip_load_text (VardClip *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_CLIP (self), FALSE);

  g_mutex_lock (&self->mutex);

  gboolean is_loaded = self->tokenizer != NULL || vard_clip_do_load_text (self, error);

  g_mutex_unlock (&self->mutex);

  return is_loaded;
}

/**
 * vard_clip_get_n_features: (skip)
 * @self: an encoder
 *
 * Returns: the length of a feature vector, of pictures and texts alike
 */
guint
vard_clip_get_n_features (VardClip *self)
{
  g_return_val_if_fail (VARD_IS_CLIP (self), 0);

  return self->config.n_features;
}

/**
 * vard_clip_get_size: (skip)
 * @self: an encoder
 *
 * Returns: the side of the square that the encoder sees, in pixels
 */
guint
vard_clip_get_size (VardClip *self)
{
  g_return_val_if_fail (VARD_IS_CLIP (self), 0);

  return vard_clip_vision_get_size (self->vision.encoder);
}

/**
 * vard_clip_get_scale: (skip)
 * @self: an encoder
 *
 * Returns: the factor that training multiplied the cosine by: exp (logit_scale)
 */
double
vard_clip_get_scale (VardClip *self)
{
  g_return_val_if_fail (VARD_IS_CLIP (self), 1);

  return self->scale;
}

/* ---- computing ---- */

/**
 * vard_clip_prepare: (skip)
 * @self: an encoder
 * @rgb: 8-bit RGB, @height rows of 3 @width bytes
 * @width: of the picture, in pixels
 * @height: of the picture, in pixels
 * @crop: how to find the middle square
 * @pixels: (out caller-allocates): size x size x 3 normalised values
 *
 * Resizes a picture of any size, crops and normalises it as the encoder's own preprocessing does.
 */
void
vard_clip_prepare (VardClip *self,
                   const guint8 *rgb,
                   guint width,
                   guint height,
                   VardClipCrop crop,
                   float *pixels)
{
  g_return_if_fail (VARD_IS_CLIP (self));

  guint size = vard_clip_get_size (self);
  g_autofree guint8 *square = g_malloc ((gsize) 3 * size * size);

  vard_clip_picture_crop (rgb, width, height, size, crop, square);
  vard_clip_picture_normalize (square, (gsize) size * size, self->config.mean, self->config.std,
                               pixels);
}

/* to length one, unless they are all zero */
static void
vard_clip_normalize (float *features, guint n, guint n_features)
{
  for (guint i = 0; i < n; i++, features += n_features)
    {
      double sum = 0;

      for (guint k = 0; k < n_features; k++)
        sum += (double) features[k] * features[k];
      for (guint k = 0; k < n_features && sum > 0; k++)
        features[k] = features[k] / sqrt (sum);
    }
}

static VardExecutable *
vard_clip_ensure_program (VardClip *self, guint n, GError **error)
{
  VardExecutable *program = g_hash_table_lookup (self->programs, GUINT_TO_POINTER (n));
  guint size = vard_clip_get_size (self);

  if (program != NULL)
    return program;

  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *pixels = vard_input (graph, "pixels", VARD_DTYPE_F32, VARD_SHAPE (n, size, size, 3));
  VardNode *state = vard_clip_vision_record (self->vision.encoder, pixels);

  vard_graph_add_output (graph, "features", vard_linear_record (self->vision.projection, state));
  program = vard_engine_compile (self->engine, graph, error);
  if (program != NULL)
    g_hash_table_insert (self->programs, GUINT_TO_POINTER (n), program);

  return program;
}

static gboolean
vard_clip_do_encode_pictures (VardClip *self,
                              const float *pixels,
                              guint n,
                              float *features,
                              GCancellable *cancellable,
                              GError **error)
{
  gsize n_pixels = (gsize) vard_clip_get_size (self) * vard_clip_get_size (self) * 3;
  VardExecutable *program = vard_clip_ensure_program (self, n, error);

  return program != NULL
         && vard_executable_set_input (program, "pixels", pixels, n * n_pixels * sizeof (float),
                                       error)
         && vard_executable_run (program, cancellable, error)
         && vard_executable_get_output (program, "features", features,
                                        n * self->config.n_features * sizeof (float), error);
}

/**
 * vard_clip_encode_pictures: (skip)
 * @self: an encoder
 * @pixels: [@n, size, size, 3] values of vard_clip_prepare()
 * @n: how many pictures
 * @features: (out caller-allocates): [@n, n_features], each row of length 1
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * May be called from any thread; calls are made one after the other.
 *
 * Returns: %FALSE when the engine failed or @cancellable was cancelled
 */
gboolean
vard_clip_encode_pictures (VardClip *self,
                           const float *pixels,
                           guint n,
                           float *features,
                           GCancellable *cancellable,
                           GError **error)
{
  g_return_val_if_fail (VARD_IS_CLIP (self), FALSE);

  VARD_TRACE_SCOPE ("clip", "pictures");

  g_mutex_lock (&self->mutex);

  gboolean is_done = vard_clip_do_encode_pictures (self, pixels, n, features, cancellable, error);

  g_mutex_unlock (&self->mutex);
  if (is_done)
    vard_clip_normalize (features, n, self->config.n_features);

  return is_done;
}

/* one text at a time: a text is met once */
static VardExecutable *
vard_clip_ensure_text_program (VardClip *self, GError **error)
{
  if (self->text_program != NULL)
    return self->text_program;

  g_autoptr (VardGraph) graph = vard_graph_new ();
  gint64 n_tokens = vard_clip_text_get_n_positions (self->text.encoder);
  gint64 width = vard_clip_text_get_width (self->text.encoder);
  VardNode *ids = vard_input (graph, "ids", VARD_DTYPE_I32, VARD_SHAPE (1, n_tokens));
  VardNode *last = vard_input (graph, "last", VARD_DTYPE_I32, VARD_SHAPE (1));
  VardNode *states = vard_clip_text_record (self->text.encoder, ids);

  /* the state of the end token has seen the whole text */
  states = vard_gather (vard_reshape (states, VARD_SHAPE (n_tokens, width)), last);
  vard_graph_add_output (graph, "features", vard_linear_record (self->text.projection, states));
  self->text_program = vard_engine_compile (self->engine, graph, error);

  return self->text_program;
}

static float *
vard_clip_do_encode_text (VardClip *self,
                          const char *text,
                          GCancellable *cancellable,
                          GError **error)
{
  VardExecutable *program = vard_clip_ensure_text_program (self, error);

  if (program == NULL)
    return NULL;

  guint n_tokens = vard_clip_text_get_n_positions (self->text.encoder), n_valid = 0;
  g_autofree gint32 *ids = g_new (gint32, n_tokens);
  gsize n_bytes = self->config.n_features * sizeof (float);
  g_autofree float *features = g_malloc (n_bytes);

  if (!vard_clip_tokenizer_encode (self->tokenizer, text, ids, n_tokens, &n_valid, NULL, error))
    return NULL;

  gint32 last = n_valid - 1;

  if (!vard_executable_set_input (program, "ids", ids, n_tokens * sizeof *ids, error)
      || !vard_executable_set_input (program, "last", &last, sizeof last, error)
      || !vard_executable_run (program, cancellable, error)
      || !vard_executable_get_output (program, "features", features, n_bytes, error))
    return NULL;
  vard_clip_normalize (features, 1, self->config.n_features);

  return g_steal_pointer (&features);
}

/**
 * vard_clip_encode_text: (skip)
 * @self: an encoder whose text encoder is loaded
 * @text: a prompt; what does not fit is cut
 * @features: (out caller-allocates): [n_features], of length 1
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Remembers the features of recent texts.
 *
 * Returns: %FALSE when the engine failed or @cancellable was cancelled
 */
gboolean
vard_clip_encode_text (VardClip *self,
                       const char *text,
                       float *features,
                       GCancellable *cancellable,
                       GError **error)
{
  g_return_val_if_fail (VARD_IS_CLIP (self) && text != NULL, FALSE);

  if (!vard_clip_load_text (self, error))
    return FALSE;
  g_mutex_lock (&self->mutex);

  float *found = g_hash_table_lookup (self->texts, text);

  if (found == NULL)
    {
      found = vard_clip_do_encode_text (self, text, cancellable, error);
      if (g_hash_table_size (self->texts) >= MAX_TEXTS)
        g_hash_table_remove_all (self->texts);
      if (found != NULL)
        g_hash_table_insert (self->texts, g_strdup (text), found);
    }
  if (found != NULL)
    memcpy (features, found, self->config.n_features * sizeof (float));
  g_mutex_unlock (&self->mutex);

  return found != NULL;
}

static void
vard_clip_finalize (GObject *object)
{
  VardClip *self = VARD_CLIP (object);

  g_free (self->folder);
  g_free (self->tokenizer_folder);
  g_hash_table_unref (self->programs);
  g_hash_table_unref (self->texts);
  g_clear_object (&self->text_program);
  g_clear_object (&self->tokenizer);
  g_clear_object (&self->vision.root);
  g_clear_object (&self->text.root);
  g_clear_object (&self->engine);
  g_clear_pointer (&self->weights, vard_clip_weights_free);
  vard_clip_config_clear (&self->config);
  g_mutex_clear (&self->mutex);
  G_OBJECT_CLASS (vard_clip_parent_class)->finalize (object);
}

static void
vard_clip_class_init (VardClipClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_clip_finalize;
}

static void
vard_clip_init (VardClip *self)
{
  g_mutex_init (&self->mutex);
  self->programs = g_hash_table_new_full (NULL, NULL, NULL, g_object_unref);
  self->texts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}
