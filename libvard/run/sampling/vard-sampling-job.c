/* vard-sampling-job.c - loads a model or a run, and makes the pictures of a request
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/sampling/vard-sampling-private.h"

#include "adapters/vard-lora-spec.h"
#include "base/vard-error.h"
#include "diffusion/vard-latents-file.h"
#include "engine/vard-engine-loader.h"
#include "run/sampling/vard-run-model.h"

/* ---- loading ---- */

void
vard_sampling_model_clear (VardSamplingModel *self)
{
  g_clear_object (&self->pipeline);
  g_clear_pointer (&self->key, g_free);
  g_clear_pointer (&self->run, g_free);
  g_clear_pointer (&self->lora_layers, g_free);
}

static gboolean
vard_sampling_is_set (const char *text)
{
  return text != NULL && *text != 0;
}

/* A run that is trained meanwhile gets a new checkpoint, and with it another key */
static char *
vard_sampling_build_key (VardSampling *self)
{
  guint n = 0;
  g_autofree guint64 *steps = self->run != NULL ? vard_run_list_checkpoints (self->run, &n) : NULL;
  g_autofree char *lora = self->lora != NULL ? g_strjoinv ("\n", self->lora) : NULL;

  return g_strdup_printf ("%s\n%s\n%" G_GUINT64_FORMAT "\n%" G_GUINT64_FORMAT
                          "\n%d\n%u\n%u\n%s\n%u\n%s",
                          self->model != NULL ? self->model : "",
                          self->run != NULL ? vard_run_get_path (self->run) : "", self->checkpoint,
                          n > 0 ? steps[n - 1] : 0,
                          self->run != NULL && vard_run_has_final (self->run), self->width,
                          self->height, self->engine, self->threads, lora != NULL ? lora : "");
}

static VardModel *
vard_sampling_load_weights (VardSampling *self, VardEngine *engine, char **run, GError **error)
{
  if (self->run == NULL)
    {
      if (vard_sampling_is_set (self->model))
        return vard_model_load (self->model, error);
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "no model is given: set model to a folder, or sample a run");
      return NULL;
    }

  VardRunModelOptions options = {
    .base = vard_sampling_is_set (self->model) ? self->model : NULL,
    .engine = engine,
  };
  guint64 step;
  VardModel *model = vard_run_load_model (self->run, self->checkpoint, &options, &step, error);

  if (model != NULL)
    *run = g_strdup_printf ("%s, step %" G_GUINT64_FORMAT, vard_run_get_name (self->run), step);

  return model;
}

static gboolean
vard_sampling_add_lora (VardSampling *self, VardModel *model, guint *n_layers, GError **error)
{
  for (guint i = 0; self->lora != NULL && self->lora[i] != NULL; i++)
    {
      g_autofree char *path = NULL;
      double strength;

      if (!vard_lora_spec_parse (self->lora[i], &path, &strength, error)
          || !vard_model_add_lora (model, path, strength, &n_layers[i], error))
        return FALSE;
    }

  return TRUE;
}

