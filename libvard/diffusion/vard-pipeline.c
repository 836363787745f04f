/* vard-pipeline.c - from prompts and seeds to pictures, with one model on one engine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "diffusion/vard-pipeline-private.h"

#include "base/vard-error.h"
#include "base/vard-random.h"
#include "diffusion/vard-denoise-step.h"

#include <math.h>

#define DEFAULT_BATCH 16u
/* at once: a decoder's activations, which should stay near the processor */
#define DECODED_PIXELS 32768u

struct _VardPipeline
{
  GObject parent_instance;

  VardEngine *engine;
  VardModel *model;
  VardProcess *process;
  VardConditionCache *conditions;
  VardImagePool *pool; /* where pictures are made; NULL for ordinary memory */
  /* n << 4 | noise << 2 | keeps_clean << 1 | is_guided -> VardDenoiseStep */
  GHashTable *steps;
  GHashTable *decoders; /* n -> VardExecutable */
};

enum
{
  SIGNAL_PROGRESS,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (VardPipeline, vard_pipeline, G_TYPE_OBJECT)

/* ---- batches: a graph per batch size ---- */

static VardStepNoise
vard_pipeline_get_noise (const VardSampleRequest *request)
{
  if (request->step_noise != NULL)
    return VARD_STEP_NOISE_GIVEN;
  for (guint k = 0; k < request->sampler->n_steps; k++)
    if (request->sampler->steps[k].sigma > 0)
      return VARD_STEP_NOISE_DRAWN;

  return VARD_STEP_NOISE_NONE;
}

/* whether a step leaves its x_0 for the next */
static gboolean
vard_pipeline_pipeline_keeps_clean (const VardSampler *sampler)
{
  return (vard_sampler_get_flags (sampler) & VARD_SAMPLER_FLAGS_MULTISTEP) != 0;
}

static VardDenoiseStep *
vard_pipeline_ensure_step (VardPipeline *self,
                           const VardSampleRequest *request,
                           guint n,
                           GError **error)
{
  gboolean is_guided = request->guidance_scale != 1.0;
  gboolean keeps_clean = vard_pipeline_pipeline_keeps_clean (request->sampler);
  VardStepNoise noise = vard_pipeline_get_noise (request);
  gpointer key =
    GUINT_TO_POINTER (n << 4 | noise << 2 | (keeps_clean ? 2 : 0) | (is_guided ? 1 : 0));
  VardDenoiseStep *step = g_hash_table_lookup (self->steps, key);

  if (step != NULL)
    return step;

  step = vard_denoise_step_new (self->engine, self->model, n, is_guided, keeps_clean, noise, error);
  if (step != NULL)
    g_hash_table_insert (self->steps, key, step);

  return step;
}

static VardExecutable *
vard_pipeline_ensure_decoder (VardPipeline *self, guint n, GError **error)
{
  VardExecutable *decoder = g_hash_table_lookup (self->decoders, GUINT_TO_POINTER (n));

  if (decoder != NULL)
    return decoder;

  const VardModelInfo *info = vard_model_peek_info (self->model);
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *latents = vard_input (graph, "latents", VARD_DTYPE_F32,
                                  VARD_SHAPE (n, info->height, info->width, info->channels));

  vard_graph_add_output (graph, "pictures", vard_model_record_decode (self->model, latents));
  decoder = vard_engine_compile (self->engine, graph, error);
  if (decoder != NULL)
    g_hash_table_insert (self->decoders, GUINT_TO_POINTER (n), decoder);

  return decoder;
}

/* ---- noise ---- */

/* counter 0 is where a picture starts, counter k + 1 the noise that step k adds */
static guint64
vard_pipeline_get_key (const VardSampleRequest *request, guint i)
{
  return vard_random_derive_key (request->seeds[i], "picture", 0);
}

static void
vard_pipeline_fill_initial_noise (const VardSampleRequest *request,
                                  guint first,
                                  guint n,
                                  gsize size,
                                  float *out)
{
  const float *given = request->initial_noise;

  for (guint i = 0; i < n; i++)
    if (given != NULL)
      memcpy (out + i * size, given + (first + i) * size, size * sizeof (float));
    else
      vard_random_fill_normal (vard_pipeline_get_key (request, first + i), 0, out + i * size, size);
}

/* ---- rollout ---- */

typedef struct
{
  VardPipeline *self;
  const VardSampleRequest *request;
  VardTrajectory *trajectory;
  VardSampleProgress progress;
  gpointer data;
  float *x, *clean; /* [batch][state_size]; clean may be NULL */
  gint64 *counters; /* [batch][2] */
} Rollout;

static gboolean
vard_pipeline_set_prompts (Rollout *rollout,
                           VardDenoiseStep *program,
                           guint first,
                           guint n,
                           GCancellable *cancellable,
                           GError **error)
{
  const VardSampleRequest *request = rollout->request;
  g_autofree const VardCondition **conditions = g_new (const VardCondition *, n);

  for (guint i = 0; i < n; i++)
    {
      const char *prompt = request->prompts[request->prompt_of[first + i]];

      conditions[i] = vard_pipeline_encode (rollout->self, prompt, cancellable, error);
      if (conditions[i] == NULL)
        return FALSE;
    }

  const VardCondition *null_condition = NULL;
  if (request->guidance_scale != 1.0)
    {
      const char *negative = request->negative_prompt != NULL ? request->negative_prompt : "";

      null_condition = vard_pipeline_encode (rollout->self, negative, cancellable, error);
      if (null_condition == NULL)
        return FALSE;
    }

  return vard_denoise_step_set_prompts (program, conditions, null_condition,
                                        request->guidance_scale, error);
}

static void
vard_pipeline_keep_state (Rollout *rollout, guint state, guint first, guint n)
{
  VardTrajectory *trajectory = rollout->trajectory;
  guint last = rollout->request->sampler->n_steps;

  if (!rollout->request->keep_states)
    {
      if (state != last)
        return;
      state = 0;
    }
  memcpy (vard_trajectory_peek_state (trajectory, state, first), rollout->x,
          n * trajectory->state_size * sizeof (float));
}

static void
vard_pipeline_start (Rollout *rollout, guint first, guint n)
{
  const VardSampleRequest *request = rollout->request;
  gsize size = rollout->trajectory->state_size;
  float scale = request->first_step == 0 ? request->sampler->initial_scale : 1;

  vard_pipeline_fill_initial_noise (request, first, n, size, rollout->x);
  for (gsize i = 0; scale != 1 && i < n * size; i++)
    rollout->x[i] *= scale;
  if (rollout->clean != NULL)
    memset (rollout->clean, 0, n * size * sizeof (float));
}

/* of step k; a step without any has its noise multiplied by 0 */
static gconstpointer
vard_pipeline_make_noise (Rollout *rollout, guint k, guint first, guint n)
{
  const VardSampleRequest *request = rollout->request;

  if (request->step_noise != NULL)
    return request->step_noise + ((gsize) k * request->n + first) * rollout->trajectory->state_size;
  for (guint i = 0; i < n; i++)
    {
      rollout->counters[2 * i] = (gint64) vard_pipeline_get_key (request, first + i);
      rollout->counters[2 * i + 1] = k + 1;
    }

  return rollout->counters;
}

static gboolean
vard_pipeline_roll_batch (Rollout *rollout,
                          guint first,
                          guint n,
                          GCancellable *cancellable,
                          GError **error)
{
  const VardSampleRequest *request = rollout->request;
  const VardSampler *sampler = request->sampler;
  VardDenoiseStep *program = vard_pipeline_ensure_step (rollout->self, request, n, error);

  if (program == NULL
      || !vard_pipeline_set_prompts (rollout, program, first, n, cancellable, error))
    return FALSE;

  vard_pipeline_start (rollout, first, n);
  vard_pipeline_keep_state (rollout, request->first_step, first, n);

  for (guint k = request->first_step; k < sampler->n_steps; k++)
    {
      if (!vard_denoise_step_run (program, &sampler->steps[k], rollout->x,
                                  vard_pipeline_make_noise (rollout, k, first, n), rollout->x,
                                  rollout->clean, cancellable, error))
        return FALSE;
      vard_pipeline_keep_state (rollout, k + 1, first, n);

      if (rollout->progress != NULL)
        rollout->progress ((first + n * (k + 1.0) / sampler->n_steps) / request->n, rollout->data);
    }

  return TRUE;
}

static VardTrajectory *
vard_pipeline_new_trajectory (VardPipeline *self, const VardSampleRequest *request)
{
  guint n_states = request->keep_states ? request->sampler->n_steps + 1 : 1;
  VardTrajectory *trajectory =
    vard_trajectory_new (request->n, n_states, vard_pipeline_get_state_size (self));

  memcpy (trajectory->prompts, request->prompt_of, request->n * sizeof (guint));
  memcpy (trajectory->seeds, request->seeds, request->n * sizeof (guint64));

  return trajectory;
}

VardTrajectory *
vard_pipeline_rollout (VardPipeline *self,
                       const VardSampleRequest *request,
                       VardSampleProgress progress,
                       gpointer data,
                       GCancellable *cancellable,
                       GError **error)
{
  g_autoptr (VardTrajectory) trajectory = vard_pipeline_new_trajectory (self, request);
  guint batch = request->batch > 0 ? MIN (request->batch, request->n) : request->n;
  g_autofree float *x = g_new (float, batch * trajectory->state_size);
  g_autofree gint64 *counters = g_new (gint64, 2 * batch);
  g_autofree float *clean = vard_pipeline_pipeline_keeps_clean (request->sampler)
                              ? g_new (float, batch * trajectory->state_size)
                              : NULL;
  Rollout rollout = { self, request, trajectory, progress, data, x, clean, counters };

  for (guint first = 0; first < request->n; first += batch)
    if (!vard_pipeline_roll_batch (&rollout, first, MIN (batch, request->n - first), cancellable,
                                   error))
      return NULL;

  return g_steal_pointer (&trajectory);
}

/* ---- decoding ---- */

static VardImage *
vard_pipeline_round_picture (VardPipeline *self,
                             const float *values,
                             gint64 width,
                             gint64 height,
                             GError **error)
{
  gsize count = width * height * 3;
  guint8 *pixels = NULL;
  g_autoptr (GBytes) bytes =
    self->pool != NULL ? vard_image_pool_allocate (self->pool, count, &pixels) : NULL;

  if (bytes == NULL)
    {
      pixels = g_malloc (count);
      bytes = g_bytes_new_take (pixels, count);
    }

  for (gsize i = 0; i < count; i++)
    {
      float unit = CLAMP (values[i] / 2 + 0.5f, 0.0f, 1.0f);

      pixels[i] = isnan (values[i]) ? 0 : (guint8) nearbyintf (unit * 255);
    }

  return vard_image_new (width, height, bytes, error);
}

static gboolean
vard_pipeline_decode_batch (VardPipeline *self,
                            const float *latents,
                            guint n,
                            GPtrArray *images,
                            GCancellable *cancellable,
                            GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (self->model);
  gint64 height = info->height * info->scale, width = info->width * info->scale;
  gsize count = height * width * 3;
  g_autofree float *pictures = g_new (float, n *count);
  VardExecutable *decoder = vard_pipeline_ensure_decoder (self, n, error);

  if (decoder == NULL
      || !vard_executable_set_input (decoder, "latents", latents,
                                     n * vard_pipeline_get_state_size (self) * sizeof (float),
                                     error)
      || !vard_executable_run (decoder, cancellable, error)
      || !vard_executable_get_output (decoder, "pictures", pictures, n * count * sizeof (float),
                                      error))
    return FALSE;

  for (guint i = 0; i < n; i++)
    {
      VardImage *image =
        vard_pipeline_round_picture (self, pictures + i * count, width, height, error);

      if (image == NULL)
        return FALSE;
      g_ptr_array_add (images, image);
    }

  return TRUE;
}

static guint
vard_pipeline_limit_decoded (VardPipeline *self, guint n)
{
  const VardModelInfo *info = vard_model_peek_info (self->model);

  return MIN (n,
              MAX (1, DECODED_PIXELS / (info->height * info->width * info->scale * info->scale)));
}

GPtrArray *
vard_pipeline_decode (VardPipeline *self,
                      const float *latents,
                      guint n,
                      guint batch,
                      GCancellable *cancellable,
                      GError **error)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func (g_object_unref);
  gsize size = vard_pipeline_get_state_size (self);

