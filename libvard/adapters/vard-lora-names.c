/* vard-lora-names.c - the names that LoRA files give to the tensors of a layer's adapter
 *
 * Spellings differ in what is put around the path of a layer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "adapters/vard-lora-names.h"

#include <string.h>

typedef enum
{
  PATH_DOTS,
  PATH_UNDERSCORES,
  PATH_PROCESSOR
} PathStyle;

typedef struct
{
  const char *prefix[VARD_LORA_N_PLACES]; /* NULL: not for this place */
  PathStyle path;
  const char *down[VARD_LORA_N_PLACES], *up[VARD_LORA_N_PLACES];
  gboolean needs_config;
} Spelling;

#define BOTH(text) \
  {                \
    text, text     \
  }

/* clang-format off */
static const Spelling spellings[] = {
  /* diffusers: most training scripts for Stable Diffusion 1.x */
  { { "unet.", "text_encoder." }, PATH_DOTS,
    { ".lora.down.weight", ".lora_linear_layer.down.weight" },
    { ".lora.up.weight", ".lora_linear_layer.up.weight" } },
  /* kohya */
  { { "lora_unet_", "lora_te_" }, PATH_UNDERSCORES, BOTH (".lora_down.weight"),
    BOTH (".lora_up.weight") },
  { { NULL, "lora_te1_" }, PATH_UNDERSCORES, BOTH (".lora_down.weight"), BOTH (".lora_up.weight") },
  /* diffusers with PEFT */
  { { "unet.", "text_encoder." }, PATH_DOTS, BOTH (".lora_A.weight"), BOTH (".lora_B.weight") },
  { { "unet.", "text_encoder." }, PATH_DOTS, BOTH (".lora_A.default.weight"),
    BOTH (".lora_B.default.weight") },
  { { NULL, "text_encoder." }, PATH_DOTS, BOTH (".lora.down.weight"), BOTH (".lora.up.weight") },
  /* diffusers in 2023: attention processors, with and without the component */
  { { "unet.", "text_encoder." }, PATH_PROCESSOR, BOTH ("_lora.down.weight"),
    BOTH ("_lora.up.weight") },
  { { "", NULL }, PATH_PROCESSOR, BOTH ("_lora.down.weight"), BOTH ("_lora.up.weight") },
  /* PEFT's own */
  { BOTH ("base_model.model."), PATH_DOTS, BOTH (".lora_A.weight"), BOTH (".lora_B.weight"), TRUE },
  { BOTH ("base_model.model."), PATH_DOTS, BOTH (".lora_A.default.weight"),
    BOTH (".lora_B.default.weight"), TRUE },
  /* a denoiser's alone */
  { { "", NULL }, PATH_DOTS, BOTH (".lora_A.weight"), BOTH (".lora_B.weight") },
  { { "", NULL }, PATH_DOTS, BOTH (".lora.down.weight"), BOTH (".lora.up.weight") },
};
/* clang-format on */

guint
vard_lora_names_get_n_spellings (void)
{
  return G_N_ELEMENTS (spellings);
}

gboolean
vard_lora_names_need_config (guint spelling)
{
  g_return_val_if_fail (spelling < G_N_ELEMENTS (spellings), FALSE);

  return spellings[spelling].needs_config;
}

const char *const *
vard_lora_names_get_prefixes (guint spelling)
{
  static const char *const diffusers[] = { "unet.", "text_encoder.", NULL };
  static const char *const kohya[] = { "lora_te_", "lora_te1_", "lora_te2_", "lora_unet_", NULL };

  return spelling == VARD_LORA_SPELLING_KOHYA ? kohya : diffusers;
}

/* attn1.to_q -> attn1.processor.to_q, attn1.to_out.0 -> attn1.processor.to_out; self_attn.q_proj ->
 * self_attn.to_q */
static char *
vard_lora_names_spell_processor (const char *path, VardLoraPlace place)
{
  const char *last = strrchr (path, '.');

  if (last == NULL)
    return g_strdup (path);
  if (place == VARD_LORA_PLACE_TEXT)
    {
      if (g_str_equal (last, ".out_proj"))
        return g_strdup_printf ("%.*s.to_out", (int) (last - path), path);
      if (g_str_has_suffix (last, "_proj"))
        return g_strdup_printf ("%.*s.to_%.1s", (int) (last - path), path, last + 1);
      return g_strdup (path);
    }
  if (g_str_has_suffix (path, ".to_out.0"))
    return g_strdup_printf ("%.*s.processor.to_out", (int) (last - path - strlen (".to_out")),
                            path);

  return g_strdup_printf ("%.*s.processor.%s", (int) (last - path), path, last + 1);
}

gboolean
vard_lora_names_spell (guint spelling,
                       VardLoraPlace place,
                       guint variant,
                       const char *path,
                       VardLoraNames *names)
{
  g_return_val_if_fail (spelling < G_N_ELEMENTS (spellings), FALSE);

  const Spelling *self = &spellings[spelling];
  const char *prefix = self->prefix[place];

  if (prefix == NULL || variant > (place == VARD_LORA_PLACE_TEXT ? 1 : 0))
    return FALSE;

  gboolean has_middle = place == VARD_LORA_PLACE_TEXT && variant == 0;
  g_autofree char *middle = g_strconcat (has_middle ? "text_model." : "", path, NULL);
  g_autofree char *spelled = self->path == PATH_PROCESSOR
                               ? vard_lora_names_spell_processor (middle, place)
                               : g_strdup (middle);

  if (self->path == PATH_UNDERSCORES)
    g_strdelimit (spelled, ".", '_');
  names->down = g_strconcat (prefix, spelled, self->down[place], NULL);
  names->up = g_strconcat (prefix, spelled, self->up[place], NULL);
  names->alpha = g_strconcat (prefix, spelled, ".alpha", NULL);

  return TRUE;
}

void
vard_lora_names_clear (VardLoraNames *names)
{
  g_clear_pointer (&names->down, g_free);
  g_clear_pointer (&names->up, g_free);
  g_clear_pointer (&names->alpha, g_free);
}
