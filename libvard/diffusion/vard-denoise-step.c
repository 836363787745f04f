/* vard-denoise-step.c - one sampler step of a batch as a compiled graph
 *
 * The sampler's coefficients are inputs, so that one graph serves every step and every number of
 * steps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "diffusion/vard-denoise-step.h"

#include "diffusion/vard-guidance.h"

/* what the inputs of the prompts' slots, and of the negative prompt's, are called before the
 * slot */
#define CONDITION "condition"
#define NULL_CONDITION "null-condition"

struct _VardDenoiseStep
{
  VardExecutable *executable;
  guint n;
  gboolean is_guided, keeps_clean;
  VardStepNoise noise;
  gsize state_size;
  float *timesteps; /* [n] */
};

static VardNode *
vard_denoise_step_scalar_input (VardGraph *graph, const char *name)
{
  return vard_input (graph, name, VARD_DTYPE_F32, VARD_SHAPE (1, 1, 1, 1));
}

/* sigma z; drawn where the model computes, so that nobody waits for noise */
static VardNode *
vard_denoise_step_record_noise (VardGraph *graph, VardShape latents, VardStepNoise noise)
{
  VardNode *z;

  if (noise == VARD_STEP_NOISE_GIVEN)
    z = vard_input (graph, "z", VARD_DTYPE_F32, latents);
  else
    z = vard_random_normal (vard_input (graph, "counters", VARD_DTYPE_I64,
                                        VARD_SHAPE (latents.dims[0], 2)),
                            latents);

  return vard_mul (vard_denoise_step_scalar_input (graph, "sigma"), z);
}

static VardGraph *
vard_denoise_step_record (VardModel *model,
                          guint n,
                          gboolean is_guided,
                          gboolean keeps_clean,
                          VardStepNoise noise)
{
  const VardModelInfo *info = vard_model_peek_info (model);
  VardShape latents = VARD_SHAPE (n, info->height, info->width, info->channels);
  VardGraph *graph = vard_graph_new ();
  VardGuidanceInputs inputs = {
    .latents = vard_input (graph, "x", VARD_DTYPE_F32, latents),
    .timesteps = vard_input (graph, "t", VARD_DTYPE_F32, VARD_SHAPE (n)),
  };

  vard_condition_layout_record_inputs (&info->condition, graph, CONDITION, n, inputs.condition);
  if (is_guided)
    {
      vard_condition_layout_record_inputs (&info->condition, graph, NULL_CONDITION, 1,
                                           inputs.null_condition);
      inputs.scale = vard_denoise_step_scalar_input (graph, "guidance-scale");
    }

  VardNode *out = vard_guidance_record (model, &inputs);
  VardNode *mean =
    vard_add (vard_mul (vard_denoise_step_scalar_input (graph, "x-scale"), inputs.latents),
              vard_mul (vard_denoise_step_scalar_input (graph, "out-scale"), out));

  if (keeps_clean)
    {
      VardNode *before = vard_input (graph, "clean", VARD_DTYPE_F32, latents);

      mean =
        vard_add (mean, vard_mul (vard_denoise_step_scalar_input (graph, "clean-scale"), before));
      vard_graph_add_output (graph, "new-clean",
                             vard_add (vard_mul (vard_denoise_step_scalar_input (graph,
                                                                                 "clean-per-x"),
                                                 inputs.latents),
                                       vard_mul (vard_denoise_step_scalar_input (graph,
                                                                                 "clean-per-out"),
                                                 out)));
    }
  if (noise != VARD_STEP_NOISE_NONE)
    mean = vard_add (mean, vard_denoise_step_record_noise (graph, latents, noise));
  vard_graph_add_output (graph, "next", mean);

  return graph;
}

