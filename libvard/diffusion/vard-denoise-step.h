/* vard-denoise-step.h - one sampler step of a batch as a compiled graph
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-sampler.h"
#include "models/vard-model-class.h"

G_BEGIN_DECLS

typedef struct _VardDenoiseStep VardDenoiseStep;

/* The standard normal noise of a step, times its sigma, is added by none of a program's steps, or
 * drawn by the program from a key and a counter for each state, or given */
typedef enum
{
  VARD_STEP_NOISE_NONE,
  VARD_STEP_NOISE_DRAWN,
  VARD_STEP_NOISE_GIVEN,
} VardStepNoise;

/* @keeps_clean: for samplers that need the x_0 of the step before */
VardDenoiseStep *vard_denoise_step_new (VardEngine *engine,
                                        VardModel *model,
                                        guint n,
                                        gboolean is_guided,
                                        gboolean keeps_clean,
                                        VardStepNoise noise,
                                        GError **error);
void vard_denoise_step_free (VardDenoiseStep *self);
VardExecutable *vard_denoise_step_peek_executable (VardDenoiseStep *self);
/* once per batch: [n] conditions, and the negative prompt's when guided */
gboolean vard_denoise_step_set_prompts (VardDenoiseStep *self,
                                        const VardCondition *const *conditions,
                                        const VardCondition *null_condition,
                                        double guidance_scale,
                                        GError **error);
/* x [n][state] in, the next state [n][state] into next, which may be x. @noise: NULL, keys and
 * counters [n][2] of gint64, or noise [n][state] of float. clean [n][state] is what one step leaves
 * for the next, NULL where it is not kept */
gboolean vard_denoise_step_run (VardDenoiseStep *self,
                                const VardSamplerStep *step,
                                const float *x,
                                gconstpointer noise,
                                float *next,
                                float *clean,
                                GCancellable *cancellable,
                                GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardDenoiseStep, vard_denoise_step_free)

G_END_DECLS
