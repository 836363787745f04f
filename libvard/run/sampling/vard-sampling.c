/* vard-sampling.c - pictures of prompts and seeds: all of a request, and its answer
 *
 * A request is sampled from a copy of its settings, so that they may be changed for the next one
 * meanwhile. The model stays loaded between requests that need the same one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/sampling/vard-sampling-private.h"

#include "base/vard-error.h"
#include "base/vard-fields.h"
#include "base/vard-settings.h"
#include "learn/vard-prompt-source.h"
#include "run/runner/vard-runner.h"

/**
 * VardSampling:
 *
 * A request for pictures: a model or a run, prompts, seeds and a sampler. `vard sample` has the
 * same settings under the same names.
 *
 * A picture depends on its prompt and seed, and not on what is sampled with it. Prompts come first
 * and seeds second: picture i shows prompt i / count, from the seed seed + i % count.
 */
G_DEFINE_FINAL_TYPE (VardSampling, vard_sampling, G_TYPE_OBJECT)

enum
{
  SIGNAL_PICTURE,
  SIGNAL_PROGRESS,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_STRING (VardSampling, model, "Folder of the model; omit it for a run", NULL),
  VARD_FIELD_STRV (VardSampling, lora,
                   "LoRA to add, as FILE[:STRENGTH]; diffusers, PEFT and kohya files work"),
  VARD_FIELD_UINT64 (VardSampling, checkpoint,
                     "Step of a run's checkpoint; the default is the newest",
                     0, VARD_CHECKPOINT_NEWEST, VARD_CHECKPOINT_NEWEST),
  VARD_FIELD_STRV (VardSampling, prompt, "Prompt of a picture"),
  VARD_FIELD_STRING (VardSampling, prompts, "File of prompts, one a line or JSON lines", NULL),
  VARD_FIELD_STRING (VardSampling, negative_prompt,
                     "What a picture should not show; needs a guidance-scale above 1",
                     NULL),
  VARD_FIELD_ENUM (VardSampling, sampler, "Sampler",
                   vard_sampler_kind_get_type, VARD_SAMPLER_KIND_DDIM),
  VARD_FIELD_UINT (VardSampling, steps, "Denoising steps", 1, 1000, 20),
  VARD_FIELD_UINT (VardSampling, width, "Width in pixels; 0 takes the model's", 0, 8192, 0),
  VARD_FIELD_UINT (VardSampling, height, "Height in pixels; 0 takes the model's", 0, 8192, 0),
  VARD_FIELD_UINT64 (VardSampling, seed,
                     "Seed of the first picture of each prompt; each next picture adds 1",
                     0, G_MAXINT64, 0),
  VARD_FIELD_UINT (VardSampling, count, "Pictures per prompt", 1, 100000, 1),
  VARD_FIELD_DOUBLE (VardSampling, eta,
                     "Noise of ddim: 0 is deterministic, 1 is DDPM", 0, 1, 1),
  VARD_FIELD_DOUBLE (VardSampling, guidance_scale,
                     "Strength of classifier-free guidance: 1 turns it off, Stable Diffusion "
                     "needs 5 or more; a run defaults to its training setting", 1, 30, 1),
  VARD_FIELD_UINT (VardSampling, batch, "Number of pictures to draw at once", 1, 4096, 16),
  VARD_FIELD_STRING (VardSampling, noise,
                     "safetensors file with the initial noise (tensor noise, [n, channels, "
                     "height, width]) and the noise of each step (tensor steps, [steps, n, "
                     "...]), to compare with other tools", NULL),
  VARD_FIELD_STRING (VardSampling, latents,
                     "safetensors file for the finished latents", NULL),
  VARD_FIELD_STRING (VardSampling, engine, "Engine that computes: cpu, cuda or reference", "cpu"),
  VARD_FIELD_UINT (VardSampling, threads, "Threads of the engine; 0 uses one per core", 0, 1024, 0),
};
/* clang-format on */

/**
 * vard_sampling_new:
 *
 * Returns: (transfer full): a request with every default, and no model and no prompt
 */
VardSampling *
vard_sampling_new (void)
{
  return g_object_new (VARD_TYPE_SAMPLING, NULL);
}

static void
vard_sampling_set_setting (VardSampling *self, const char *name, GObject *from, const char *source)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_object_get_property (from, source, &value);
  g_object_set_property (G_OBJECT (self), name, &value);
}

/**
 * vard_sampling_set_run:
 * @self: a request
 * @run: (nullable): what to sample; %NULL for the setting model alone
 * @error: return location for an error
 *
 * Samples what a run has trained. Sampler, steps, eta, guidance-scale, engine and threads become
 * those that it was trained with: what is set afterwards counts. The setting model, where there is
 * one, is then where the run's base model lies now. The run's rewards and prompts are not needed.
 *
 * Returns: %FALSE where the run's settings cannot be read; nothing is changed then
 */
