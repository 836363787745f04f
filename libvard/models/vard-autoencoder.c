/* vard-autoencoder.c - encodes pictures as latents and decodes them (AutoencoderKL)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-autoencoder.h"

#include "models/vard-res-block.h"
#include "models/vard-unet-block.h"
#include "nn/vard-attention.h"
#include "nn/vard-conv2d.h"
#include "nn/vard-group-norm.h"

#define MAX_BLOCKS 8
#define MAX_WIDTH (1 << 16)
/* of every norm, fixed by diffusers */
#define EPS 1e-6

typedef struct
{
  gint64 n_in, n_out, n_latent;
  guint n_blocks;
  gint64 width[MAX_BLOCKS];
  gint64 n_layers;
  gint64 n_groups;
  gboolean has_attention;
  gboolean has_quant_conv, has_post_quant_conv;
  gint64 sample_size;
  double factor;
} Config;

/* UNetMidBlock2D: residual block, attention with one head, residual block */
#define VARD_TYPE_AUTOENCODER_MID (vard_autoencoder_mid_get_type ())
G_DECLARE_FINAL_TYPE (VardAutoencoderMid, vard_autoencoder_mid, VARD, AUTOENCODER_MID, VardModule)

struct _VardAutoencoderMid
{
  VardModule parent_instance;

  VardResBlock *resnets[2];
  VardGroupNorm *norm;      /* or NULL */
  VardAttention *attention; /* or NULL */
};

G_DEFINE_FINAL_TYPE (VardAutoencoderMid, vard_autoencoder_mid, VARD_TYPE_MODULE)

static VardAutoencoderMid *
vard_autoencoder_mid_new (const Config *config)
{
  VardAutoencoderMid *self = g_object_new (VARD_TYPE_AUTOENCODER_MID, NULL);
  VardModule *module = VARD_MODULE (self);
  gint64 width = config->width[config->n_blocks - 1];

  self->resnets[0] =
    vard_module_add_child (module, "resnets.0",
                           vard_res_block_new (width, width, 0, config->n_groups, EPS, 1));
  if (config->has_attention)
    {
      /* files made from single-file checkpoints may keep these as 1x1 convolutions */
      self->attention =
        vard_module_add_child (module, "attentions.0",
                               vard_attention_new (width, width, 1, width,
                                                   &vard_attention_style_vae, VARD_LAYOUT_PLAIN));
      self->norm = vard_module_add_child (VARD_MODULE (self->attention), "group_norm",
                                          vard_group_norm_new (width, config->n_groups, EPS));
    }
  self->resnets[1] =
    vard_module_add_child (module, "resnets.1",
                           vard_res_block_new (width, width, 0, config->n_groups, EPS, 1));

  return self;
}

