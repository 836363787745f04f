/* two-slot-model.c - a diffusion model whose prompts become two named inputs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "two-slot-model.h"

#include "base/vard-error.h"
#include "nn/vard-linear.h"
#include "process/vard-noise-schedule.h"

#define SIDE 4
#define N_TRAIN 1000
#define N_TOKENS 2
#define CONTEXT_WIDTH 3
#define POOLED_WIDTH 4

enum
{
  SLOT_CONTEXT,
  SLOT_POOLED
};

/* what the numbers of a prompt are multiplied by on their way into the slots */
static const float context_factors[N_TOKENS * CONTEXT_WIDTH] = { 1, -0.5, 2, 0.25, 0.5, -1 };
static const float pooled_factors[POOLED_WIDTH] = { 0.5, -2, 4, 0 };

struct _TwoSlotModel
{
  VardModel parent_instance;

  VardModule *denoiser;
  VardParameter *shift;
  VardLinear *layers[2];
  float alpha_bar[N_TRAIN];
};

G_DEFINE_FINAL_TYPE (TwoSlotModel, two_slot_model, VARD_TYPE_MODEL)

/* ---- prompts ---- */

static void
two_slot_model_record_encode (VardModel *model, VardGraph *graph)
{
  VardNode *numbers = vard_input (graph, "numbers", VARD_DTYPE_F32, VARD_SHAPE (1, 2));
  VardNode *context =
    vard_constant_f32 (graph, VARD_SHAPE (1, N_TOKENS * CONTEXT_WIDTH), context_factors);
  VardNode *pooled = vard_constant_f32 (graph, VARD_SHAPE (1, POOLED_WIDTH), pooled_factors);

  vard_graph_add_output (graph, "context",
                         vard_matmul (vard_slice (numbers, 1, 0, 1), context, FALSE, FALSE));
  vard_graph_add_output (graph, "pooled",
                         vard_matmul (vard_slice (numbers, 1, 1, 1), pooled, FALSE, FALSE));
}

static gboolean
two_slot_model_parse (const char *prompt, float *numbers, GError **error)
{
  char *end = (char *) prompt, *after;

  numbers[0] = numbers[1] = 0;
  if (*prompt == 0)
    return TRUE;
  for (guint i = 0; i < 2; i++)
    {
      numbers[i] = (float) g_ascii_strtod (end, &after);
      if (after == end)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "a prompt is two numbers, this has %u",
                       i);
          return FALSE;
        }
      end = after;
    }

  return TRUE;
}

static gboolean
two_slot_model_encode (VardModel *model,
                       VardExecutable *encoder,
                       const char *prompt,
                       VardCondition *condition,
                       GCancellable *cancellable,
                       GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (model);
  float numbers[2], *pooled = vard_condition_peek_values (condition, SLOT_POOLED);

  if (!two_slot_model_parse (prompt, numbers, error)
      || !vard_executable_set_input (encoder, "numbers", numbers, sizeof numbers, error)
      || !vard_executable_run (encoder, cancellable, error)
      || !vard_executable_get_output (encoder, "context",
                                      vard_condition_peek_values (condition, SLOT_CONTEXT),
                                      vard_condition_layout_get_size (&info->condition,
                                                                      SLOT_CONTEXT),
                                      error)
      || !vard_executable_get_output (encoder, "pooled", pooled,
                                      vard_condition_layout_get_size (&info->condition,
                                                                      SLOT_POOLED),
                                      error))
    return FALSE;
  pooled[POOLED_WIDTH - 1] = info->height * info->scale;
  memcpy (vard_condition_peek_summary (condition), numbers, sizeof numbers);

  return TRUE;
}

/* ---- the prediction ---- */

/* abar between the training steps too, [n, 1, 1, 1]: weights that fall off to both neighbours */
static VardNode *
two_slot_model_record_alpha_bar (TwoSlotModel *self, VardNode *timesteps)
{
  gint64 n = timesteps->shape.dims[0];
  float steps[N_TRAIN];

  for (guint k = 0; k < N_TRAIN; k++)
    steps[k] = k;

  VardGraph *graph = timesteps->graph;
  VardNode *all = vard_constant_f32 (graph, VARD_SHAPE (1, N_TRAIN), steps);
  VardNode *table = vard_constant_f32 (graph, VARD_SHAPE (N_TRAIN, 1), self->alpha_bar);
  VardNode *distance = vard_abs (vard_sub (vard_reshape (timesteps, VARD_SHAPE (n, 1)), all));
  VardNode *weights = vard_complement (distance);

  weights = vard_mul (weights, vard_step (weights));

  return vard_reshape (vard_matmul (weights, table, FALSE, FALSE), VARD_SHAPE (n, 1, 1, 1));
}

/* the number of the prompt that a slot holds, and what the slot's layer makes of it; [n, 1, 1,
 * 1] */
