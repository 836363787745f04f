/* vard-lora-names.h - the names that LoRA files give to the tensors of a layer's adapter
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "adapters/vard-lora-file.h"

G_BEGIN_DECLS

typedef struct
{
  char *down, *up, *alpha;
} VardLoraNames;

/* the two that are written */
#define VARD_LORA_SPELLING_DIFFUSERS 0
#define VARD_LORA_SPELLING_KOHYA 1

guint vard_lora_names_get_n_spellings (void);
/* FALSE where a spelling knows no such place. Text encoders are spelled with and without
 * "text_model.": @variant is 0 or 1. */
gboolean vard_lora_names_spell (guint spelling,
                                const VardLoraPlace *place,
                                guint variant,
                                const char *path,
                                VardLoraNames *names);
void vard_lora_names_clear (VardLoraNames *names);
/* PEFT's own files say nothing about the scale: the configuration beside them does */
gboolean vard_lora_names_need_config (guint spelling);
/* whether a tensor's name begins as the spelling has it for one of the places */
gboolean vard_lora_names_fit (guint spelling, const VardLoraTarget *target, const char *name);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VardLoraNames, vard_lora_names_clear)

G_END_DECLS