gboolean
vard_sampling_set_run (VardSampling *self, VardRun *run, GError **error)
{
  static const char *const names[][2] = {
    { "sampler", "sampler" }, { "steps", "sampler-steps" },
    { "eta", "sampler-eta" }, { "guidance-scale", "guidance-scale" },
    { "engine", "engine" },   { "threads", "threads" },
  };

  g_return_val_if_fail (VARD_IS_SAMPLING (self), FALSE);
  g_return_val_if_fail (run == NULL || VARD_IS_RUN (run), FALSE);

  g_autoptr (VardRunSettings) settings = run != NULL ? vard_run_dup_settings (run, error) : NULL;

  if (run != NULL && settings == NULL)
    return FALSE;
  for (guint i = 0; settings != NULL && i < G_N_ELEMENTS (names); i++)
    vard_sampling_set_setting (self, names[i][0],
                               G_OBJECT (vard_run_settings_get_trainer (settings)), names[i][1]);
  g_set_object (&self->run, run);

  return TRUE;
}

/**
 * vard_sampling_get_run:
 * @self: a request
 *
 * Returns: (transfer none) (nullable): the run that is sampled
 */
VardRun *
vard_sampling_get_run (VardSampling *self)
{
  g_return_val_if_fail (VARD_IS_SAMPLING (self), NULL);

  return self->run;
}

/**
 * vard_sampling_set_keep_pictures:
 * @self: a request
 * @keep_pictures: whether vard_sampling_run() returns the pictures
 *
 * Off, pictures are only handed out by the signal #VardSampling::picture, and thousands of them
 * need no more memory than a batch. On is the default.
 */
void
vard_sampling_set_keep_pictures (VardSampling *self, gboolean keep_pictures)
{
  g_return_if_fail (VARD_IS_SAMPLING (self));

  self->keep_pictures = keep_pictures;
}

/**
 * vard_sampling_get_keep_pictures:
 * @self: a request
 *
 * Returns: whether vard_sampling_run() returns the pictures
 */
gboolean
vard_sampling_get_keep_pictures (VardSampling *self)
{
  g_return_val_if_fail (VARD_IS_SAMPLING (self), FALSE);

  return self->keep_pictures;
}

/**
 * vard_sampling_dup_prompts:
 * @self: a request
 * @error: return location for an error
 *
 * Reads the file of prompts where there is one.
 *
 * Returns: (transfer full) (array zero-terminated=1): every prompt: those of the setting prompt,
 *   then those of the file; %NULL with %VARD_ERROR_USAGE where there is none, or with what is wrong
 *   with the file
 */
char **
vard_sampling_dup_prompts (VardSampling *self, GError **error)
{
  g_return_val_if_fail (VARD_IS_SAMPLING (self), NULL);

  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();
  g_autoptr (VardPromptSource) source = NULL;

  if (self->prompt != NULL)
    g_strv_builder_addv (list, (const char **) self->prompt);
  if (self->prompts != NULL && *self->prompts != 0)
    {
      source = vard_prompt_source_new_from_file (self->prompts, error);
      if (source == NULL)
        return NULL;
    }
  for (guint i = 0; source != NULL && i < vard_prompt_source_get_count (source); i++)
    g_strv_builder_add (list, vard_prompt_source_get_text (source, i));

  g_auto (GStrv) prompts = g_strv_builder_end (list);

  if (*prompts != NULL)
    return g_steal_pointer (&prompts);
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "nothing to show: set prompt or prompts");

  return NULL;
}

/* ---- one at a time ---- */

VardSampling *
vard_sampling_begin (VardSampling *self, GError **error)
{
  guint n;
  g_autofree GParamSpec **settings = vard_settings_list (G_OBJECT_GET_CLASS (self), &n);

  if (!g_atomic_int_compare_and_exchange (&self->is_busy, FALSE, TRUE))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_PENDING,
                   "this request is being sampled: wait for it, or cancel it");
      return NULL;
    }

  VardSampling *copy = vard_sampling_new ();

  for (guint i = 0; i < n; i++)
    vard_sampling_set_setting (copy, settings[i]->name, G_OBJECT (self), settings[i]->name);
  g_set_object (&copy->run, self->run);
  copy->keep_pictures = self->keep_pictures;
  copy->loaded = self->loaded;
  self->loaded = (VardSamplingModel) { NULL };

  return copy;
}

void
vard_sampling_end (VardSampling *self, VardSampling *copy)
{
  self->loaded = copy->loaded;
  copy->loaded = (VardSamplingModel) { NULL };
  g_atomic_int_set (&self->is_busy, FALSE);
  g_object_unref (copy);
}

/**
 * vard_sampling_load:
 * @self: a request
 * @cancellable: (nullable): stops between two files
 * @error: return location for an error
 *
 * Loads model and LoRA files, as vard_sampling_run() does where it was not done before.
 *
 * Returns: whether they could be loaded
 */
gboolean
vard_sampling_load (VardSampling *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_SAMPLING (self), FALSE);

  VardSampling *copy = vard_sampling_begin (self, error);

  if (copy == NULL)
    return FALSE;

  gboolean is_loaded = vard_sampling_ensure_model (copy, cancellable, error);

  vard_sampling_end (self, copy);

  return is_loaded;
}

