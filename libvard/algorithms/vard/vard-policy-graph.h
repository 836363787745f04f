/* vard-policy-graph.h - the trained and the pretrained model on the same states, as a graph
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "algorithms/vard/vard-policy-step.h"

G_BEGIN_DECLS

/* Per state numbers, one row of the input "numbers" */
typedef enum
{
  VARD_POLICY_X_SCALE,
  VARD_POLICY_OUT_SCALE,
  VARD_POLICY_SIGMA,
  VARD_POLICY_GAIN,    /* on the value gradient; 0 closes the gate */
  VARD_POLICY_LIMIT,   /* on the value gradient's norm */
  VARD_POLICY_PENALTY, /* capped KL weight for one unit of |out - out'|^2 */
  VARD_POLICY_SHARE,   /* in the mean; 0 for rows that only fill the batch */
  VARD_POLICY_N_NUMBERS,
} VardPolicyNumber;

typedef struct
{
  VardGraph *graph;
  VardNode *x; /* [n, h, w, c] */
  VardNode *out, *out_frozen;
  VardNode *change;  /* |out - out_frozen|^2, [n, 1, 1, 1] */
  VardNode *numbers; /* [n, N_NUMBERS] */
} VardPolicyGraph;

VardPolicyGraph vard_policy_graph_begin (const VardPolicyStepConfig *config);
/* one number of each state, [n, 1, 1, 1] */
VardNode *vard_policy_graph_get_number (const VardPolicyGraph *self, VardPolicyNumber which);
/* Writes the inputs of up to n states; the rest of the batch repeats the first with no share.
 * @kl_weight only matters to graphs that read it. */
gboolean vard_policy_graph_bind (const VardPolicyStepConfig *config,
                                 VardExecutable *executable,
                                 const VardPolicyState *states,
                                 guint n_states,
                                 double share,
                                 double w_max,
                                 GError **error);

/* kl and kl_capped from the squared change of the model's output */
void vard_policy_sample_set_kl (VardPolicySample *self,
                                const VardSamplerStep *step,
                                double w_max,
                                double change);

G_END_DECLS