  batch = vard_pipeline_limit_decoded (self, batch > 0 ? batch : n);
  for (guint first = 0; first < n; first += batch)
    if (!vard_pipeline_decode_batch (self, latents + first * size, MIN (batch, n - first), images,
                                     cancellable, error))
      return NULL;

  return g_steal_pointer (&images);
}

gboolean
vard_pipeline_compile (VardPipeline *self,
                       const VardSampleRequest *request,
                       gsize *ports,
                       GError **error)
{
  guint n = request->batch > 0 ? MIN (request->batch, request->n) : request->n;
  VardDenoiseStep *step = vard_pipeline_ensure_step (self, request, n, error);
  VardExecutable *decoder =
    step != NULL ? vard_pipeline_ensure_decoder (self, vard_pipeline_limit_decoded (self, n), error)
                 : NULL;

  if (decoder == NULL)
    return FALSE;
  /* the decoder's pictures are copied once more, as floats */
  *ports = vard_executable_get_ports_size (vard_denoise_step_peek_executable (step))
           + 2 * vard_executable_get_ports_size (decoder);

  return TRUE;
}

/* ---- the object ---- */

VardPipeline *
vard_pipeline_new (VardEngine *engine, VardModel *model, GError **error)
{
  g_return_val_if_fail (VARD_IS_ENGINE (engine), NULL);
  g_return_val_if_fail (VARD_IS_MODEL (model), NULL);

  g_autoptr (VardPipeline) self = g_object_new (VARD_TYPE_PIPELINE, NULL);

  self->process = vard_process_new (&vard_model_peek_info (model)->schedule, error);
  if (self->process == NULL)
    return NULL;
  self->engine = g_object_ref (engine);
  self->model = g_object_ref (model);
  self->conditions = vard_condition_cache_new (engine, model);

  return g_steal_pointer (&self);
}