gboolean
vard_sampling_ensure_model (VardSampling *self, GCancellable *cancellable, GError **error)
{
  g_autofree char *key = vard_sampling_build_key (self);
  g_autofree guint *n_layers =
    g_new0 (guint, (self->lora != NULL ? g_strv_length (self->lora) : 0) + 1);
  g_autofree char *run = NULL;

  if (g_strcmp0 (key, self->loaded.key) == 0)
    return TRUE;
  vard_sampling_model_clear (&self->loaded);

  g_autoptr (VardEngine) engine = vard_load_engine (self->engine, self->threads, error);
  g_autoptr (VardModel) model = NULL;
  VardPipeline *pipeline;

  if (engine == NULL || g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  model = vard_sampling_load_weights (self, engine, &run, error);
  if (model == NULL || !vard_model_set_size (model, self->width, self->height, error)
      || !vard_sampling_add_lora (self, model, n_layers, error)
      || g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  pipeline = vard_pipeline_new (engine, model, error);
  if (pipeline == NULL)
    return FALSE;
  self->loaded = (VardSamplingModel) { g_steal_pointer (&key), pipeline, g_steal_pointer (&run),
                                       g_steal_pointer (&n_layers) };

  return TRUE;
}

/* ---- one request ---- */

typedef struct
{
  VardSampling *settings;
  const VardSamplingSink *sink;
  VardSampler *sampler;
  char **prompts;
  guint n;
  gsize state_size;
  float *initial, *noise; /* [n][state], [n_steps][n][state]: of a file, or NULL */
  float *latents;         /* [n][state], finished: for a file, or NULL */
  guint first;            /* of the batch that is sampled now */
} VardSamplingJob;

static void
vard_sampling_job_clear (VardSamplingJob *self)
{
  g_clear_pointer (&self->sampler, vard_sampler_free);
  g_strfreev (self->prompts);
  g_free (self->initial);
  g_free (self->noise);
  g_free (self->latents);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VardSamplingJob, vard_sampling_job_clear)

static guint64
vard_sampling_job_get_seed (const VardSamplingJob *self, guint i)
{
  return self->settings->seed + i % self->settings->count;
}

static gboolean
vard_sampling_job_read_noise (VardSamplingJob *self, const VardModelInfo *info, GError **error)
{
  if (!vard_sampling_is_set (self->settings->noise))
    return TRUE;

  g_autoptr (VardSafetensors) file = vard_safetensors_open (self->settings->noise, error);

  if (file == NULL)
    return FALSE;
  self->initial = vard_latents_read (file, "noise", self->n, info, error);
  if (self->initial == NULL)
    return FALSE;
  if (!vard_safetensors_contains (file, "steps"))
    return TRUE;
  self->noise =
    vard_latents_read (file, "steps", (gint64) self->settings->steps * self->n, info, error);

  return self->noise != NULL;
}

/* What can be wrong with a request before anything is loaded */
static gboolean
vard_sampling_job_check (VardSamplingJob *self, GError **error)
{
  VardSampling *settings = self->settings;

  if (vard_sampling_is_set (settings->negative_prompt) && settings->guidance_scale == 1)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "negative-prompt has no effect at guidance-scale 1: set guidance-scale to 5 or "
                   "so");
      return FALSE;
    }
  self->prompts = vard_sampling_dup_prompts (settings, error);
  if (self->prompts == NULL)
    return FALSE;
  if (!g_uint_checked_mul (&self->n, g_strv_length (self->prompts), settings->count))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "%u prompts with %u pictures each are too many", g_strv_length (self->prompts),
                   settings->count);
      return FALSE;
    }

  return TRUE;
}

static gboolean
vard_sampling_job_begin (VardSamplingJob *self, GError **error)
{
  const VardSampling *settings = self->settings;
  VardPipeline *pipeline = settings->loaded.pipeline;
  VardModel *model = vard_pipeline_peek_model (pipeline);

  self->state_size = vard_pipeline_get_state_size (pipeline);
  self->sampler = vard_sampler_new (vard_pipeline_peek_process (pipeline), settings->sampler,
                                    settings->steps, settings->eta, error);
  if (self->sampler == NULL
      || !vard_sampling_job_read_noise (self, vard_model_peek_info (model), error))
    return FALSE;
  if (vard_sampling_is_set (settings->latents))
    self->latents = g_new (float, self->n * self->state_size);

  return TRUE;
}

static void
vard_sampling_job_progress (double fraction, gpointer data)
{
  VardSamplingJob *self = data;
  guint n_steps = self->settings->steps;
  VardSamplingProgress progress = { self->first, self->n, (guint) (fraction * n_steps + 0.5),
                                    n_steps };

  self->sink->progress (&progress, self->sink->data);
}

/* What made a picture: enough to make it again */
static void
vard_sampling_job_set_texts (const VardSamplingJob *self, guint i, VardImage *image)
{
  const VardSampling *settings = self->settings;
  gboolean is_guided = vard_sampling_is_set (settings->negative_prompt);
  gboolean is_given = vard_sampling_is_set (settings->noise);
  gboolean has_eta = (vard_sampler_kind_get_flags (settings->sampler) & VARD_SAMPLER_FLAGS_HAS_ETA)
                     != 0;
  VardModel *loaded = vard_pipeline_peek_model (settings->loaded.pipeline);
  g_autofree char *model = g_path_get_basename (vard_model_get_path (loaded));
  g_autofree char *seed =
    g_strdup_printf ("%" G_GUINT64_FORMAT, vard_sampling_job_get_seed (self, i));
  g_autofree char *steps = g_strdup_printf ("%u", settings->steps);
  g_autofree char *batch = g_strdup_printf ("%u", settings->batch);
  g_autofree char *eta = g_strdup_printf ("%g", settings->eta);
  g_autofree char *scale = g_strdup_printf ("%g", settings->guidance_scale);
  g_autofree char *lora = settings->lora != NULL ? g_strjoinv ("\n", settings->lora) : NULL;
  g_autofree char *noise = is_given ? g_path_get_basename (settings->noise) : NULL;
  g_autofree char *size =
    g_strdup_printf ("%u x %u", vard_image_get_width (image), vard_image_get_height (image));
  const struct
  {
    const char *key, *text;
  } texts[] = {
    { "Software", "vard " VARD_VERSION },
    { "prompt", self->prompts[i / settings->count] },
    { "negative-prompt", is_guided ? settings->negative_prompt : NULL },
    { "seed", seed },
    { "sampler", vard_sampler_kind_to_string (settings->sampler) },
    { "steps", steps },
    { "eta", has_eta ? eta : NULL },
    { "guidance-scale", scale },
    { "size", size },
    { "batch", batch },
    { "model", model },
    { "run", settings->loaded.run },
    { "noise", noise },
    { "lora", vard_sampling_is_set (lora) ? lora : NULL },
  };

  for (guint k = 0; k < G_N_ELEMENTS (texts); k++)
    if (texts[k].text != NULL)
      vard_image_set_text (image, texts[k].key, texts[k].text);
}