VardDenoiseStep *
vard_denoise_step_new (VardEngine *engine,
                       VardModel *model,
                       guint n,
                       gboolean is_guided,
                       gboolean keeps_clean,
                       VardStepNoise noise,
                       GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (model);
  g_autoptr (VardGraph) graph = vard_denoise_step_record (model, n, is_guided, keeps_clean, noise);
  VardExecutable *executable = vard_engine_compile (engine, graph, error);

  if (executable == NULL)
    return NULL;

  VardDenoiseStep *self = g_new0 (VardDenoiseStep, 1);

  self->executable = executable;
  self->n = n;
  self->is_guided = is_guided;
  self->keeps_clean = keeps_clean;
  self->noise = noise;
  self->state_size = info->height * info->width * info->channels;
  self->timesteps = g_new (float, n);

  return self;
}

void
vard_denoise_step_free (VardDenoiseStep *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->executable);
  g_free (self->timesteps);
  g_free (self);
}

VardExecutable *
vard_denoise_step_peek_executable (VardDenoiseStep *self)
{
  return self->executable;
}

static gboolean
vard_denoise_step_set_scalar (VardDenoiseStep *self, const char *name, double value, GError **error)
{
  float f = (float) value;

  return vard_executable_set_input (self->executable, name, &f, sizeof f, error);
}

gboolean
vard_denoise_step_set_prompts (VardDenoiseStep *self,
                               const VardCondition *const *conditions,
                               const VardCondition *null_condition,
                               double guidance_scale,
                               GError **error)
{
  if (!vard_condition_bind (conditions, self->n, self->executable, CONDITION, error))
    return FALSE;

  return !self->is_guided
         || (vard_condition_bind (&null_condition, 1, self->executable, NULL_CONDITION, error)
             && vard_denoise_step_set_scalar (self, "guidance-scale", guidance_scale, error));
}

static gboolean
vard_denoise_step_set_clean (VardDenoiseStep *self,
                             const VardSamplerStep *step,
                             const float *clean,
                             GError **error)
{
  return vard_executable_set_input (self->executable, "clean", clean,
                                    self->n * self->state_size * sizeof (float), error)
         && vard_denoise_step_set_scalar (self, "clean-scale", step->clean_scale, error)
         && vard_denoise_step_set_scalar (self, "clean-per-x", step->clean_per_x, error)
         && vard_denoise_step_set_scalar (self, "clean-per-out", step->clean_per_out, error);
}

static gboolean
vard_denoise_step_set_noise (VardDenoiseStep *self,
                             const VardSamplerStep *step,
                             gconstpointer noise,
                             GError **error)
{
  gsize size = self->n * self->state_size * sizeof (float);

  if (self->noise == VARD_STEP_NOISE_NONE)
    return TRUE;
  if (self->noise == VARD_STEP_NOISE_GIVEN
        ? !vard_executable_set_input (self->executable, "z", noise, size, error)
        : !vard_executable_set_input (self->executable, "counters", noise,
                                      self->n * 2 * sizeof (gint64), error))
    return FALSE;

  return vard_denoise_step_set_scalar (self, "sigma", step->sigma, error);
}

gboolean
vard_denoise_step_run (VardDenoiseStep *self,
                       const VardSamplerStep *step,
                       const float *x,
                       gconstpointer noise,
                       float *next,
                       float *clean,
                       GCancellable *cancellable,
                       GError **error)
{
  gsize size = self->n * self->state_size * sizeof (float);

  for (guint i = 0; i < self->n; i++)
    self->timesteps[i] = step->model_time;

  return vard_executable_set_input (self->executable, "t", self->timesteps,
                                    self->n * sizeof (float), error)
         && vard_executable_set_input (self->executable, "x", x, size, error)
         && vard_denoise_step_set_noise (self, step, noise, error)
         && vard_denoise_step_set_scalar (self, "x-scale", step->x_scale, error)
         && vard_denoise_step_set_scalar (self, "out-scale", step->out_scale, error)
         && (!self->keeps_clean || vard_denoise_step_set_clean (self, step, clean, error))
         && vard_executable_run (self->executable, cancellable, error)
         && vard_executable_get_output (self->executable, "next", next, size, error)
         && (!self->keeps_clean
             || vard_executable_get_output (self->executable, "new-clean", clean, size, error));
}
