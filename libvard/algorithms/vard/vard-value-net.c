/* vard-value-net.c - the value network: the expected reward of a noisy latent, V (x_t, t, text)
 *
 * It has three stages of one residual block each, with a stride-2 convolution between them. The
 * vector of time and text scales and shifts the second norm of each block (FiLM). The output of the
 * last stage is pooled as mean and mean of squares, because many rewards (size, colour, coverage)
 * measure how much there is of something. With 32 channels it has 0.45 million parameters.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-value-net.h"

#include "base/vard-error.h"
#include "base/vard-random.h"
#include "models/vard-time-embedding.h"
#include "files/vard-weights.h"
#include "nn/vard-conv2d.h"
#include "nn/vard-group-norm.h"
#include "nn/vard-linear.h"

#include <math.h>
#include <string.h>

#define N_STAGES 3
#define N_WAVES 64
#define CONDITION_WIDTH 128
#define HEAD_WIDTH 128
#define N_GROUPS 8
#define EPS 1e-5

/* A residual block whose second norm is scaled and shifted */
#define VARD_TYPE_VALUE_BLOCK (vard_value_block_get_type ())
G_DECLARE_FINAL_TYPE (VardValueBlock, vard_value_block, VARD, VALUE_BLOCK, VardModule)

struct _VardValueBlock
{
  VardModule parent_instance;

  gint64 width;
  VardGroupNorm *norm1, *norm2;
  VardConv2d *conv1, *conv2;
  VardLinear *film; /* to [scale, shift] */
};

G_DEFINE_FINAL_TYPE (VardValueBlock, vard_value_block, VARD_TYPE_MODULE)

static VardValueBlock *
vard_value_block_new (gint64 width)
{
  VardValueBlock *self = g_object_new (VARD_TYPE_VALUE_BLOCK, NULL);
  VardModule *module = VARD_MODULE (self);

  self->width = width;
  self->norm1 = vard_module_add_child (module, "norm1", vard_group_norm_new (width, N_GROUPS, EPS));
  self->conv1 = vard_module_add_child (module, "conv1", vard_conv2d_new_same (width, width, 3));
  self->film =
    vard_module_add_child (module, "film",
                           vard_linear_new (CONDITION_WIDTH, 2 * width, TRUE, VARD_LAYOUT_PLAIN));
  self->norm2 = vard_module_add_child (module, "norm2", vard_group_norm_new (width, N_GROUPS, EPS));
  self->conv2 = vard_module_add_child (module, "conv2", vard_conv2d_new_same (width, width, 3));

  return self;
}

static VardNode *
vard_value_block_record (VardValueBlock *self, VardNode *x, VardNode *condition)
{
  VardGraph *graph = x->graph;
  gint64 n = x->shape.dims[0];

  vard_module_begin_block (VARD_MODULE (self), graph);

  VardNode *film = vard_reshape (vard_linear_record (self->film, condition),
                                 VARD_SHAPE (n, 1, 1, 2 * self->width));
  VardNode *scale = vard_slice (film, 3, 0, self->width);
  VardNode *shift = vard_slice (film, 3, self->width, self->width);
  VardNode *h =
    vard_conv2d_record (self->conv1, vard_silu (vard_group_norm_record (self->norm1, x)));

  h = vard_group_norm_record (self->norm2, h);
  h = vard_add (vard_mul (h, vard_affine (scale, 1, 1)), shift);
  h = vard_add (x, vard_conv2d_record (self->conv2, vard_silu (h)));
  vard_module_end_block (VARD_MODULE (self), graph);

  return h;
}

static void
vard_value_block_class_init (VardValueBlockClass *klass)
{
}

static void
vard_value_block_init (VardValueBlock *self)
{
}

struct _VardValueNet
{
  VardModule parent_instance;

  gint64 n_channels, text_width, width;
  VardTimeEmbedding *time;
  VardLinear *text;
  VardConv2d *conv_in;
  VardConv2d *downsamplers[N_STAGES - 1];
  VardValueBlock *blocks[N_STAGES];
  VardLinear *head_1, *head_2;
};

G_DEFINE_FINAL_TYPE (VardValueNet, vard_value_net, VARD_TYPE_MODULE)

typedef struct
{
  guint64 seed;
  VardLinear *zero; /* stays zero: the head */
} Init;

/* weights uniform in +-1 / sqrt (fan in), biases zero, norms as they are */
static void
init_parameter (const char *path, VardParameter *parameter, gpointer data)
{
  const Init *init = data;
  const VardShape *shape = vard_tensor_peek_shape (parameter->tensor);
  gint64 count = vard_shape_get_count (shape);
  float *values = vard_tensor_peek_f32 (parameter->tensor);
  guint64 key = vard_random_derive_key (init->seed, path, 0);

  if (shape->n_dims < 2 || (gpointer) parameter->owner == (gpointer) init->zero)
    return;

  double bound = 1 / sqrt (vard_shape_get_span (shape, 1, shape->n_dims));

  for (gint64 i = 0; i < count; i++)
    values[i] = bound * (2 * vard_random_uniform (key, 0, i) - 1);
}

static void
vard_value_net_add_stages (VardValueNet *self)
{
  VardModule *module = VARD_MODULE (self);
  const VardConv2dAttrs halve = { .stride = 2,
                                  .pad_top = 1,
                                  .pad_bottom = 1,
                                  .pad_left = 1,
                                  .pad_right = 1 };

  self->conv_in = vard_module_add_child (module, "conv_in",
                                         vard_conv2d_new_same (self->n_channels, self->width, 3));
  for (guint i = 0; i < N_STAGES; i++)
    {
      g_autofree char *name = g_strdup_printf ("blocks.%u", i);
      g_autofree char *down = g_strdup_printf ("downsamplers.%u", i);
      gint64 width = (i + 1) * self->width;

      self->blocks[i] = vard_module_add_child (module, name, vard_value_block_new (width));
      if (i + 1 < N_STAGES)
        self->downsamplers[i] =
          vard_module_add_child (module, down,
                                 vard_conv2d_new (width, width + self->width, 3, &halve));
    }
}

