/* cli-pictures.h - pictures of prompts and seeds, sampled and written with what made them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

typedef struct
{
  const char *const *prompts;  /* NULL-terminated */
  guint64 seed;                /* of each prompt's first picture */
  guint count;                 /* pictures a prompt */
  const char *negative_prompt; /* or NULL */
  VardSamplerKind sampler;
  guint steps;
  double eta, guidance_scale;
  guint batch;       /* pictures at once */
  const char *model; /* its name, for the texts */
  const char *run;   /* what trained it and when, for the texts, or NULL */
  const char *noise; /* a safetensors file, or NULL */
  /* FILE[:STRENGTH] that were added to the model, for the texts, or NULL */
  const char *const *lora;
  const char *latents; /* where to write the finished latents, or NULL */
} CliPictures;

/* (transfer full) (element-type VardImage): the first prompt's pictures, then the second's */
GPtrArray *cli_pictures_sample (VardPipeline *pipeline,
                                const CliPictures *request,
                                GCancellable *cancellable,
                                GError **error);
/* Writes a PNG a picture into a folder, and grid.png when asked; prints their names */
gboolean cli_pictures_write (GPtrArray *images,
                             const CliPictures *request,
                             const char *folder,
                             gboolean with_grid,
                             GCancellable *cancellable,
                             GError **error);
