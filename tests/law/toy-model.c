/* toy-model.c - a diffusion model whose every distribution is known
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "toy-model.h"

#include "base/vard-random.h"
#include "process/vard-process.h"
#include "nn/vard-linear.h"

#define N_TOKENS 2
#define WIDTH 3
#define N_TRAIN 1000
#define N_WORDS 10000

struct _ToyModel
{
  VardModel parent_instance;

  VardModule *denoiser;
  VardParameter *shift;
  VardLinear *layer;
  float alpha_bar[N_TRAIN];
};

G_DEFINE_FINAL_TYPE (ToyModel, toy_model, VARD_TYPE_MODEL)

/* the first token is mu in thousandths, offset to be positive; the second only fills */
static gboolean
toy_model_encode (VardModel *model,
                  VardExecutable *encoder,
                  const char *prompt,
                  VardCondition *condition,
                  GCancellable *cancellable,
                  GError **error)
{
  const gint32 ids[N_TOKENS] = { (gint32) (g_ascii_strtod (prompt, NULL) * 1000) + 5000, 0 };
  float *states = vard_condition_peek_values (condition, 0);

  if (!vard_executable_set_input (encoder, "ids", ids, sizeof ids, error)
      || !vard_executable_run (encoder, cancellable, error)
      || !vard_executable_get_output (encoder, "context", states, N_TOKENS * WIDTH * sizeof (float),
                                      error))
    return FALSE;
  memcpy (vard_condition_peek_summary (condition), states, WIDTH * sizeof (float));

  return TRUE;
}

/* states hold mu in their first number */
static void
toy_model_record_encode (VardModel *model, VardGraph *graph)
{
  g_autofree float *table = g_new0 (float, N_WORDS *WIDTH);
  VardNode *ids = vard_input (graph, "ids", VARD_DTYPE_I32, VARD_SHAPE (1, N_TOKENS));

  for (guint i = 0; i < N_WORDS; i++)
    table[i * WIDTH] = i * 1e-3f - 5;

  vard_graph_add_output (graph, "context",
                         vard_gather (vard_constant_f32 (graph, VARD_SHAPE (N_WORDS, WIDTH), table),
                                      ids));
}

/* rows of the table by timestep, [n, 1, 1, columns]: a product with ones where |t - k| < 1/2; pure
 * noise in a flow has the last row */
static VardNode *
lookup (VardNode *table, VardNode *timesteps)
{
  gint64 n = timesteps->shape.dims[0];
  VardNode *last = vard_fill (table->graph, N_TRAIN - 1, timesteps->shape);
  float steps[N_TRAIN];

  for (guint k = 0; k < N_TRAIN; k++)
    steps[k] = k;

  VardNode *all = vard_constant_f32 (table->graph, VARD_SHAPE (1, N_TRAIN), steps);
  VardNode *distance =
    vard_abs (vard_sub (vard_reshape (vard_minimum (timesteps, last), VARD_SHAPE (n, 1)), all));
  VardNode *is_equal = vard_step (vard_affine (distance, -1, 0.5));
  VardNode *rows = vard_matmul (is_equal, table, FALSE, FALSE);

  return vard_reshape (rows, VARD_SHAPE (n, 1, 1, table->shape.dims[1]));
}

/* picture and noise in a state at the timesteps f32 [n], as [n, 1, 1, 1] each */
typedef struct
{
  VardNode *a, *b;
} Level;

static Level
record_level (ToyModel *self, VardNode *timesteps)
{
  VardGraph *graph = timesteps->graph;

  if (vard_model_peek_info (VARD_MODEL (self))->schedule.process == VARD_PROCESS_FLOW)
    {
      VardNode *t = vard_reshape (timesteps, VARD_SHAPE (timesteps->shape.dims[0], 1, 1, 1));
      VardNode *b = vard_scale (t, 1.0 / N_TRAIN);

      return (Level) { vard_complement (b), b };
    }

  VardNode *table = vard_constant_f32 (graph, VARD_SHAPE (N_TRAIN, 1), self->alpha_bar);
  VardNode *abar = lookup (table, timesteps);

  return (Level) { vard_sqrt (abar), vard_sqrt (vard_complement (abar)) };
}

static VardNode *
record_variance (const Level *level)
{
  return vard_add (vard_square (level->a), vard_square (level->b));
}

VardNode *
toy_model_record_slope (ToyModel *self, VardNode *timesteps)
{
  Level level = record_level (self, timesteps);

  if (vard_model_peek_info (VARD_MODEL (self))->schedule.process == VARD_PROCESS_FLOW)
    return vard_div (level.a, record_variance (&level));

  return level.a;
}

/* of a flow: E[noise | x] - E[x_0 | x] */
static VardNode *
record_velocity (const Level *level, VardNode *x, VardNode *mu)
{
  VardNode *off = vard_sub (x, vard_mul (level->a, mu));
  VardNode *share = vard_div (vard_sub (level->b, level->a), record_variance (level));

  return vard_sub (vard_mul (share, off), mu);
}

static VardNode *
record_layer (ToyModel *self, VardNode *x)
{
  gint64 channels = x->shape.dims[3];
  VardNode *rows = vard_reshape (x, VARD_SHAPE (vard_node_get_count (x) / channels, channels));

  return vard_reshape (vard_linear_record (self->layer, rows), x->shape);
}

