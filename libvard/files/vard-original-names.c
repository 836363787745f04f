/* vard-original-names.c - the tensor names of single-file models
 *
 * A name is the path that diffusers gives with its beginning exchanged by the first rule that fits,
 * and then parts of it by every rule that fits. Loading asks for the name of each of our parameters
 * and writing gives it, so one direction is enough.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "files/vard-original-names.h"

#include <string.h>

/* In @from every # is a number: i, then j. In @to:
 *   {i} {j}  these numbers
 *   {r}      i counted from the other end
 *   {k}      (n_layers + 1) i + j x (whether j counts) + n_layers x add_layers + add
 *   {u}      where the upsampler stands: after the attention, if there is one */
typedef struct
{
  const char *from, *to;
  gboolean has_j;
  guint add_layers, add;
} Head;

typedef struct
{
  const char *from, *to;
} Part;

static const Head unet_heads[] = {
  { "time_embedding.linear_1.", "time_embed.0." },
  { "time_embedding.linear_2.", "time_embed.2." },
  { "conv_in.", "input_blocks.0.0." },
  { "conv_norm_out.", "out.0." },
  { "conv_out.", "out.2." },
  { "down_blocks.#.resnets.#.", "input_blocks.{k}.0.", TRUE, 0, 1 },
  { "down_blocks.#.attentions.#.", "input_blocks.{k}.1.", TRUE, 0, 1 },
  { "down_blocks.#.downsamplers.#.conv.", "input_blocks.{k}.0.op.", FALSE, 1, 1 },
  { "mid_block.resnets.0.", "middle_block.0." },
  { "mid_block.attentions.0.", "middle_block.1." },
  { "mid_block.resnets.1.", "middle_block.2." },
  { "up_blocks.#.resnets.#.", "output_blocks.{k}.0.", TRUE, 0, 0 },
  { "up_blocks.#.attentions.#.", "output_blocks.{k}.1.", TRUE, 0, 0 },
  { "up_blocks.#.upsamplers.#.conv.", "output_blocks.{k}.{u}.conv.", FALSE, 1, 0 },
  { NULL },
};

/* clang-format off */
static const Part unet_resnet_parts[] = {
  { ".norm1.", ".in_layers.0." }, { ".conv1.", ".in_layers.2." },
  { ".time_emb_proj.", ".emb_layers.1." },
  { ".norm2.", ".out_layers.0." }, { ".conv2.", ".out_layers.3." },
  { ".conv_shortcut.", ".skip_connection." },
  { NULL },
};
/* clang-format on */

static const Head vae_heads[] = {
  { "encoder.down_blocks.#.resnets.#.", "encoder.down.{i}.block.{j}." },
  { "encoder.down_blocks.#.downsamplers.#.conv.", "encoder.down.{i}.downsample.conv." },
  { "decoder.up_blocks.#.resnets.#.", "decoder.up.{r}.block.{j}." },
  { "decoder.up_blocks.#.upsamplers.#.conv.", "decoder.up.{r}.upsample.conv." },
  { NULL },
};

/* clang-format off */
static const Part vae_parts[] = {
  { ".mid_block.resnets.0.", ".mid.block_1." }, { ".mid_block.resnets.1.", ".mid.block_2." },
  { ".mid_block.attentions.0.", ".mid.attn_1." }, { ".group_norm.", ".norm." }, { ".to_q.", ".q." },
  { ".to_k.", ".k." }, { ".to_v.", ".v." }, { ".to_out.0.", ".proj_out." },
  { ".conv_norm_out.", ".norm_out." },
  { ".conv_shortcut.", ".nin_shortcut." }, { NULL },
};
/* clang-format on */

static const Head open_clip_heads[] = {
  { "embeddings.token_embedding.", "token_embedding." },
  { "embeddings.position_embedding.weight", "positional_embedding" },
  { "encoder.layers.#.", "transformer.resblocks.{i}." },
  { "final_layer_norm.", "ln_final." },
  { NULL },
};

/* clang-format off */
static const Part open_clip_parts[] = {
  { ".layer_norm1.", ".ln_1." }, { ".layer_norm2.", ".ln_2." }, { ".mlp.fc1.", ".mlp.c_fc." },
  { ".mlp.fc2.", ".mlp.c_proj." }, { ".self_attn.out_proj.", ".attn.out_proj." },
  { ".self_attn.q_proj.", ".attn.in_proj_" }, { ".self_attn.k_proj.", ".attn.in_proj_" },
  { ".self_attn.v_proj.", ".attn.in_proj_" }, { NULL },
};
/* clang-format on */

