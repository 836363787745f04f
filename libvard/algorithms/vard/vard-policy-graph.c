/* vard-policy-graph.c - the trained and the pretrained model on the same states, as a graph
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-policy-graph.h"

#include "diffusion/vard-guidance.h"

#include <math.h>

#define CONDITION "condition"

static VardGuidanceInputs
vard_policy_graph_record_inputs (const VardPolicyStepConfig *config, VardGraph *graph)
{
  const VardModelInfo *info = vard_model_peek_info (config->model);
  guint n = config->n;
  VardGuidanceInputs inputs = {
    .latents = vard_input (graph, "x", VARD_DTYPE_F32,
                           VARD_SHAPE (n, info->height, info->width, info->channels)),
    .timesteps = vard_input (graph, "t", VARD_DTYPE_F32, VARD_SHAPE (n)),
  };

  vard_condition_layout_record_inputs (&info->condition, graph, CONDITION, n, inputs.condition);
  if (config->guidance_scale != 1.0)
    {
      float scale = (float) config->guidance_scale;

      /* fixed for a run: no inputs that would be written again and again */
      vard_condition_record_constants (config->null_condition, graph, inputs.null_condition);
      inputs.scale = vard_constant_f32 (graph, VARD_SHAPE (1, 1, 1, 1), &scale);
    }

  return inputs;
}

VardPolicyGraph
vard_policy_graph_begin (const VardPolicyStepConfig *config)
{
  VardPolicyGraph self = { .graph = vard_graph_new () };
  VardGuidanceInputs inputs = vard_policy_graph_record_inputs (config, self.graph);

  self.x = inputs.latents;
  self.numbers = vard_input (self.graph, "numbers", VARD_DTYPE_F32,
                             VARD_SHAPE (config->n, VARD_POLICY_N_NUMBERS));

  vard_frozen_weights_enter (config->frozen);
  self.out_frozen = vard_stop (vard_guidance_record (config->model, &inputs));
  vard_frozen_weights_leave (config->frozen);
  self.out = vard_guidance_record (config->model, &inputs);
  self.change =
    vard_sum (vard_square (vard_sub (self.out, self.out_frozen)), 1 << 1 | 1 << 2 | 1 << 3);

  return self;
}

VardNode *
vard_policy_graph_get_number (const VardPolicyGraph *self, VardPolicyNumber which)
{
  gint64 n = self->numbers->shape.dims[0];

  return vard_reshape (vard_slice (self->numbers, 1, which, 1), VARD_SHAPE (n, 1, 1, 1));
}

static void
vard_policy_graph_fill_numbers (const VardPolicyState *state,
                                double share,
                                double w_max,
                                float *row)
{
  const VardSamplerStep *step = state->step;
  gboolean is_open = step->sigma > 0 && step->kl_per_change <= w_max;
  double unit = step->change_per_out * step->change_per_out;

  row[VARD_POLICY_X_SCALE] = step->x_scale;
  row[VARD_POLICY_OUT_SCALE] = step->out_scale;
  row[VARD_POLICY_SIGMA] = step->sigma;
  row[VARD_POLICY_GAIN] = is_open ? state->gain : 0;
  row[VARD_POLICY_LIMIT] = MIN (state->gradient_limit, G_MAXFLOAT);
  row[VARD_POLICY_PENALTY] = MIN (step->kl_per_change, w_max) * unit;
  row[VARD_POLICY_SHARE] = share;
}

typedef struct
{
  const VardCondition **conditions;
  float *x, *t, *numbers, *next_t, *summary;
  gint64 *counters; /* [n][2]: each state's z is the first draw of its key */
  gsize x_size, summary_size;
} Rows;

static void
vard_policy_graph_fill_row (Rows *rows,
                            guint i,
                            const VardPolicyState *state,
                            double share,
                            double w_max)
{
  memcpy (rows->x + i * rows->x_size, state->x, rows->x_size * sizeof (float));
  memcpy (rows->summary + i * rows->summary_size, vard_condition_peek_summary (state->condition),
          rows->summary_size * sizeof (float));
  rows->conditions[i] = state->condition;
  rows->t[i] = state->step->model_time;
  rows->next_t[i] = state->value_time;
  rows->counters[2 * i] = (gint64) state->noise_key;
  rows->counters[2 * i + 1] = 0;
  vard_policy_graph_fill_numbers (state, share, w_max, rows->numbers + i * VARD_POLICY_N_NUMBERS);
}

/* Inputs that only the policy's graph has are skipped for the meter, which has no value */
static gboolean
vard_policy_graph_write_rows (const Rows *rows,
                              guint n,
                              gboolean has_value,
                              VardExecutable *executable,
                              GError **error)
{
  gsize f = sizeof (float);

  return vard_executable_set_input (executable, "x", rows->x, n * rows->x_size * f, error)
         && vard_executable_set_input (executable, "t", rows->t, n * f, error)
         && vard_condition_bind (rows->conditions, n, executable, CONDITION, error)
         && vard_executable_set_input (executable, "numbers", rows->numbers,
                                       n * VARD_POLICY_N_NUMBERS * f, error)
         && (!has_value
             || (vard_executable_set_input (executable, "counters", rows->counters,
                                            n * 2 * sizeof (gint64), error)
                 && vard_executable_set_input (executable, "next-t", rows->next_t, n * f, error)
                 && vard_executable_set_input (executable, "summary", rows->summary,
                                               n * rows->summary_size * f, error)));
}

gboolean
vard_policy_graph_bind (const VardPolicyStepConfig *config,
                        VardExecutable *executable,
                        const VardPolicyState *states,
                        guint n_states,
                        double share,
                        double w_max,
                        GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (config->model);
  guint n = config->n;
  gsize x_size = info->height * info->width * info->channels;
  gsize summary_size = info->condition.summary_width;
  gsize row = x_size + summary_size + 2 + VARD_POLICY_N_NUMBERS;
  g_autofree float *memory = g_new (float, n *row);
  g_autofree gint64 *counters = g_new (gint64, 2 * n);
  g_autofree const VardCondition **conditions = g_new (const VardCondition *, n);
  Rows rows = { .x_size = x_size, .summary_size = summary_size };

  rows.conditions = conditions;
  rows.x = memory;
  rows.summary = rows.x + n * x_size;
  rows.t = rows.summary + n * summary_size;
  rows.next_t = rows.t + n;
  rows.numbers = rows.next_t + n;
  rows.counters = counters;

  for (guint i = 0; i < n; i++)
    vard_policy_graph_fill_row (&rows, i, &states[i < n_states ? i : 0], i < n_states ? share : 0,
                                w_max);

  return vard_policy_graph_write_rows (&rows, n, config->value.record != NULL, executable, error);
}

void
vard_policy_sample_set_kl (VardPolicySample *self,
                           const VardSamplerStep *step,
                           double w_max,
                           double change)
{
  double unit = step->change_per_out * step->change_per_out * change;

  self->kl = step->sigma > 0 ? step->kl_per_change * unit : 0;
  self->kl_capped = step->sigma > 0 ? MIN (step->kl_per_change, w_max) * unit : 0;
}