static VardNode *
vard_autoencoder_mid_record (VardAutoencoderMid *self, VardNode *x)
{
  VardGraph *graph = x->graph;

  vard_module_enter (VARD_MODULE (self), graph);
  x = vard_res_block_record (self->resnets[0], x, NULL);
  if (self->attention != NULL)
    {
      const gint64 *dims = x->shape.dims;
      VardNode *rows = vard_reshape (vard_group_norm_record (self->norm, x),
                                     VARD_SHAPE (dims[0], dims[1] * dims[2], dims[3]));
      VardNode *y = vard_attention_record (self->attention, rows, NULL, FALSE);

      x = vard_add (vard_reshape (y, x->shape), x);
    }
  x = vard_res_block_record (self->resnets[1], x, NULL);
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

static void
vard_autoencoder_mid_class_init (VardAutoencoderMidClass *klass)
{
}

static void
vard_autoencoder_mid_init (VardAutoencoderMid *self)
{
}

/* Encoder or decoder: the same parts in another order */
#define VARD_TYPE_AUTOENCODER_HALF (vard_autoencoder_half_get_type ())
G_DECLARE_FINAL_TYPE (VardAutoencoderHalf,
                      vard_autoencoder_half,
                      VARD,
                      AUTOENCODER_HALF,
                      VardModule)

struct _VardAutoencoderHalf
{
  VardModule parent_instance;

  gboolean is_decoder;
  guint n_blocks;
  VardConv2d *conv_in, *conv_out;
  VardUnetBlock *blocks[MAX_BLOCKS];
  VardAutoencoderMid *mid;
  VardGroupNorm *norm_out;
};

G_DEFINE_FINAL_TYPE (VardAutoencoderHalf, vard_autoencoder_half, VARD_TYPE_MODULE)

static VardUnetBlock *
vard_autoencoder_new_block (const Config *config, gboolean is_decoder, guint i)
{
  guint level = is_decoder ? config->n_blocks - 1 - i : i;
  guint before = is_decoder ? MIN (level + 1, config->n_blocks - 1) : (level ? level - 1 : 0);
  guint n = config->n_layers + (is_decoder ? 1 : 0);
  g_autofree gint64 *n_in = g_new (gint64, n);
  VardUnetBlockConfig block = {
    .n_in = n_in,
    .n_resnets = n,
    .n_out = config->width[level],
    .n_groups = config->n_groups,
    .eps = EPS,
    .output_scale = 1,
    .downsample_padding = 0,
  };

  for (guint j = 0; j < n; j++)
    n_in[j] = config->width[j ? level : before];
  if (i + 1 < config->n_blocks)
    block.resample = is_decoder ? VARD_RESAMPLE_UP : VARD_RESAMPLE_DOWN;

  return vard_unet_block_new (&block);
}

static VardAutoencoderHalf *
vard_autoencoder_half_new (const Config *config, gboolean is_decoder)
{
  VardAutoencoderHalf *self = g_object_new (VARD_TYPE_AUTOENCODER_HALF, NULL);
  VardModule *module = VARD_MODULE (self);
  gint64 first = config->width[is_decoder ? config->n_blocks - 1 : 0];
  gint64 last = config->width[is_decoder ? 0 : config->n_blocks - 1];
  gint64 n_in = is_decoder ? config->n_latent : config->n_in;
  gint64 n_out = is_decoder ? config->n_out : 2 * config->n_latent;

  self->is_decoder = is_decoder;
  self->n_blocks = config->n_blocks;
  self->conv_in = vard_module_add_child (module, "conv_in", vard_conv2d_new_same (n_in, first, 3));
  self->mid = vard_module_add_child (module, "mid_block", vard_autoencoder_mid_new (config));
  for (guint i = 0; i < config->n_blocks; i++)
    {
      g_autofree char *name = g_strdup_printf (is_decoder ? "up_blocks.%u" : "down_blocks.%u", i);

      self->blocks[i] =
        vard_module_add_child (module, name, vard_autoencoder_new_block (config, is_decoder, i));
    }
  self->norm_out = vard_module_add_child (module, "conv_norm_out",
                                          vard_group_norm_new (last, config->n_groups, EPS));
  self->conv_out =
    vard_module_add_child (module, "conv_out", vard_conv2d_new_same (last, n_out, 3));

  return self;
}

static VardNode *
vard_autoencoder_half_record (VardAutoencoderHalf *self, VardNode *x)
{
  VardGraph *graph = x->graph;

  vard_module_enter (VARD_MODULE (self), graph);
  x = vard_conv2d_record (self->conv_in, x);
  if (self->is_decoder)
    x = vard_autoencoder_mid_record (self->mid, x);
  for (guint i = 0; i < self->n_blocks; i++)
    x = self->is_decoder ? vard_unet_block_record_up (self->blocks[i], x, NULL, NULL, NULL)
                         : vard_unet_block_record_down (self->blocks[i], x, NULL, NULL, NULL);
  if (!self->is_decoder)
    x = vard_autoencoder_mid_record (self->mid, x);
  x = vard_conv2d_record (self->conv_out, vard_silu (vard_group_norm_record (self->norm_out, x)));
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

static void
vard_autoencoder_half_class_init (VardAutoencoderHalfClass *klass)
{
}

static void
vard_autoencoder_half_init (VardAutoencoderHalf *self)
{
}

struct _VardAutoencoder
{
  VardModule parent_instance;

  Config config;
  VardAutoencoderHalf *encoder, *decoder;
  VardLinear *quant, *post_quant; /* 1x1, or NULL */
};

G_DEFINE_FINAL_TYPE (VardAutoencoder, vard_autoencoder, VARD_TYPE_MODULE)

static const VardConfigFixed fixed[] = {
  { "_class_name", "\"AutoencoderKL\"" },
  /* the stock pipeline does not apply these three: a folder that has them means another pipeline */
  { "shift_factor", "null" },
  { "latents_mean", "null" },
  { "latents_std", "null" },
};

static void
vard_autoencoder_read_blocks (Config *self, VardConfigReader *reader)
{
  static const char *const down_types[] = { "DownEncoderBlock2D", NULL };
  static const char *const up_types[] = { "UpDecoderBlock2D", NULL };
  guint n = vard_config_reader_get_length (reader, "block_out_channels");

  if (vard_config_reader_peek (reader, "block_out_channels") == NULL)
    n = 1;
  if (n < 1 || n > MAX_BLOCKS)
    {
      n = 1;
      vard_config_reader_refuse (reader, "block_out_channels", "a list of 1 to 8 widths");
    }
  self->n_blocks = n;
  vard_config_reader_get_ints (reader, "block_out_channels", 64, 1, MAX_WIDTH, self->width, n);
  for (guint i = 0; i < vard_config_reader_get_length (reader, "down_block_types"); i++)
    vard_config_reader_get_choice (reader, "down_block_types", i, down_types);
  for (guint i = 0; i < vard_config_reader_get_length (reader, "up_block_types"); i++)
    vard_config_reader_get_choice (reader, "up_block_types", i, up_types);
  for (guint i = 0; i < n; i++)
    if (self->width[i] % self->n_groups)
      vard_config_reader_refuse (reader, "norm_num_groups",
                                 "a divisor of every block_out_channels");
}

static gboolean
vard_autoencoder_read_config (Config *self, VardConfigReader *reader, GError **error)
{
  const char *activation = vard_config_reader_get_string (reader, "act_fn", "silu");

  vard_config_reader_check_fixed (reader, fixed, G_N_ELEMENTS (fixed));
  if (!g_str_equal (activation, "silu") && !g_str_equal (activation, "swish"))
    vard_config_reader_refuse (reader, "act_fn", "silu");
  self->n_in = vard_config_reader_get_int (reader, "in_channels", 3, 3, 3);
  self->n_out = vard_config_reader_get_int (reader, "out_channels", 3, 3, 3);
  self->n_latent = vard_config_reader_get_int (reader, "latent_channels", 4, 1, 1024);
  self->n_layers = vard_config_reader_get_int (reader, "layers_per_block", 1, 1, 100);
  self->n_groups = vard_config_reader_get_int (reader, "norm_num_groups", 32, 1, MAX_WIDTH);
  self->has_attention = vard_config_reader_get_bool (reader, "mid_block_add_attention", TRUE);
  self->has_quant_conv = vard_config_reader_get_bool (reader, "use_quant_conv", TRUE);
  self->has_post_quant_conv = vard_config_reader_get_bool (reader, "use_post_quant_conv", TRUE);
  self->sample_size = vard_config_reader_get_int (reader, "sample_size", 0, 1, 1 << 14);
  self->factor = vard_config_reader_get_double (reader, "scaling_factor", 0.18215);
  if (!(self->factor > 0))
    vard_config_reader_refuse (reader, "scaling_factor", "a number above 0");
  vard_autoencoder_read_blocks (self, reader);

  return vard_config_reader_finish (reader, error);
}

VardAutoencoder *
vard_autoencoder_new (VardConfigReader *config, GError **error)
{
  g_autoptr (VardAutoencoder) self = g_object_new (VARD_TYPE_AUTOENCODER, NULL);
  VardModule *module = VARD_MODULE (self);
  gint64 n;

  if (!vard_autoencoder_read_config (&self->config, config, error))
    return NULL;
  n = self->config.n_latent;
  self->encoder =
    vard_module_add_child (module, "encoder", vard_autoencoder_half_new (&self->config, FALSE));
  self->decoder =
    vard_module_add_child (module, "decoder", vard_autoencoder_half_new (&self->config, TRUE));
  if (self->config.has_quant_conv)
    self->quant =
      vard_module_add_child (module, "quant_conv",
                             vard_linear_new (2 * n, 2 * n, TRUE, VARD_LAYOUT_POINTWISE));
  if (self->config.has_post_quant_conv)
    self->post_quant = vard_module_add_child (module, "post_quant_conv",
                                              vard_linear_new (n, n, TRUE, VARD_LAYOUT_POINTWISE));

  return g_steal_pointer (&self);
}

gint64
vard_autoencoder_get_n_latent (VardAutoencoder *self)
{
  g_return_val_if_fail (VARD_IS_AUTOENCODER (self), 0);

  return self->config.n_latent;
}

gint64
vard_autoencoder_get_scale (VardAutoencoder *self)
{
  g_return_val_if_fail (VARD_IS_AUTOENCODER (self), 0);

  return (gint64) 1 << (self->config.n_blocks - 1);
}

double
vard_autoencoder_get_factor (VardAutoencoder *self)
{
  g_return_val_if_fail (VARD_IS_AUTOENCODER (self), 0);

  return self->config.factor;
}

gint64
vard_autoencoder_get_sample_size (VardAutoencoder *self)
{
  g_return_val_if_fail (VARD_IS_AUTOENCODER (self), 0);

  return self->config.sample_size;
}

VardNode *
vard_autoencoder_record_encode (VardAutoencoder *self, VardNode *pictures)
{
  g_return_val_if_fail (VARD_IS_AUTOENCODER (self), pictures);

  VardGraph *graph = pictures->graph;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *x = vard_autoencoder_half_record (self->encoder, pictures);

  if (self->quant != NULL)
    x = vard_linear_record (self->quant, x);
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

VardNode *
vard_autoencoder_record_decode (VardAutoencoder *self, VardNode *latents)
{
  g_return_val_if_fail (VARD_IS_AUTOENCODER (self), latents);

  VardGraph *graph = latents->graph;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *x = self->post_quant != NULL ? vard_linear_record (self->post_quant, latents) : latents;

  x = vard_autoencoder_half_record (self->decoder, x);
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

static void
vard_autoencoder_class_init (VardAutoencoderClass *klass)
{
}

static void
vard_autoencoder_init (VardAutoencoder *self)
{
}