/* The rows of a batch from noise that was given for all pictures, step by step */
static float *
vard_sampling_job_slice_noise (const VardSamplingJob *self, guint n)
{
  gsize row = n * self->state_size;
  guint n_steps = self->settings->steps;
  float *slice = g_new (float, row *n_steps);

  for (guint k = 0; k < n_steps; k++)
    memcpy (slice + k * row, self->noise + ((gsize) k * self->n + self->first) * self->state_size,
            row * sizeof (float));

  return slice;
}

static GPtrArray *
vard_sampling_job_finish_batch (VardSamplingJob *self,
                                VardTrajectory *trajectory,
                                GCancellable *cancellable,
                                GError **error)
{
  guint n = trajectory->n;

  if (self->latents != NULL)
    memcpy (self->latents + self->first * self->state_size, trajectory->states,
            n * self->state_size * sizeof (float));

  return vard_pipeline_decode (self->settings->loaded.pipeline, trajectory->states, n, n,
                               cancellable, error);
}

static gboolean
vard_sampling_job_run_batch (VardSamplingJob *self,
                             guint n,
                             GCancellable *cancellable,
                             GError **error)
{
  const VardSampling *settings = self->settings;
  g_autofree guint *prompt_of = g_new (guint, n);
  g_autofree guint64 *seeds = g_new (guint64, n);
  g_autofree float *noise = self->noise != NULL ? vard_sampling_job_slice_noise (self, n) : NULL;

  for (guint i = 0; i < n; i++)
    {
      prompt_of[i] = (self->first + i) / settings->count;
      seeds[i] = vard_sampling_job_get_seed (self, self->first + i);
    }

  VardSampleRequest request = {
    .n = n,
    .prompts = (const char *const *) self->prompts,
    .prompt_of = prompt_of,
    .seeds = seeds,
    .sampler = self->sampler,
    .guidance_scale = settings->guidance_scale,
    .negative_prompt = settings->negative_prompt,
    .step_noise = noise,
    .initial_noise = self->initial != NULL ? self->initial + self->first * self->state_size : NULL,
  };
  g_autoptr (VardTrajectory) trajectory =
    vard_pipeline_rollout (settings->loaded.pipeline, &request, vard_sampling_job_progress, self,
                           cancellable, error);
  g_autoptr (GPtrArray) images =
    trajectory != NULL ? vard_sampling_job_finish_batch (self, trajectory, cancellable, error)
                       : NULL;

  for (guint i = 0; images != NULL && i < n; i++)
    {
      vard_sampling_job_set_texts (self, self->first + i, images->pdata[i]);
      self->sink->picture (self->first + i, images->pdata[i], self->sink->data);
    }

  return images != NULL;
}

gboolean
vard_sampling_make_pictures (VardSampling *self,
                             const VardSamplingSink *sink,
                             GCancellable *cancellable,
                             GError **error)
{
  g_auto (VardSamplingJob) job = { .settings = self, .sink = sink };

  if (!vard_sampling_job_check (&job, error)
      || !vard_sampling_ensure_model (self, cancellable, error)
      || !vard_sampling_job_begin (&job, error))
    return FALSE;

  for (guint n; job.first < job.n; job.first += n)
    {
      n = MIN (self->batch, job.n - job.first);
      if (!vard_sampling_job_run_batch (&job, n, cancellable, error))
        return FALSE;
    }
  sink->progress (&(VardSamplingProgress) { job.n, job.n, self->steps, self->steps }, sink->data);
  if (job.latents == NULL)
    return TRUE;

  VardModel *model = vard_pipeline_peek_model (self->loaded.pipeline);

  return vard_latents_write (self->latents, job.latents, job.n, vard_model_peek_info (model),
                             error);
}
