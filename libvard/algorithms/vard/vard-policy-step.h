/* vard-policy-step.h - the policy gradient: up the value, and back towards the pretrained model
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "process/vard-sampler.h"
#include "learn/vard-frozen-weights.h"
#include "learn/vard-parameter-set.h"
#include "models/vard-model-class.h"
#include "algorithms/vard/vard-value-function.h"

G_BEGIN_DECLS

typedef struct _VardPolicyStep VardPolicyStep;

typedef struct
{
  VardEngine *engine;
  VardModel *model;
  VardFrozenWeights *frozen;
  VardParameterSet *set;
  VardValueFunction value;
  guint n; /* states at once */
  double guidance_scale;
  const VardCondition *null_condition; /* when guided */
} VardPolicyStepConfig;

/* One noisy state of one trajectory */
typedef struct
{
  const float *x; /* [state_size] */
  const VardSamplerStep *step;
  double value_time; /* what the value network is told of the state after it */
  const VardCondition *condition;
  guint64 noise_key;     /* of z */
  double gain;           /* on the value gradient: gamma, q_min; 0 for none */
  double gradient_limit; /* longest value gradient; infinite for any */
} VardPolicyState;

/* What the update saw of one state. Without noise (sigma 0) there is no kl. */
typedef struct
{
  double loss;
  double kl;            /* nats, exact */
  double kl_capped;     /* with the weight capped at w_max */
  double value;         /* at the next state */
  double gradient_norm; /* of the value, before the limit */
} VardPolicySample;

VardPolicyStep *vard_policy_step_new (const VardPolicyStepConfig *config, GError **error);
void vard_policy_step_free (VardPolicyStep *self);
/* bytes of activations */
gsize vard_policy_step_get_workspace_size (VardPolicyStep *self);
/* of one batch; see vard_executable_count_flops () */
double vard_policy_step_count_flops (VardPolicyStep *self);
/* Adds to the set's gradient these states' part of the gradient of the mean loss of @n_total
 * states; any number of states, in batches of n. VARD_ERROR_DIVERGED when a loss is not finite. */
gboolean vard_policy_step_accumulate (VardPolicyStep *self,
                                      const VardPolicyState *states,
                                      guint n_states,
                                      guint n_total,
                                      double kl_weight,
                                      double w_max,
                                      VardPolicySample *samples,
                                      GCancellable *cancellable,
                                      GError **error);

/* The KL of whole trajectories: the same two models without gradients */
typedef struct _VardKlMeter VardKlMeter;

VardKlMeter *vard_kl_meter_new (const VardPolicyStepConfig *config, GError **error);
void vard_kl_meter_free (VardKlMeter *self);
gboolean vard_kl_meter_measure (VardKlMeter *self,
                                const VardPolicyState *states,
                                guint n_states,
                                double w_max,
                                VardPolicySample *samples,
                                GCancellable *cancellable,
                                GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardPolicyStep, vard_policy_step_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardKlMeter, vard_kl_meter_free)

G_END_DECLS