static VardNode *
toy_model_record_predict (VardModel *model,
                          VardNode *x,
                          VardNode *timesteps,
                          VardNode *const *condition)
{
  ToyModel *self = TOY_MODEL (model);
  VardPrediction prediction = vard_model_peek_info (model)->schedule.prediction;
  Level level = record_level (self, timesteps);
  VardNode *mu = vard_slice (vard_slice (condition[0], 1, 0, 1), 2, 0, 1);

  mu = vard_reshape (mu, VARD_SHAPE (x->shape.dims[0], 1, 1, 1));

  VardNode *exact = prediction == VARD_PREDICTION_VELOCITY
                      ? record_velocity (&level, x, mu)
                      : vard_mul (level.b, vard_sub (x, vard_mul (level.a, mu)));
  VardNode *shift = lookup (vard_parameter_record (self->shift, x->graph), timesteps);
  VardNode *out = vard_add (vard_add (exact, shift), record_layer (self, x));

  /* epsilon = a v + b x, and x = a x_0 + b epsilon */
  if (prediction == VARD_PREDICTION_V)
    return vard_div (vard_sub (out, vard_mul (level.b, x)), level.a);
  if (prediction == VARD_PREDICTION_CLEAN)
    return vard_div (vard_sub (x, vard_mul (level.b, out)), level.a);

  return out;
}

static VardNode *
toy_model_record_decode (VardModel *model, VardNode *latents)
{
  VardNode *grey = vard_scale (vard_mean (latents, 1 << 3), 0.5);
  VardShape shape = latents->shape;

  shape.dims[3] = 3;
  return vard_broadcast (grey, shape);
}

static VardModule *
toy_model_get_denoiser (VardModel *model)
{
  return TOY_MODEL (model)->denoiser;
}

VardModel *
toy_model_new (gint64 height, gint64 width, gint64 channels, VardPrediction prediction)
{
  ToyModel *self = g_object_new (TOY_TYPE_MODEL, NULL);
  gboolean is_flow = prediction == VARD_PREDICTION_VELOCITY;
  VardModelInfo info = {
    .height = height, .width = width, .channels = channels, .scale = 1,
    .condition = { .slots = { { "context", VARD_DTYPE_F32, VARD_SHAPE (N_TOKENS, WIDTH) } },
                   .n_slots = 1, .summary_width = WIDTH },
    .schedule = {
      .process = is_flow ? VARD_PROCESS_FLOW : VARD_PROCESS_VARIANCE_PRESERVING,
      .shift = 1, .n_train_timesteps = N_TRAIN, .beta_start = 0.00085, .beta_end = 0.012,
      .betas = VARD_BETAS_SCALED_LINEAR, .spacing = VARD_SPACING_LEADING, .steps_offset = 1,
      .prediction = prediction,
    },
  };
  g_autoptr (VardProcess) process = vard_process_new (&info.schedule, NULL);

  for (guint i = 0; process->schedule != NULL && i < N_TRAIN; i++)
    self->alpha_bar[i] = (float) process->schedule->alpha_bar[i];
  vard_model_set_info (VARD_MODEL (self), NULL, &info);

  self->denoiser = g_object_new (VARD_TYPE_MODULE, NULL);
  self->shift = vard_module_add_parameter (self->denoiser, "shift", VARD_SHAPE (N_TRAIN, channels),
                                           VARD_LAYOUT_PLAIN);
  self->layer =
    vard_module_add_child (self->denoiser, "to_q",
                           vard_linear_new (channels, channels, FALSE, VARD_LAYOUT_PLAIN));

  return VARD_MODEL (self);
}

VardParameter *
toy_model_peek_shift (ToyModel *self)
{
  return self->shift;
}

typedef struct
{
  guint64 key;
  double size;
  guint i;
} Disturbance;

static void
disturb_parameter (const char *path, VardParameter *parameter, gpointer data)
{
  Disturbance *disturbance = data;
  gint64 count = vard_tensor_get_count (parameter->tensor);
  float *values = vard_tensor_peek_f32 (parameter->tensor);

  vard_random_fill_normal (disturbance->key, disturbance->i++, values, count);
  for (gint64 k = 0; k < count; k++)
    values[k] *= disturbance->size;
}

void
toy_model_disturb (ToyModel *self, guint64 key, double size)
{
  Disturbance disturbance = { key, size, 0 };

  vard_module_foreach_parameter (self->denoiser, disturb_parameter, &disturbance);
}

static void
toy_model_finalize (GObject *object)
{
  g_clear_object (&TOY_MODEL (object)->denoiser);
  G_OBJECT_CLASS (toy_model_parent_class)->finalize (object);
}

static void
toy_model_class_init (ToyModelClass *klass)
{
  VardModelClass *model = VARD_MODEL_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = toy_model_finalize;
  model->record_encode = toy_model_record_encode;
  model->encode = toy_model_encode;
  model->record_predict = toy_model_record_predict;
  model->record_decode = toy_model_record_decode;
  model->get_denoiser = toy_model_get_denoiser;
}

static void
toy_model_init (ToyModel *self)
{
}