/**
 * vard_sampling_get_model:
 * @self: a request
 *
 * Returns: (transfer none) (nullable): the model that was loaded last; %NULL while it is in use
 */
VardModel *
vard_sampling_get_model (VardSampling *self)
{
  g_return_val_if_fail (VARD_IS_SAMPLING (self), NULL);

  return self->loaded.pipeline != NULL ? vard_pipeline_peek_model (self->loaded.pipeline) : NULL;
}

/**
 * vard_sampling_get_lora_layers:
 * @self: a request that was loaded
 * @i: which item of the setting lora
 *
 * Returns: how many layers of the model that file changes
 */
guint
vard_sampling_get_lora_layers (VardSampling *self, guint i)
{
  g_return_val_if_fail (VARD_IS_SAMPLING (self) && self->loaded.lora_layers != NULL, 0);
  g_return_val_if_fail (self->lora != NULL && i < g_strv_length (self->lora), 0);

  return self->loaded.lora_layers[i];
}

/* ---- in the calling thread ---- */

void
vard_sampling_emit_picture (VardSampling *self, guint index, VardImage *image)
{
  g_signal_emit (self, signals[SIGNAL_PICTURE], 0, index, image);
}

void
vard_sampling_emit_progress (VardSampling *self, const VardSamplingProgress *progress)
{
  g_signal_emit (self, signals[SIGNAL_PROGRESS], 0, progress->n_done, progress->n_pictures,
                 progress->step, progress->n_steps);
}

typedef struct
{
  VardSampling *self, *copy;
  GPtrArray *pictures; /* that are kept */
} VardSamplingCall;

static void
vard_sampling_call_picture (guint index, VardImage *image, gpointer data)
{
  VardSamplingCall *call = data;

  if (call->copy->keep_pictures)
    g_ptr_array_add (call->pictures, g_object_ref (image));
  vard_sampling_emit_picture (call->self, index, image);
}

static void
vard_sampling_call_progress (const VardSamplingProgress *progress, gpointer data)
{
  vard_sampling_emit_progress (((VardSamplingCall *) data)->self, progress);
}

/**
 * vard_sampling_run:
 * @self: a request
 * @cancellable: (nullable): stops at any moment
 * @error: return location for an error
 *
 * Makes the pictures. Each has what made it as texts (vard_image_get_text()): prompt, seed,
 * sampler, steps, guidance-scale, size, model and so on. The signals come from the calling thread.
 *
 * Returns: (transfer container) (element-type VardImage): all pictures, or none of them where they
 *   are not kept; %NULL with %VARD_ERROR_USAGE where the settings do not fit each other or the
 *   model, with %G_IO_ERROR_PENDING while it is being sampled already, %G_IO_ERROR_CANCELLED, or
 *   another error
 */
GPtrArray *
vard_sampling_run (VardSampling *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_SAMPLING (self), NULL);

  VardSampling *copy = vard_sampling_begin (self, error);

  if (copy == NULL)
    return NULL;

  g_autoptr (GPtrArray) pictures = g_ptr_array_new_with_free_func (g_object_unref);
  VardSamplingCall call = { self, copy, pictures };
  VardSamplingSink sink = { vard_sampling_call_picture, vard_sampling_call_progress, &call };
  gboolean is_done = vard_sampling_make_pictures (copy, &sink, cancellable, error);

  vard_sampling_end (self, copy);

  return is_done ? g_steal_pointer (&pictures) : NULL;
}

static void
vard_sampling_finalize (GObject *object)
{
  VardSampling *self = VARD_SAMPLING (object);

  vard_sampling_model_clear (&self->loaded);
  g_clear_object (&self->run);
  G_OBJECT_CLASS (vard_sampling_parent_class)->finalize (object);
}

static void
vard_sampling_class_init (VardSamplingClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_sampling_finalize;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));

  /**
   * VardSampling::picture:
   * @self: the request
   * @index: which picture: of prompt @index / count, and the seed seed + @index % count
   * @image: the picture, with what made it as texts
   *
   * A picture is made. They come in order.
   */
  signals[SIGNAL_PICTURE] = g_signal_new ("picture", VARD_TYPE_SAMPLING, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 2, G_TYPE_UINT, VARD_TYPE_IMAGE);

  /**
   * VardSampling::progress:
   * @self: the request
   * @n_done: pictures that are made
   * @n_pictures: all of them
   * @step: denoising steps that are done of the next ones
   * @n_steps: all of these
   *
   * Sampling goes on.
   */
  signals[SIGNAL_PROGRESS] = g_signal_new ("progress", VARD_TYPE_SAMPLING, G_SIGNAL_RUN_LAST, 0,
                                           NULL, NULL, NULL, G_TYPE_NONE, 4, G_TYPE_UINT,
                                           G_TYPE_UINT, G_TYPE_UINT, G_TYPE_UINT);
}

static void
vard_sampling_init (VardSampling *self)
{
  self->keep_pictures = TRUE;
}
