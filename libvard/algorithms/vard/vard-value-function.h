/* vard-value-function.h - anything that returns the expected final reward of a noisy state
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

/* latents [n, h, w, c], timesteps f32 [n], the prompts' summaries f32 [n, width] -> values [n] */
typedef VardNode *(*VardValueRecord) (VardNode *latents,
                                      VardNode *timesteps,
                                      VardNode *summary,
                                      gpointer data);

typedef struct
{
  VardValueRecord record;
  gpointer data;
  VardModule *module; /* its weights; NULL when there is nothing to fit */
} VardValueFunction;

G_END_DECLS