static VardNode *
two_slot_model_record_slot (TwoSlotModel *self, VardNode *slot, guint which, VardNode **added)
{
  gint64 n = slot->shape.dims[0];
  VardNode *row = slot;
  double factor = pooled_factors[1];

  if (which == SLOT_CONTEXT)
    {
      row = vard_reshape (vard_slice (slot, 1, 1, 1), VARD_SHAPE (n, CONTEXT_WIDTH));
      factor = context_factors[CONTEXT_WIDTH + 1];
    }
  else
    row = vard_slice (slot, 1, 0, POOLED_WIDTH - 1);
  *added = vard_reshape (vard_linear_record (self->layers[which], row), VARD_SHAPE (n, 1, 1, 1));

  return vard_reshape (vard_scale (vard_slice (row, 1, 1, 1), 1 / factor), VARD_SHAPE (n, 1, 1, 1));
}

static VardNode *
two_slot_model_record_predict (VardModel *model,
                               VardNode *x,
                               VardNode *timesteps,
                               VardNode *const *condition)
{
  TwoSlotModel *self = TWO_SLOT_MODEL (model);
  VardNode *abar = two_slot_model_record_alpha_bar (self, timesteps);
  VardNode *added[2];
  VardNode *a = two_slot_model_record_slot (self, condition[SLOT_CONTEXT], SLOT_CONTEXT, &added[0]);
  VardNode *b = two_slot_model_record_slot (self, condition[SLOT_POOLED], SLOT_POOLED, &added[1]);
  VardNode *mean = vard_mul (vard_sqrt (abar), vard_add (a, b));
  VardNode *epsilon = vard_mul (vard_sqrt (vard_complement (abar)), vard_sub (x, mean));
  VardNode *shift =
    vard_add (vard_parameter_record (self->shift, x->graph), vard_add (added[0], added[1]));

  return vard_add (epsilon, shift);
}

static VardNode *
two_slot_model_record_decode (VardModel *model, VardNode *latents)
{
  VardShape shape = latents->shape;

  shape.dims[3] = 3;

  return vard_broadcast (vard_scale (latents, 0.5), shape);
}

static VardModule *
two_slot_model_get_denoiser (VardModel *model)
{
  return TWO_SLOT_MODEL (model)->denoiser;
}

/* ---- the object ---- */

VardModel *
two_slot_model_new (void)
{
  TwoSlotModel *self = g_object_new (TWO_SLOT_TYPE_MODEL, NULL);
  VardModelInfo info = {
    .height = SIDE, .width = SIDE, .channels = 1, .scale = 1,
    .schedule = {
      .n_train_timesteps = N_TRAIN, .beta_start = 0.00085, .beta_end = 0.012,
      .betas = VARD_BETAS_SCALED_LINEAR, .spacing = VARD_SPACING_LEADING, .steps_offset = 1,
      .prediction = VARD_PREDICTION_EPSILON,
    },
  };
  g_autoptr (VardNoiseSchedule) schedule = vard_noise_schedule_new (&info.schedule, NULL);

  for (guint i = 0; i < N_TRAIN; i++)
    self->alpha_bar[i] = (float) schedule->alpha_bar[i];
  vard_condition_layout_add (&info.condition, "context", VARD_DTYPE_F32,
                             VARD_SHAPE (N_TOKENS, CONTEXT_WIDTH));
  vard_condition_layout_add (&info.condition, "pooled", VARD_DTYPE_F32, VARD_SHAPE (POOLED_WIDTH));
  info.condition.summary_width = 2;
  vard_model_set_info (VARD_MODEL (self), NULL, &info);

  self->denoiser = g_object_new (VARD_TYPE_MODULE, NULL);
  self->shift =
    vard_module_add_parameter (self->denoiser, "shift", VARD_SHAPE (1, 1, 1, 1), VARD_LAYOUT_PLAIN);
  self->layers[SLOT_CONTEXT] =
    vard_module_add_child (self->denoiser, "to_context",
                           vard_linear_new (CONTEXT_WIDTH, 1, FALSE, VARD_LAYOUT_PLAIN));
  self->layers[SLOT_POOLED] =
    vard_module_add_child (self->denoiser, "to_pooled",
                           vard_linear_new (POOLED_WIDTH - 1, 1, FALSE, VARD_LAYOUT_PLAIN));

  return VARD_MODEL (self);
}

VardParameter *
two_slot_model_peek_weight (TwoSlotModel *self, guint slot)
{
  return vard_linear_peek_weight (self->layers[slot]);
}

static void
two_slot_model_finalize (GObject *object)
{
  g_clear_object (&TWO_SLOT_MODEL (object)->denoiser);
  G_OBJECT_CLASS (two_slot_model_parent_class)->finalize (object);
}

static void
two_slot_model_class_init (TwoSlotModelClass *klass)
{
  VardModelClass *model = VARD_MODEL_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = two_slot_model_finalize;
  model->record_encode = two_slot_model_record_encode;
  model->encode = two_slot_model_encode;
  model->record_predict = two_slot_model_record_predict;
  model->record_decode = two_slot_model_record_decode;
  model->get_denoiser = two_slot_model_get_denoiser;
}

static void
two_slot_model_init (TwoSlotModel *self)
{
}
