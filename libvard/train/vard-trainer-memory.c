/* vard-trainer-memory.c - forecasts the peak memory of a training by component
 *
 * When a trainer is new, its weights are loaded and its graphs compiled; the system can measure
 * these. Memory that is allocated but not yet written is not resident: gradients, moments, stores
 * of trajectories, the arena. These are counted. The memory that a reward takes when it is called
 * is unknown.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-trainer-memory.h"

#include "base/vard-error.h"
#include "engine/vard-engine-private.h"
#include "train/vard-trainer-private.h"

#define PICTURE_CHANNELS 3
/* One picture at a time is timed first; what takes less than this many seconds is timed again as a
 * batch, of at most so many */
#define QUICK 0.1
#define QUICK_BATCH 16

static void
vard_trainer_memory_add_weight (const char *path, VardParameter *parameter, gpointer data)
{
  gsize *sum = data;

  *sum += vard_tensor_get_n_bytes (parameter->tensor);
}

static gsize
vard_trainer_memory_count_weights (VardModule *module)
{
  gsize sum = 0;

  if (module != NULL)
    vard_module_foreach_parameter (module, vard_trainer_memory_add_weight, &sum);
  return sum;
}

static gsize
vard_trainer_memory_count_text_encoders (VardModel *model)
{
  gsize sum = 0;
  VardModule *encoder;

  for (guint i = 0; (encoder = vard_model_peek_text_encoder (model, i)) != NULL; i++)
    sum += vard_trainer_memory_count_weights (encoder);

  return sum;
}

/* a rollout with its states, and the pictures that are kept until they are scored and written */
static gsize
vard_trainer_memory_count_batch (VardTrainer *self)
{
  const VardTrainingSettings *s = self->training->settings;
  const VardModelInfo *info = vard_model_peek_info (self->training->model);
  gsize picture = info->height * info->width * info->scale * info->scale * PICTURE_CHANNELS;
  gsize state = vard_pipeline_get_state_size (self->training->pipeline) * sizeof (float);
  gsize n_evaluated = (gsize) vard_training_count_evaluation_prompts (self->training)
                      * s->evaluation_seeds;

  return s->batch_size * (s->sampler_steps + 3) * state
         + MAX (s->batch_size, n_evaluated) * picture;
}

/* A field of /proc/self/status in bytes; 0 where there is no such file */
static gsize
vard_trainer_memory_read_status (const char *field)
{
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL)
      || (line = strstr (text, field)) == NULL)
    return 0;

  return 1024 * g_ascii_strtoull (line + strlen (field), NULL, 10);
}

static gboolean
vard_trainer_memory_compile_sampling (VardTrainer *self, gsize *ports, GError **error)
{
  const VardTrainingSettings *s = self->training->settings;
  VardSampleRequest request = { .n = s->batch_size,
                                .sampler = self->training->sampler,
                                .guidance_scale = s->guidance_scale };

  return vard_pipeline_compile (self->training->pipeline, &request, ports, error);
}

gboolean
vard_trainer_estimate_memory (VardTrainer *self, VardMemoryEstimate *estimate, GError **error)
{
  VardMemoryEstimate e = { .before = vard_trainer_memory_read_status ("VmHWM:") };
  VardAlgorithmCosts costs;
  gsize ports, known;

  vard_algorithm_forecast (self->algorithm, &costs);
  if (!vard_trainer_memory_compile_sampling (self, &ports, error))
    return FALSE;
  e.denoiser = vard_trainer_memory_count_weights (vard_model_peek_denoiser (self->training->model));
  e.text_encoder = vard_trainer_memory_count_text_encoders (self->training->model)
                   - self->training->n_dropped;
  e.frozen = self->training->settings->weights == VARD_TRAINED_WEIGHTS_FULL ? e.denoiser : 0;
  known = e.denoiser + e.text_encoder + e.frozen;
  e.loaded = MAX (vard_trainer_memory_read_status ("VmRSS:"), known) - known;
  e.optimizer = vard_optimizer_count_bytes (self->training->optimizer) + costs.optimizer;
  e.pool = costs.pool;
  e.ring = costs.ring;
  e.activations = vard_engine_get_expected_arena (self->training->engine);
  e.batch = ports + vard_trainer_memory_count_batch (self);
  e.has_device = vard_engine_describe_memory (self->training->engine, &e.device);
  e.is_policy = costs.workspace >= e.activations;
  e.peak =
    MAX (e.before, known + e.loaded + e.optimizer + e.pool + e.ring + e.activations + e.batch);
  *estimate = e;

  return TRUE;
}

void
vard_trainer_forecast_algorithm (VardTrainer *self, VardAlgorithmCosts *costs)
{
  vard_algorithm_forecast (self->algorithm, costs);
}

const char *const *
vard_trainer_peek_remedies (VardTrainer *self, const char *row)
{
  return vard_algorithm_peek_remedies (self->algorithm, row);
}

