/* vard-policy-step.c - the policy gradient: up the value, and back towards the pretrained model
 *
 * For a state x_t of a fresh rollout, taken as data, with x_s = mean (x_t) + sigma z and g the
 * value's gradient at x_s, held fixed:
 *
 *   loss = - g . mean + kl_weight min (w, w_max) |change|^2
 *
 * Its gradient is that of - V (x_s) + kl_weight KL, by the chain rule through the reparameterised
 * step. Steps without noise, or whose KL weight w is above w_max, keep only the second term.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-policy-graph.h"

#include "base/vard-error.h"

#include <math.h>

#define STATE_AXES (1 << 1 | 1 << 2 | 1 << 3)
#define SMALLEST_NORM 1e-20

struct _VardPolicyStep
{
  VardPolicyStepConfig config;
  VardExecutable *executable;
  float *change, *loss, *value, *norm; /* [n] */
};

struct _VardKlMeter
{
  VardPolicyStepConfig config;
  VardExecutable *executable;
  float *change;
};

static VardNode *
vard_policy_step_flatten (VardNode *node)
{
  return vard_reshape (node, VARD_SHAPE (node->shape.dims[0]));
}

/* The value's gradient at the next state: [n, h, w, c], through no weight */
static VardNode *
vard_policy_step_record_value_gradient (const VardPolicyStepConfig *config,
                                        VardPolicyGraph *policy,
                                        VardNode *mean)
{
  const VardModelInfo *info = vard_model_peek_info (config->model);
  VardGraph *graph = policy->graph;
  VardNode *counters = vard_input (graph, "counters", VARD_DTYPE_I64, VARD_SHAPE (config->n, 2));
  VardNode *z = vard_random_normal (counters, policy->x->shape);
  VardNode *noise = vard_mul (vard_policy_graph_get_number (policy, VARD_POLICY_SIGMA), z);
  VardNode *next = vard_stop (vard_add (mean, noise));
  VardNode *t = vard_input (graph, "next-t", VARD_DTYPE_F32, VARD_SHAPE (config->n));
  VardNode *summary = vard_input (graph, "summary", VARD_DTYPE_F32,
                                  VARD_SHAPE (config->n, info->condition.summary_width));
  VardNode *value = config->value.record (next, t, summary, config->value.data);
  VardNode *gradient;

  vard_vjp (&value, NULL, 1, &next, 1, &gradient);

  VardNode *norm = vard_sqrt (vard_sum (vard_square (gradient), STATE_AXES));
  VardNode *limit = vard_policy_graph_get_number (policy, VARD_POLICY_LIMIT);
  VardNode *shorten =
    vard_minimum (vard_fill (graph, 1, norm->shape),
                  vard_div (limit,
                            vard_maximum (norm, vard_fill (graph, SMALLEST_NORM, norm->shape))));
  VardNode *factor = vard_mul (vard_policy_graph_get_number (policy, VARD_POLICY_GAIN), shorten);

  vard_graph_add_output (graph, "value", value);
  vard_graph_add_output (graph, "gradient-norm", vard_policy_step_flatten (norm));

  return vard_stop (vard_mul (factor, gradient));
}

static VardNode *
vard_policy_step_record_loss (const VardPolicyStepConfig *config, VardPolicyGraph *policy)
{
  VardNode *x_scale = vard_policy_graph_get_number (policy, VARD_POLICY_X_SCALE);
  VardNode *out_scale = vard_policy_graph_get_number (policy, VARD_POLICY_OUT_SCALE);
  VardNode *mean = vard_add (vard_mul (x_scale, policy->x), vard_mul (out_scale, policy->out));
  VardNode *gradient = vard_policy_step_record_value_gradient (config, policy, mean);
  VardNode *climb = vard_sum (vard_mul (gradient, mean), STATE_AXES);
  VardNode *kl_weight =
    vard_input (policy->graph, "kl-weight", VARD_DTYPE_F32, VARD_SHAPE (1, 1, 1, 1));
  VardNode *penalty =
    vard_mul (vard_policy_graph_get_number (policy, VARD_POLICY_PENALTY), policy->change);

  return vard_sub (vard_mul (kl_weight, penalty), climb);
}

static VardExecutable *
vard_policy_step_compile (const VardPolicyStepConfig *config, GError **error)
{
  VardPolicyGraph policy = vard_policy_graph_begin (config);
  g_autoptr (VardGraph) graph = policy.graph;
  VardNode *loss = vard_policy_step_record_loss (config, &policy);
  VardNode *share = vard_policy_graph_get_number (&policy, VARD_POLICY_SHARE);

  vard_graph_add_output (graph, "loss", vard_policy_step_flatten (loss));
  vard_graph_add_output (graph, "change", vard_policy_step_flatten (policy.change));
  vard_parameter_set_record_gradients (config->set, vard_sum_all (vard_mul (share, loss)));

  return vard_engine_compile (config->engine, graph, error);
}

