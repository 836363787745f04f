/* vard-value-fit.h - fits the value network to final rewards by regression
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "learn/vard-optimizer.h"
#include "models/vard-model-class.h"
#include "algorithms/vard/vard-value-function.h"

G_BEGIN_DECLS

typedef struct _VardValueFit VardValueFit;

/* A noisy state with the whitened reward that its trajectory ended with */
typedef struct
{
  const float *x; /* [state_size] */
  double time;
  const VardCondition *condition;
  double target;
} VardValueState;

/* @n: states of one update */
VardValueFit *vard_value_fit_new (VardEngine *engine,
                                  VardModel *model,
                                  const VardValueFunction *value,
                                  guint n,
                                  GError **error);
void vard_value_fit_free (VardValueFit *self);
/* One update on n states; VARD_ERROR_DIVERGED when the loss is not finite */
gboolean vard_value_fit_update (VardValueFit *self,
                                const VardValueState *states,
                                const VardOptimizerNumbers *numbers,
                                double *loss,
                                GCancellable *cancellable,
                                GError **error);
/* Any number of states; targets are not read */
gboolean vard_value_fit_predict (VardValueFit *self,
                                 const VardValueState *states,
                                 guint n_states,
                                 float *values,
                                 GCancellable *cancellable,
                                 GError **error);
VardParameterSet *vard_value_fit_peek_parameters (VardValueFit *self);
VardOptimizer *vard_value_fit_peek_optimizer (VardValueFit *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardValueFit, vard_value_fit_free)

G_END_DECLS