static const Head no_heads[] = { { NULL } };
static const Part no_parts[] = { { NULL } };

static const struct
{
  const char *prefix;
  const Head *heads;
  const Part *parts;
} rules[] = {
  [VARD_ORIGINAL_UNET] = { "model.diffusion_model.", unet_heads, no_parts },
  [VARD_ORIGINAL_VAE] = { "first_stage_model.", vae_heads, vae_parts },
  [VARD_ORIGINAL_CLIP] = { "cond_stage_model.transformer.text_model.", no_heads, no_parts },
  [VARD_ORIGINAL_OPEN_CLIP] = { "cond_stage_model.model.", open_clip_heads, open_clip_parts },
};

const char *
vard_original_names_get_prefix (VardOriginalPart part)
{
  return rules[part].prefix;
}

/* the rest of @path after @pattern, or NULL */
static const char *
vard_original_names_match_head (const char *pattern, const char *path, guint *numbers)
{
  guint n = 0;

  for (; *pattern; pattern++)
    if (*pattern != '#')
      {
        if (*path++ != *pattern)
          return NULL;
      }
    else
      {
        char *end;

        if (!g_ascii_isdigit (*path))
          return NULL;
        numbers[n++] = g_ascii_strtoull (path, &end, 10);
        path = end;
      }

  return path;
}

static guint
vard_original_names_get_number (const VardOriginalNames *self,
                                const Head *head,
                                const guint *numbers,
                                char letter)
{
  switch (letter)
    {
    case 'i': return numbers[0];
    case 'j': return numbers[1];
    case 'r': return self->n_blocks - 1 - numbers[0];
    case 'u':
      return numbers[0] < VARD_ORIGINAL_MAX_BLOCKS && self->up_has_attention[numbers[0]] ? 2 : 1;
    default:
      return (self->n_layers + 1) * numbers[0] + (head->has_j ? numbers[1] : 0)
             + self->n_layers * head->add_layers + head->add;
    }
}

static void
vard_original_names_append_head (const VardOriginalNames *self,
                                 const Head *head,
                                 const guint *numbers,
                                 GString *name)
{
  for (const char *to = head->to; *to; to++)
    if (*to == '{')
      {
        g_string_append_printf (name, "%u",
                                vard_original_names_get_number (self, head, numbers, to[1]));
        to += 2;
      }
    else
      g_string_append_c (name, *to);
}

static void
vard_original_names_replace_parts (GString *name, const Part *parts)
{
  for (; parts->from != NULL; parts++)
    g_string_replace (name, parts->from, parts->to, 1);
}

static void
vard_original_names_find_piece (const VardOriginalNames *self,
                                const char *path,
                                guint *piece,
                                guint *n_pieces)
{
  static const char *const fused[] = { ".self_attn.q_proj.", ".self_attn.k_proj.",
                                       ".self_attn.v_proj." };

  *piece = 0;
  *n_pieces = 1;
  for (guint i = 0; self->part == VARD_ORIGINAL_OPEN_CLIP && i < G_N_ELEMENTS (fused); i++)
    if (strstr (path, fused[i]) != NULL)
      {
        *piece = i;
        *n_pieces = G_N_ELEMENTS (fused);
      }
}

char *
vard_original_names_translate (const VardOriginalNames *self,
                               const char *path,
                               guint *piece,
                               guint *n_pieces)
{
  GString *name = g_string_new (rules[self->part].prefix);
  const char *rest = path;

  for (const Head *head = rules[self->part].heads; head->from != NULL; head++)
    {
      guint numbers[2] = { 0 };
      const char *after = vard_original_names_match_head (head->from, path, numbers);

      if (after == NULL)
        continue;
      vard_original_names_append_head (self, head, numbers, name);
      rest = after;
      break;
    }
  g_string_append (name, rest);
  vard_original_names_replace_parts (name, rules[self->part].parts);
  /* transformer blocks have a norm1 too */
  if (self->part == VARD_ORIGINAL_UNET && strstr (path, "resnets.") != NULL)
    vard_original_names_replace_parts (name, unet_resnet_parts);
  vard_original_names_find_piece (self, path, piece, n_pieces);

  return g_string_free (name, FALSE);
}

gboolean
vard_original_names_is_conv (const VardOriginalNames *self, const char *path)
{
  return self->part == VARD_ORIGINAL_VAE && strstr (path, ".attentions.") != NULL
         && strstr (path, ".to_") != NULL && g_str_has_suffix (path, ".weight");
}