/* what is not yet as small as it can be */
static char *
vard_trainer_memory_dup_remedies (VardTrainer *self)
{
  const VardTrainingSettings *s = self->training->settings;
  const char *const *own = vard_trainer_peek_remedies (self, "device/activations");
  g_autofree char *names = g_strjoinv (" or ", (char **) own);
  g_autofree char *lower =
    g_strconcat ("a lower batch-size", own[0] != NULL ? " or " : "", names, NULL);
  g_autoptr (GPtrArray) words = g_ptr_array_new ();

  if (s->micro_batch != 1)
    g_ptr_array_add (words, "micro-batch 1");
  if (!s->segments)
    g_ptr_array_add (words, "segments");
  if (s->weights == VARD_TRAINED_WEIGHTS_FULL)
    g_ptr_array_add (words, "weights lora");
  if (vard_engine_is_exact (self->training->engine))
    g_ptr_array_add (words, "engine cuda:precision=bf16");
  g_ptr_array_add (words, lower);
  g_ptr_array_add (words, "a lower width or height");
  g_ptr_array_add (words, NULL);

  return g_strjoinv (", ", (char **) words->pdata);
}

gboolean
vard_trainer_check_device (VardTrainer *self, GError **error)
{
  VardMemoryEstimate estimate;
  VardDeviceMemory m;

  if (!vard_engine_describe_memory (self->training->engine, &m))
    return TRUE;
  if (!vard_trainer_estimate_memory (self, &estimate, error))
    return FALSE;
  m = estimate.device;
  if (!estimate.has_device || m.missing <= m.free)
    return TRUE;

  g_autofree char *remedies = vard_trainer_memory_dup_remedies (self),
                  *engine = vard_engine_describe (self->training->engine);

  g_set_error (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED,
               "training takes %.3g GB of the device's memory, but only %.3g of its %.3g GB are "
               "free (%s); lower it with %s",
               m.needed * 1e-9, (m.free + m.needed - m.missing) * 1e-9, m.total * 1e-9, engine,
               remedies);

  return FALSE;
}

typedef struct
{
  gsize all, trained;
} Weights;

static void
vard_trainer_memory_count_parameter (const char *path, VardParameter *parameter, gpointer data)
{
  Weights *weights = data;
  gsize count = vard_tensor_get_count (parameter->tensor);

  weights->all += count;
  if (parameter->is_trainable)
    weights->trained += count;
}

void
vard_trainer_count_weights (VardTrainer *self, gsize *all, gsize *trained)
{
  Weights weights = { 0 };

  vard_module_foreach_parameter (vard_model_peek_denoiser (self->training->model),
                                 vard_trainer_memory_count_parameter, &weights);
  *all = weights.all;
  *trained = weights.trained;
}

/* Seconds that one evaluation takes with n pictures at once, or less than 0; latents are not
 * decoded. A prompt of the run is already encoded; another one would load the text encoder
 * again. */
static double
vard_trainer_memory_time_forward (VardTrainer *self,
                                  guint n,
                                  guint n_steps,
                                  GCancellable *cancellable,
                                  GError **error)
{
  const VardTrainingSettings *s = self->training->settings;
  const char *prompts[] = { self->training->texts[0], NULL };
  g_autofree guint64 *seeds = g_new0 (guint64, n);
  g_autofree guint *prompt_of = g_new0 (guint, n);
  g_autoptr (VardSampler) sampler =
    vard_sampler_new (vard_pipeline_peek_process (self->training->pipeline), s->sampler, n_steps,
                      s->sampler_eta, error);
  VardSampleRequest request = {
    .n = n,
    .prompts = prompts,
    .prompt_of = prompt_of,
    .seeds = seeds,
    .sampler = sampler,
    .guidance_scale = s->guidance_scale,
  };
  gint64 began = 0;

  /* the first one compiles */
  for (guint i = 0; sampler != NULL && i < 2; i++)
    {
      began = g_get_monotonic_time ();

      g_autoptr (VardTrajectory) trajectory =
        vard_pipeline_rollout (self->training->pipeline, &request, NULL, NULL, cancellable, error);

      if (trajectory == NULL)
        return -1;
    }
  if (sampler == NULL)
    return -1;

  return (g_get_monotonic_time () - began) * 1e-6
         / (n * n_steps * (s->guidance_scale != 1 ? 2 : 1));
}

gboolean
vard_trainer_measure_forward (VardTrainer *self,
                              double *seconds,
                              GCancellable *cancellable,
                              GError **error)
{
  double found = vard_trainer_memory_time_forward (self, 1, 1, cancellable, error);

  if (found >= 0 && found < QUICK)
    found =
      vard_trainer_memory_time_forward (self,
                                        MIN (self->training->settings->batch_size, QUICK_BATCH), 2,
                                        cancellable, error);
  vard_pipeline_invalidate (self->training->pipeline);
  if (found >= 0)
    *seconds = found;

  return found >= 0;
}
