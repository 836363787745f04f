/* vard-unet-config.c - reads the supported settings of unet/config.json
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-unet-config.h"

#include "base/vard-error.h"

#define MAX_WIDTH (1 << 16)

/* Other values make another network. What only matters in training or in half precision (dropout,
 * upcast_attention) is not here. resnet_out_scale_factor is, although these block types ignore it.
 */
static const VardConfigFixed fixed[] = {
  { "_class_name", "\"UNet2DConditionModel\"" },
  { "only_cross_attention", "false" },
  { "reverse_transformer_layers_per_block", "null" },
  { "encoder_hid_dim", "null" },
  { "encoder_hid_dim_type", "null" },
  { "num_attention_heads", "null" },
  { "dual_cross_attention", "false" },
  { "class_embed_type", "null" },
  { "addition_embed_type", "null" },
  { "num_class_embeds", "null" },
  { "resnet_time_scale_shift", "\"default\"" },
  { "resnet_skip_time_act", "false" },
  { "resnet_out_scale_factor", "1" },
  { "time_embedding_type", "\"positional\"" },
  { "time_embedding_act_fn", "null" },
  { "timestep_post_act", "null" },
  { "time_cond_proj_dim", "null" },
  { "attention_type", "\"default\"" },
  { "class_embeddings_concat", "false" },
  { "mid_block_only_cross_attention", "false" },
  { "cross_attention_norm", "null" },
};

static void
vard_unet_config_read_blocks (VardUnetConfig *self, VardConfigReader *reader)
{
  static const char *const down_types[] = { "DownBlock2D", "CrossAttnDownBlock2D", NULL };
  static const char *const up_types[] = { "UpBlock2D", "CrossAttnUpBlock2D", NULL };
  static const gint64 default_width[] = { 320, 640, 1280, 1280 };
  guint n_down = vard_config_reader_get_length (reader, "down_block_types");
  guint n_up = vard_config_reader_get_length (reader, "up_block_types");

  self->n_blocks = vard_config_reader_get_length (reader, "block_out_channels");
  if (vard_config_reader_peek (reader, "block_out_channels") == NULL)
    self->n_blocks = G_N_ELEMENTS (default_width);
  if (self->n_blocks < 1 || self->n_blocks > VARD_UNET_MAX_BLOCKS)
    {
      self->n_blocks = 1;
      vard_config_reader_refuse (reader, "block_out_channels", "a list of 1 to 8 widths");
    }
  if (vard_config_reader_peek (reader, "block_out_channels") != NULL)
    vard_config_reader_get_ints (reader, "block_out_channels", 1, 1, MAX_WIDTH, self->width,
                                 self->n_blocks);
  else
    memcpy (self->width, default_width, sizeof default_width);
  if (vard_config_reader_peek (reader, "down_block_types") != NULL && n_down != self->n_blocks)
    vard_config_reader_refuse (reader, "down_block_types",
                               "one type for each of block_out_channels");
  if (vard_config_reader_peek (reader, "up_block_types") != NULL && n_up != self->n_blocks)
    vard_config_reader_refuse (reader, "up_block_types", "one type for each of block_out_channels");
  for (guint i = 0; i < self->n_blocks; i++)
    {
      self->down_has_attention[i] =
        i < n_down ? vard_config_reader_get_choice (reader, "down_block_types", i, down_types)
                   : i + 1 < self->n_blocks;
      self->up_has_attention[i] =
        i < n_up ? vard_config_reader_get_choice (reader, "up_block_types", i, up_types) : i > 0;
    }
}

