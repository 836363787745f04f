/* vard-value-fit.c - fits the value network to final rewards by regression
 *
 * The value of a state is the mean final reward of all trajectories through it, which minimises the
 * squared error to their final rewards. There is no bootstrapping.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-value-fit.h"

#include "base/vard-error.h"

#include <math.h>

struct _VardValueFit
{
  VardEngine *engine;
  guint n;
  gsize state_size, summary_size;
  VardParameterSet *set;
  VardOptimizer *optimizer;
  VardExecutable *fit;
  VardExecutable *predict;
  float *x, *t, *summary, *target, *values;
};

static VardNode *
vard_value_fit_record_value (VardGraph *graph,
                             VardModel *model,
                             const VardValueFunction *value,
                             guint n)
{
  const VardModelInfo *info = vard_model_peek_info (model);
  VardNode *x = vard_input (graph, "x", VARD_DTYPE_F32,
                            VARD_SHAPE (n, info->height, info->width, info->channels));
  VardNode *t = vard_input (graph, "t", VARD_DTYPE_F32, VARD_SHAPE (n));
  VardNode *summary =
    vard_input (graph, "summary", VARD_DTYPE_F32, VARD_SHAPE (n, info->condition.summary_width));

  return value->record (x, t, summary, value->data);
}

static gboolean
vard_value_fit_compile (VardValueFit *self,
                        VardModel *model,
                        const VardValueFunction *value,
                        GError **error)
{
  g_autoptr (VardGraph) predict = vard_graph_new ();
  g_autoptr (VardGraph) fit = vard_graph_new ();

  vard_graph_add_output (predict, "values",
                         vard_value_fit_record_value (predict, model, value, self->n));
  self->predict = vard_engine_compile (self->engine, predict, error);
  if (self->predict == NULL)
    return FALSE;

  VardNode *values = vard_value_fit_record_value (fit, model, value, self->n);
  VardNode *target = vard_input (fit, "target", VARD_DTYPE_F32, VARD_SHAPE (self->n));
  VardNode *loss =
    vard_sum_all (vard_scale (vard_square (vard_sub (values, target)), 1.0 / self->n));

  vard_graph_add_output (fit, "loss", loss);
  vard_parameter_set_record_gradients (self->set, loss);
  self->fit = vard_engine_compile (self->engine, fit, error);

  return self->fit != NULL;
}

VardValueFit *
vard_value_fit_new (VardEngine *engine,
                    VardModel *model,
                    const VardValueFunction *value,
                    guint n,
                    GError **error)
{
  g_autoptr (VardValueFit) self = g_new0 (VardValueFit, 1);
  const VardModelInfo *info = vard_model_peek_info (model);

  self->engine = g_object_ref (engine);
  self->n = n;
  self->state_size = info->height * info->width * info->channels;
  self->summary_size = info->condition.summary_width;
  self->x = g_new (float, n * self->state_size);
  self->t = g_new (float, n);
  self->summary = g_new (float, n *MAX (self->summary_size, 1));
  self->target = g_new (float, n);
  self->values = g_new (float, n);

  self->set = vard_parameter_set_new (engine, value->module, error);
  self->optimizer = self->set != NULL ? vard_optimizer_new (self->set, 0, error) : NULL;
  if (self->optimizer == NULL || !vard_value_fit_compile (self, model, value, error))
    return NULL;

  return g_steal_pointer (&self);
}

void
vard_value_fit_free (VardValueFit *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->fit);
  g_clear_object (&self->predict);
  g_clear_pointer (&self->optimizer, vard_optimizer_free);
  g_clear_pointer (&self->set, vard_parameter_set_free);
  g_clear_object (&self->engine);
  g_free (self->x);
  g_free (self->t);
  g_free (self->summary);
  g_free (self->target);
  g_free (self->values);
  g_free (self);
}

/* rows beyond n_states repeat the first */
static gboolean
vard_value_fit_bind (VardValueFit *self,
                     VardExecutable *executable,
                     const VardValueState *states,
                     guint n_states,
                     GError **error)
{
  gsize f = sizeof (float);

  for (guint i = 0; i < self->n; i++)
    {
      const VardValueState *state = &states[i < n_states ? i : 0];

      memcpy (self->x + i * self->state_size, state->x, self->state_size * f);
      memcpy (self->summary + i * self->summary_size,
              vard_condition_peek_summary (state->condition), self->summary_size * f);
      self->t[i] = state->time;
      self->target[i] = (float) state->target;
    }

  return vard_executable_set_input (executable, "x", self->x, self->n * self->state_size * f, error)
         && vard_executable_set_input (executable, "t", self->t, self->n * f, error)
         && vard_executable_set_input (executable, "summary", self->summary,
                                       self->n * self->summary_size * f, error);
}

gboolean
vard_value_fit_update (VardValueFit *self,
                       const VardValueState *states,
                       const VardOptimizerNumbers *numbers,
                       double *loss,
                       GCancellable *cancellable,
                       GError **error)
{
  float value;
  double norm;

  if (!vard_value_fit_bind (self, self->fit, states, self->n, error)
      || !vard_executable_set_input (self->fit, "target", self->target, self->n * sizeof (float),
                                     error)
      || !vard_executable_run (self->fit, cancellable, error)
      || !vard_executable_get_output (self->fit, "loss", &value, sizeof value, error))
    return FALSE;
  if (!isfinite (value))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_DIVERGED,
                   "the value network's loss is %g after %" G_GUINT64_FORMAT " updates",
                   (double) value, vard_optimizer_get_n_updates (self->optimizer));
      return FALSE;
    }
  if (!vard_optimizer_update (self->optimizer, numbers, &norm, cancellable, error))
    {
      g_prefix_error (error, "value network: ");
      return FALSE;
    }
  *loss = value;

  return TRUE;
}

gboolean
vard_value_fit_predict (VardValueFit *self,
                        const VardValueState *states,
                        guint n_states,
                        float *values,
                        GCancellable *cancellable,
                        GError **error)
{
  for (guint first = 0; first < n_states; first += self->n)
    {
      guint n = MIN (self->n, n_states - first);

      if (!vard_value_fit_bind (self, self->predict, states + first, n, error)
          || !vard_executable_run (self->predict, cancellable, error)
          || !vard_executable_get_output (self->predict, "values", self->values,
                                          self->n * sizeof (float), error))
        return FALSE;
      memcpy (values + first, self->values, n * sizeof (float));
    }

  return TRUE;
}

VardParameterSet *
vard_value_fit_peek_parameters (VardValueFit *self)
{
  return self->set;
}

VardOptimizer *
vard_value_fit_peek_optimizer (VardValueFit *self)
{
  return self->optimizer;
}
