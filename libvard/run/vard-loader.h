/* vard-loader.h - creates engines and pipelines from names and paths
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "diffusion/vard-pipeline.h"
#include "engine/vard-engine.h"
#include "reward/vard-reward-mix.h"

G_BEGIN_DECLS

VardPipeline *vard_load_pipeline (const char *model,
                                  const char *engine,
                                  guint threads,
                                  GError **error);
VardRewardMix *vard_load_rewards (const char *const *specs, GError **error);

G_END_DECLS