void
vard_pipeline_set_image_pool (VardPipeline *self, VardImagePool *pool)
{
  g_set_object (&self->pool, pool);
}

VardEngine *
vard_pipeline_peek_engine (VardPipeline *self)
{
  return self->engine;
}

VardModel *
vard_pipeline_peek_model (VardPipeline *self)
{
  return self->model;
}

const VardProcess *
vard_pipeline_peek_process (VardPipeline *self)
{
  return self->process;
}

gsize
vard_pipeline_get_state_size (VardPipeline *self)
{
  const VardModelInfo *info = vard_model_peek_info (self->model);

  return info->height * info->width * info->channels;
}

const VardCondition *
vard_pipeline_encode (VardPipeline *self,
                      const char *prompt,
                      GCancellable *cancellable,
                      GError **error)
{
  return vard_condition_cache_lookup (self->conditions, prompt, cancellable, error);
}

void
vard_pipeline_invalidate (VardPipeline *self)
{
  g_hash_table_remove_all (self->steps);
  g_hash_table_remove_all (self->decoders);
}

static void
vard_pipeline_emit_progress (double fraction, gpointer data)
{
  g_signal_emit (data, signals[SIGNAL_PROGRESS], 0, fraction);
}

/**
 * vard_pipeline_sample:
 * @self: a pipeline
 * @prompts: (array zero-terminated=1): what to show
 * @seeds: (array length=n_seeds): the seeds of each prompt's pictures
 * @n_seeds: how many
 * @n_steps: denoising steps
 * @eta: the sampler's noise: 0 is deterministic DDIM, 1 is DDPM
 * @guidance_scale: how strongly the prompt is followed; 1 is the plain model
 * @cancellable: (nullable): stops at any moment
 * @error: where to put an error
 *
 * Samples every prompt with every seed. A picture depends on its prompt and seed and not on what
 * else is sampled with it.
 *
 * Returns: (transfer container) (element-type VardImage): the first prompt's pictures, then the
 * second's
 */