static void
vard_unet_config_read_lists (VardUnetConfig *self, VardConfigReader *reader)
{
  guint n = self->n_blocks;

  vard_config_reader_get_ints (reader, "layers_per_block", 2, 1, 100, self->n_layers, n);
  vard_config_reader_get_ints (reader, "transformer_layers_per_block", 1, 1, 100,
                               self->n_transformer_layers, n);
  vard_config_reader_get_ints (reader, "cross_attention_dim", 1280, 1, MAX_WIDTH,
                               self->context_width, n);
  /* the name misleads: files put the number of heads here */
  vard_config_reader_get_ints (reader, "attention_head_dim", 8, 1, 4096, self->n_heads, n);
  for (guint i = 0; i < n; i++)
    {
      if (self->width[i] % self->n_groups)
        vard_config_reader_refuse (reader, "norm_num_groups",
                                   "a divisor of every block_out_channels");
      if ((self->down_has_attention[i] || self->up_has_attention[n - 1 - i]
           || (i + 1 == n && self->has_mid_block))
          && self->width[i] % self->n_heads[i])
        vard_config_reader_refuse (reader, "attention_head_dim",
                                   "the number of heads, a divisor of the block's "
                                   "block_out_channels");
    }
}

static void
vard_unet_config_read_sample_size (VardUnetConfig *self, VardConfigReader *reader)
{
  gint64 size[2];

  vard_config_reader_get_ints (reader, "sample_size", 0, 1, 1 << 14, size, 2);
  self->sample_height = size[0];
  self->sample_width = size[1];
}

static void
vard_unet_config_read_mid_block (VardUnetConfig *self, VardConfigReader *reader)
{
  const char *type =
    vard_config_reader_get_string (reader, "mid_block_type", "UNetMidBlock2DCrossAttn");

  self->has_mid_block = TRUE;
  if (!g_str_equal (type, "UNetMidBlock2DCrossAttn"))
    vard_config_reader_refuse (reader, "mid_block_type", "UNetMidBlock2DCrossAttn");
  self->mid_scale = vard_config_reader_get_double (reader, "mid_block_scale_factor", 1);
}

gboolean
vard_unet_config_read (VardUnetConfig *self, VardConfigReader *reader, GError **error)
{
  const char *activation = vard_config_reader_get_string (reader, "act_fn", "silu");

  memset (self, 0, sizeof *self);
  vard_config_reader_check_fixed (reader, fixed, G_N_ELEMENTS (fixed));
  if (!g_str_equal (activation, "silu") && !g_str_equal (activation, "swish"))
    vard_config_reader_refuse (reader, "act_fn", "silu");
  self->n_in = vard_config_reader_get_int (reader, "in_channels", 4, 1, MAX_WIDTH);
  self->n_out = vard_config_reader_get_int (reader, "out_channels", 4, 1, MAX_WIDTH);
  self->center_input_sample = vard_config_reader_get_bool (reader, "center_input_sample", FALSE);
  self->flip_sin_to_cos = vard_config_reader_get_bool (reader, "flip_sin_to_cos", TRUE);
  self->freq_shift = vard_config_reader_get_double (reader, "freq_shift", 0);
  self->downsample_padding = vard_config_reader_get_int (reader, "downsample_padding", 1, 0, 1);
  self->n_groups = vard_config_reader_get_int (reader, "norm_num_groups", 32, 1, MAX_WIDTH);
  self->eps = vard_config_reader_get_double (reader, "norm_eps", 1e-5);
  self->use_linear_projection =
    vard_config_reader_get_bool (reader, "use_linear_projection", FALSE);
  self->conv_in_kernel = vard_config_reader_get_int (reader, "conv_in_kernel", 3, 1, 31);
  self->conv_out_kernel = vard_config_reader_get_int (reader, "conv_out_kernel", 3, 1, 31);
  vard_unet_config_read_sample_size (self, reader);
  vard_unet_config_read_blocks (self, reader);
  vard_unet_config_read_mid_block (self, reader);
  vard_unet_config_read_lists (self, reader);
  self->time_width =
    vard_config_reader_get_int (reader, "time_embedding_dim", 4 * self->width[0], 1, MAX_WIDTH);

  return vard_config_reader_finish (reader, error);
}
