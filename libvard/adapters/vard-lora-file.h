/* vard-lora-file.h - reads adapters from the files of other programs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine-buffers.h"
#include "nn/vard-lora.h"

G_BEGIN_DECLS

/* Files spell a text encoder of transformers otherwise than a denoiser, and with or without
 * "text_model." before its paths */
typedef enum
{
  VARD_LORA_PLACE_DENOISER,
  VARD_LORA_PLACE_TEXT,
} VardLoraPlaceKind;

/* A part of a model that may have adapters, and what files call it */
typedef struct
{
  VardModule *module;
  VardLoraPlaceKind kind;
  const char *component;   /* in the spelling of diffusers: "unet" */
  const char *kohya;       /* in that of kohya: "lora_unet" */
  const char *kohya_alias; /* what some of kohya's scripts call a text encoder; NULL for none */
} VardLoraPlace;

/* the denoiser of every Stable Diffusion */
#define VARD_LORA_UNET(module) \
  ((VardLoraPlace) { (module), VARD_LORA_PLACE_DENOISER, "unet", "lora_unet", NULL })

#define VARD_LORA_MAX_PLACES 4

/* All places of a model, the denoiser first. @engine is where the numbers are, NULL for the host */
typedef struct
{
  VardLoraPlace places[VARD_LORA_MAX_PLACES];
  guint n_places;
  VardEngine *engine;
} VardLoraTarget;

/**
 * VardLoraFormat:
 * @VARD_LORA_FORMAT_DIFFUSERS: component "." path ".lora.down.weight"; alpha is folded into the
 *   second matrix, because readers take it to be the rank
 * @VARD_LORA_FORMAT_KOHYA: kohya's name "_" path ".lora_down.weight" with alpha beside it, for
 *   A1111, Forge, ComfyUI
 *
 * How a file of adapters is spelled.
 */
typedef enum
{
  VARD_LORA_FORMAT_DIFFUSERS,
  VARD_LORA_FORMAT_KOHYA
} VardLoraFormat;

/* Writes all adapters, f32. @metadata: string to string, (nullable). @n_layers, (out) (optional),
 * gets how many. */
gboolean vard_lora_write (const VardLoraTarget *target,
                          const char *path,
                          VardLoraFormat format,
                          GHashTable *metadata,
                          guint *n_layers,
                          GError **error);
/* Adds what a file holds, in any of the spellings of diffusers, PEFT and kohya, times @strength,
 * to what the layers have already. @path may be a folder with pytorch_lora_weights.safetensors
 * or adapter_model.safetensors. A tensor that fits nothing is an error, and then nothing is
 * changed. */
gboolean vard_lora_add (const VardLoraTarget *target,
                        const char *path,
                        double strength,
                        guint *n_layers,
                        GError **error);

/* The same for a denoiser alone, to train on: written in the spelling of diffusers ... */
gboolean vard_lora_save (VardModule *root, const char *path, GHashTable *metadata, GError **error);
/* ... and read so that a layer that has an adapter of the same rank gets the file's numbers. The
 * adapters are trainable then and everything else is frozen. */
gboolean vard_lora_load (VardModule *root, const char *path, double strength, GError **error);

G_END_DECLS