VardValueNet *
vard_value_net_new (gint64 n_channels, gint64 text_width, gint64 width, guint64 seed)
{
  g_return_val_if_fail (n_channels > 0 && text_width > 0, NULL);
  g_return_val_if_fail (width > 0 && width % N_GROUPS == 0, NULL);

  VardValueNet *self = g_object_new (VARD_TYPE_VALUE_NET, NULL);
  VardModule *module = VARD_MODULE (self);

  self->n_channels = n_channels;
  self->text_width = text_width;
  self->width = width;
  self->time = vard_module_add_child (module, "time",
                                      vard_time_embedding_new (N_WAVES, CONDITION_WIDTH, TRUE, 0));
  self->text =
    vard_module_add_child (module, "text",
                           vard_linear_new (text_width, CONDITION_WIDTH, TRUE, VARD_LAYOUT_PLAIN));
  vard_value_net_add_stages (self);
  self->head_1 = vard_module_add_child (module, "head.0",
                                        vard_linear_new (2 * N_STAGES * width, HEAD_WIDTH, TRUE,
                                                         VARD_LAYOUT_PLAIN));
  self->head_2 = vard_module_add_child (module, "head.2",
                                        vard_linear_new (HEAD_WIDTH, 1, TRUE, VARD_LAYOUT_PLAIN));

  Init init = { seed, self->head_2 };

  vard_module_foreach_parameter (module, init_parameter, &init);
  vard_module_set_trainable (module, TRUE);

  return self;
}

/* [n, h, w, c] -> [n, 2 c] */
static VardNode *
vard_value_net_pool (VardNode *x)
{
  gint64 n = x->shape.dims[0], c = x->shape.dims[3];
  guint pixels = 1u << 1 | 1u << 2;
  VardNode *parts[2] = {
    vard_reshape (vard_mean (x, pixels), VARD_SHAPE (n, c)),
    vard_reshape (vard_mean (vard_square (x), pixels), VARD_SHAPE (n, c)),
  };

  return vard_concat (parts, 2, 1);
}

VardNode *
vard_value_net_record (VardValueNet *self, VardNode *x, VardNode *timesteps, VardNode *text)
{
  g_return_val_if_fail (VARD_IS_VALUE_NET (self), x);

  VardGraph *graph = x->graph;
  gint64 n = x->shape.dims[0];

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *condition = vard_time_embedding_record (self->time, timesteps);

  condition = vard_silu (vard_add (condition, vard_silu (vard_linear_record (self->text, text))));

  VardNode *h = vard_conv2d_record (self->conv_in, x);

  for (guint i = 0; i < N_STAGES; i++)
    {
      h = vard_value_block_record (self->blocks[i], h, condition);
      if (i + 1 < N_STAGES)
        h = vard_conv2d_record (self->downsamplers[i], h);
    }
  h = vard_silu (vard_linear_record (self->head_1, vard_value_net_pool (h)));
  h = vard_reshape (vard_linear_record (self->head_2, h), VARD_SHAPE (n));
  vard_module_leave (VARD_MODULE (self), graph);

  return h;
}

gboolean
vard_value_net_save (VardValueNet *self, const char *path, GError **error)
{
  g_return_val_if_fail (VARD_IS_VALUE_NET (self), FALSE);

  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  VardModule *module = VARD_MODULE (self);

  g_hash_table_insert (metadata, "vard_value_net", g_strdup ("1"));
  g_hash_table_insert (metadata, "vard_channels",
                       g_strdup_printf ("%" G_GINT64_FORMAT, self->n_channels));
  g_hash_table_insert (metadata, "vard_text_width",
                       g_strdup_printf ("%" G_GINT64_FORMAT, self->text_width));
  g_hash_table_insert (metadata, "vard_width", g_strdup_printf ("%" G_GINT64_FORMAT, self->width));

  return vard_weights_save (module, path, VARD_DTYPE_F32, metadata, error);
}

static gboolean
vard_value_net_read_size (VardSafetensors *file,
                          const char *key,
                          gint64 step,
                          gint64 *size,
                          GError **error)
{
  const char *text = g_hash_table_lookup (vard_safetensors_peek_metadata (file), key);

  if (text != NULL && g_ascii_string_to_signed (text, 10, 1, 1 << 14, size, NULL)
      && *size % step == 0)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
               "%s is not a value network: its metadata has no valid %s",
               vard_safetensors_get_path (file), key);

  return FALSE;
}

VardValueNet *
vard_value_net_new_from_file (const char *path, GError **error)
{
  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, error);
  gint64 n_channels, text_width, width;

  if (file == NULL || !vard_value_net_read_size (file, "vard_channels", 1, &n_channels, error)
      || !vard_value_net_read_size (file, "vard_text_width", 1, &text_width, error)
      || !vard_value_net_read_size (file, "vard_width", N_GROUPS, &width, error))
    return NULL;

  g_autoptr (VardValueNet) self = vard_value_net_new (n_channels, text_width, width, 0);

  if (!vard_weights_load (VARD_MODULE (self), path, NULL, NULL, error))
    return NULL;

  return g_steal_pointer (&self);
}

static void
vard_value_net_class_init (VardValueNetClass *klass)
{
}

static void
vard_value_net_init (VardValueNet *self)
{
}