GPtrArray *
vard_pipeline_sample (VardPipeline *self,
                      const char *const *prompts,
                      const guint64 *seeds,
                      guint n_seeds,
                      guint n_steps,
                      double eta,
                      double guidance_scale,
                      GCancellable *cancellable,
                      GError **error)
{
  g_return_val_if_fail (VARD_IS_PIPELINE (self), NULL);
  g_return_val_if_fail (prompts != NULL && seeds != NULL, NULL);

  guint n = g_strv_length ((char **) prompts) * n_seeds;
  g_autoptr (VardSampler) sampler = vard_sampler_new_with_eta (self->process, n_steps, eta, error);
  if (sampler == NULL)
    return NULL;

  g_autofree guint *prompt_of = g_new (guint, n);
  g_autofree guint64 *all_seeds = g_new (guint64, n);
  for (guint i = 0; i < n; i++)
    {
      prompt_of[i] = i / n_seeds;
      all_seeds[i] = seeds[i % n_seeds];
    }

  VardSampleRequest request = {
    .n = n,
    .prompts = prompts,
    .prompt_of = prompt_of,
    .seeds = all_seeds,
    .sampler = sampler,
    .guidance_scale = guidance_scale,
    .batch = DEFAULT_BATCH,
  };
  g_autoptr (VardTrajectory) trajectory =
    vard_pipeline_rollout (self, &request, vard_pipeline_emit_progress, self, cancellable, error);
  if (trajectory == NULL)
    return NULL;

  return vard_pipeline_decode (self, trajectory->states, n, DEFAULT_BATCH, cancellable, error);
}

static void
vard_pipeline_finalize (GObject *object)
{
  VardPipeline *self = VARD_PIPELINE (object);

  g_clear_pointer (&self->steps, g_hash_table_unref);
  g_clear_pointer (&self->decoders, g_hash_table_unref);
  g_clear_pointer (&self->conditions, vard_condition_cache_free);
  g_clear_pointer (&self->process, vard_process_free);
  g_clear_object (&self->pool);
  g_clear_object (&self->model);
  g_clear_object (&self->engine);

  G_OBJECT_CLASS (vard_pipeline_parent_class)->finalize (object);
}

static void
vard_pipeline_class_init (VardPipelineClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_pipeline_finalize;

  /**
   * VardPipeline::progress:
   * @self: the pipeline
   * @fraction: how much of the sampling is done, 0 to 1
   */
  signals[SIGNAL_PROGRESS] = g_signal_new ("progress", VARD_TYPE_PIPELINE, G_SIGNAL_RUN_LAST, 0,
                                           NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_DOUBLE);
}

static void
vard_pipeline_init (VardPipeline *self)
{
  self->steps = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) vard_denoise_step_free);
  self->decoders = g_hash_table_new_full (NULL, NULL, NULL, g_object_unref);
}