VardPolicyStep *
vard_policy_step_new (const VardPolicyStepConfig *config, GError **error)
{
  VardExecutable *executable = vard_policy_step_compile (config, error);

  if (executable == NULL)
    return NULL;

  VardPolicyStep *self = g_new0 (VardPolicyStep, 1);

  self->config = *config;
  self->executable = executable;
  self->change = g_new (float, config->n);
  self->loss = g_new (float, config->n);
  self->value = g_new (float, config->n);
  self->norm = g_new (float, config->n);

  return self;
}

void
vard_policy_step_free (VardPolicyStep *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->executable);
  g_free (self->change);
  g_free (self->loss);
  g_free (self->value);
  g_free (self->norm);
  g_free (self);
}

gsize
vard_policy_step_get_workspace_size (VardPolicyStep *self)
{
  return vard_executable_get_workspace_size (self->executable);
}

double
vard_policy_step_count_flops (VardPolicyStep *self)
{
  return vard_executable_count_flops (self->executable);
}

static gboolean
vard_policy_step_read_outputs (VardPolicyStep *self, GError **error)
{
  gsize size = self->config.n * sizeof (float);

  return vard_executable_get_output (self->executable, "change", self->change, size, error)
         && vard_executable_get_output (self->executable, "loss", self->loss, size, error)
         && vard_executable_get_output (self->executable, "value", self->value, size, error)
         && vard_executable_get_output (self->executable, "gradient-norm", self->norm, size, error);
}

static gboolean
vard_policy_step_take_sample (VardPolicyStep *self,
                              guint i,
                              const VardSamplerStep *step,
                              double w_max,
                              VardPolicySample *sample,
                              GError **error)
{
  sample->loss = self->loss[i];
  sample->value = self->value[i];
  sample->gradient_norm = self->norm[i];
  vard_policy_sample_set_kl (sample, step, w_max, self->change[i]);
  if (isfinite (sample->loss))
    return TRUE;

  g_set_error (error, VARD_ERROR, VARD_ERROR_DIVERGED,
               "the policy loss at timestep %g is %g (value %g, squared change of the prediction "
               "%g)",
               step->model_time, sample->loss, sample->value, (double) self->change[i]);

  return FALSE;
}

gboolean
vard_policy_step_accumulate (VardPolicyStep *self,
                             const VardPolicyState *states,
                             guint n_states,
                             guint n_total,
                             double kl_weight,
                             double w_max,
                             VardPolicySample *samples,
                             GCancellable *cancellable,
                             GError **error)
{
  float weight = (float) kl_weight;

  if (!vard_executable_set_input (self->executable, "kl-weight", &weight, sizeof weight, error))
    return FALSE;

  for (guint first = 0; first < n_states; first += self->config.n)
    {
      guint n = MIN (self->config.n, n_states - first);

      if (!vard_policy_graph_bind (&self->config, self->executable, states + first, n,
                                   1.0 / n_total, w_max, error)
          || !vard_executable_run (self->executable, cancellable, error)
          || !vard_policy_step_read_outputs (self, error))
        return FALSE;
      for (guint i = 0; i < n; i++)
        if (!vard_policy_step_take_sample (self, i, states[first + i].step, w_max,
                                           &samples[first + i], error))
          return FALSE;
    }

  return TRUE;
}

/* ---- the meter ---- */

VardKlMeter *
vard_kl_meter_new (const VardPolicyStepConfig *config, GError **error)
{
  VardPolicyStepConfig without_value = *config;

  without_value.value.record = NULL;

  VardPolicyGraph policy = vard_policy_graph_begin (&without_value);
  g_autoptr (VardGraph) graph = policy.graph;

  vard_graph_add_output (graph, "change", vard_policy_step_flatten (policy.change));

  VardExecutable *executable = vard_engine_compile (config->engine, graph, error);
  if (executable == NULL)
    return NULL;

  VardKlMeter *self = g_new0 (VardKlMeter, 1);

  self->config = without_value;
  self->executable = executable;
  self->change = g_new (float, config->n);

  return self;
}

void
vard_kl_meter_free (VardKlMeter *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->executable);
  g_free (self->change);
  g_free (self);
}

gboolean
vard_kl_meter_measure (VardKlMeter *self,
                       const VardPolicyState *states,
                       guint n_states,
                       double w_max,
                       VardPolicySample *samples,
                       GCancellable *cancellable,
                       GError **error)
{
  for (guint first = 0; first < n_states; first += self->config.n)
    {
      guint n = MIN (self->config.n, n_states - first);

      if (!vard_policy_graph_bind (&self->config, self->executable, states + first, n, 1, w_max,
                                   error)
          || !vard_executable_run (self->executable, cancellable, error)
          || !vard_executable_get_output (self->executable, "change", self->change,
                                          self->config.n * sizeof (float), error))
        return FALSE;
      for (guint i = 0; i < n; i++)
        {
          samples[first + i] = (VardPolicySample) { 0 };
          vard_policy_sample_set_kl (&samples[first + i], states[first + i].step, w_max,
                                     self->change[i]);
        }
    }

  return TRUE;
}
