/* vard-lora-names.c - the names that LoRA files give to the tensors of a layer's adapter
 *
 * Spellings differ in what is put around the path of a layer; a model says how its places are
 * called.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "adapters/vard-lora-names.h"

#include <string.h>

#define N_KINDS 2

typedef enum
{
  PREFIX_NONE,        /* nothing: the only place that a file is about */
  PREFIX_PEFT,        /* "base_model.model.", likewise */
  PREFIX_COMPONENT,   /* the place's component and a dot */
  PREFIX_KOHYA,       /* the place's name with kohya and an underscore */
  PREFIX_KOHYA_ALIAS, /* its other name */
} PrefixStyle;

typedef enum
{
  PATH_DOTS,
  PATH_UNDERSCORES,
  PATH_PROCESSOR
} PathStyle;

#define DENOISERS (1 << VARD_LORA_PLACE_DENOISER)
#define TEXTS (1 << VARD_LORA_PLACE_TEXT)
#define ANY (DENOISERS | TEXTS)

typedef struct
{
  PrefixStyle prefix;
  guint kinds; /* of places that are spelled so: bits */
  PathStyle path;
  const char *down[N_KINDS], *up[N_KINDS];
  gboolean needs_config;
} Spelling;

#define BOTH(text) \
  {                \
    text, text     \
  }

static const Spelling spellings[] = {
  /* diffusers: most training scripts for Stable Diffusion 1.x */
  { PREFIX_COMPONENT,
    ANY,
    PATH_DOTS,
    { ".lora.down.weight", ".lora_linear_layer.down.weight" },
    { ".lora.up.weight", ".lora_linear_layer.up.weight" } },
  /* kohya */
  { PREFIX_KOHYA, ANY, PATH_UNDERSCORES, BOTH (".lora_down.weight"), BOTH (".lora_up.weight") },
  { PREFIX_KOHYA_ALIAS, TEXTS, PATH_UNDERSCORES, BOTH (".lora_down.weight"),
    BOTH (".lora_up.weight") },
  /* diffusers with PEFT */
  { PREFIX_COMPONENT, ANY, PATH_DOTS, BOTH (".lora_A.weight"), BOTH (".lora_B.weight") },
  { PREFIX_COMPONENT, ANY, PATH_DOTS, BOTH (".lora_A.default.weight"),
    BOTH (".lora_B.default.weight") },
  { PREFIX_COMPONENT, TEXTS, PATH_DOTS, BOTH (".lora.down.weight"), BOTH (".lora.up.weight") },
  /* diffusers in 2023: attention processors, with and without the component */
  { PREFIX_COMPONENT, ANY, PATH_PROCESSOR, BOTH ("_lora.down.weight"), BOTH ("_lora.up.weight") },
  { PREFIX_NONE, DENOISERS, PATH_PROCESSOR, BOTH ("_lora.down.weight"), BOTH ("_lora.up.weight") },
  /* PEFT's own */
  { PREFIX_PEFT, ANY, PATH_DOTS, BOTH (".lora_A.weight"), BOTH (".lora_B.weight"), TRUE },
  { PREFIX_PEFT, ANY, PATH_DOTS, BOTH (".lora_A.default.weight"), BOTH (".lora_B.default.weight"),
    TRUE },
  /* a denoiser's alone */
  { PREFIX_NONE, DENOISERS, PATH_DOTS, BOTH (".lora_A.weight"), BOTH (".lora_B.weight") },
  { PREFIX_NONE, DENOISERS, PATH_DOTS, BOTH (".lora.down.weight"), BOTH (".lora.up.weight") },
};

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

/* what stands before a path; NULL where the spelling knows no such place; (transfer full) */
static char *
vard_lora_names_dup_prefix (guint spelling, const VardLoraPlace *place)
{
  const Spelling *self = &spellings[spelling];

  if ((self->kinds & 1u << place->kind) == 0)
    return NULL;
  switch (self->prefix)
    {
    case PREFIX_NONE: return g_strdup ("");
    case PREFIX_PEFT: return g_strdup ("base_model.model.");
    case PREFIX_COMPONENT: return g_strconcat (place->component, ".", NULL);
    case PREFIX_KOHYA: return g_strconcat (place->kohya, "_", NULL);
    default: return place->kohya_alias != NULL ? g_strconcat (place->kohya_alias, "_", NULL) : NULL;
    }
}

gboolean
vard_lora_names_fit (guint spelling, const VardLoraTarget *target, const char *name)
{
  g_return_val_if_fail (spelling < G_N_ELEMENTS (spellings), FALSE);

  for (guint i = 0; i < target->n_places; i++)
    {
      g_autofree char *prefix = vard_lora_names_dup_prefix (spelling, &target->places[i]);

      if (prefix != NULL && g_str_has_prefix (name, prefix))
        return TRUE;
    }

  return FALSE;
}

/* attn1.to_q -> attn1.processor.to_q, attn1.to_out.0 -> attn1.processor.to_out; self_attn.q_proj ->
 * self_attn.to_q */
static char *
vard_lora_names_spell_processor (const char *path, VardLoraPlaceKind kind)
{
  const char *last = strrchr (path, '.');

  if (last == NULL)
    return g_strdup (path);
  if (kind == VARD_LORA_PLACE_TEXT)
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
                       const VardLoraPlace *place,
                       guint variant,
                       const char *path,
                       VardLoraNames *names)
{
  g_return_val_if_fail (spelling < G_N_ELEMENTS (spellings), FALSE);

  const Spelling *self = &spellings[spelling];
  gboolean is_text = place->kind == VARD_LORA_PLACE_TEXT;
  g_autofree char *prefix = vard_lora_names_dup_prefix (spelling, place);

  if (prefix == NULL || variant > (is_text ? 1 : 0))
    return FALSE;

  g_autofree char *middle = g_strconcat (is_text && variant == 0 ? "text_model." : "", path, NULL);
  g_autofree char *spelled = self->path == PATH_PROCESSOR
                               ? vard_lora_names_spell_processor (middle, place->kind)
                               : g_strdup (middle);

  if (self->path == PATH_UNDERSCORES)
    g_strdelimit (spelled, ".", '_');
  names->down = g_strconcat (prefix, spelled, self->down[place->kind], NULL);
  names->up = g_strconcat (prefix, spelled, self->up[place->kind], NULL);
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
