/* bench-model.c - a model that is its denoiser alone, so that a training step can be timed without
 * a model's files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench-model.h"

#define SCALE 8

struct _BenchModel
{
  VardModel parent_instance;
  VardUnet *denoiser;
};

G_DEFINE_FINAL_TYPE (BenchModel, bench_model, VARD_TYPE_MODEL)

static VardNode *
bench_model_record_predict (VardModel *model,
                            VardNode *latents,
                            VardNode *timesteps,
                            VardNode *const *condition)
{
  return vard_unet_record (BENCH_MODEL (model)->denoiser, latents, timesteps, condition[0]);
}

static VardModule *
bench_model_get_denoiser (VardModel *model)
{
  return VARD_MODULE (BENCH_MODEL (model)->denoiser);
}

static void
bench_model_finalize (GObject *object)
{
  g_clear_object (&BENCH_MODEL (object)->denoiser);
  G_OBJECT_CLASS (bench_model_parent_class)->finalize (object);
}

static void
bench_model_class_init (BenchModelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bench_model_finalize;
  VARD_MODEL_CLASS (klass)->record_predict = bench_model_record_predict;
  VARD_MODEL_CLASS (klass)->get_denoiser = bench_model_get_denoiser;
}

static void
bench_model_init (BenchModel *self)
{
}

VardModel *
bench_model_new (VardUnet *denoiser, gint64 latent, guint n_tokens)
{
  const VardUnetConfig *config = vard_unet_peek_config (denoiser);
  BenchModel *self = g_object_new (BENCH_TYPE_MODEL, NULL);
  VardModelInfo info = {
    .height = latent,
    .width = latent,
    .channels = config->n_in,
    .scale = SCALE,
    .condition = { .slots = { { "context", VARD_DTYPE_F32,
                                VARD_SHAPE (n_tokens, config->context_width[0]) } },
                   .n_slots = 1,
                   .summary_width = config->context_width[0] },
    .schedule = { .n_train_timesteps = 1000,
                  .beta_start = 0.00085,
                  .beta_end = 0.012,
                  .betas = VARD_BETAS_SCALED_LINEAR },
  };

  self->denoiser = denoiser;
  vard_model_set_info (VARD_MODEL (self), "", &info);
  return VARD_MODEL (self);
}
