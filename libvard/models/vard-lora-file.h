/* vard-lora-file.h - adapters of a denoiser in files that other programs read
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-lora.h"

G_BEGIN_DECLS

/* Writes all adapters below @root in the spelling of diffusers: "unet." path ".lora.down.weight" and
 * ".lora.up.weight". Readers take the scale to be one, so alpha / rank is folded into the second. */
gboolean vard_lora_save (VardModule   *root,
                         const char   *path,
                         GHashTable   *metadata,
                         GError      **error);
/* Attaches what a file holds, in any of the spellings of diffusers, PEFT and kohya, times @strength; a layer that has
 * an adapter of the same rank gets the file's numbers. Everything else is frozen. A file with a tensor that fits
 * nothing is an error. */
gboolean vard_lora_load (VardModule   *root,
                         const char   *path,
                         double        strength,
                         GError      **error);

G_END_DECLS
