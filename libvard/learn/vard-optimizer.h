/* vard-optimizer.h - AdamW on flat tensors, with the gradient's norm clipped
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "comm/vard-communicator.h"
#include "learn/vard-parameter-set.h"

G_BEGIN_DECLS

typedef struct _VardOptimizer VardOptimizer;

/* What may change from one update to the next */
typedef struct
{
  double learning_rate;
  double beta1, beta2, epsilon;
  double weight_decay;
  double clip_norm;
} VardOptimizerNumbers;

/* @ema: decay of an average of the weights, 0 for none. @set must outlive the optimizer. */
VardOptimizer *vard_optimizer_new (VardParameterSet *set, double ema, GError **error);
void vard_optimizer_free (VardOptimizer *self);
/* Every update begins with the sum of the gradients over the ranks. Without a communicator, or with
 * one rank, there is nothing to add. */
void vard_optimizer_set_communicator (VardOptimizer *self, VardCommunicator *communicator);
/* Applies the summed gradients and clears them. VARD_ERROR_DIVERGED, and nothing is changed, when
 * they are not finite. @norm: before clipping. */
gboolean vard_optimizer_update (VardOptimizer *self,
                                const VardOptimizerNumbers *numbers,
                                double *norm,
                                GCancellable *cancellable,
                                GError **error);
guint64 vard_optimizer_get_n_updates (VardOptimizer *self);
void vard_optimizer_set_n_updates (VardOptimizer *self, guint64 n_updates);
/* flat, like the weights; the average is NULL without ema */
VardTensor *vard_optimizer_peek_mean (VardOptimizer *self);
VardTensor *vard_optimizer_peek_square (VardOptimizer *self);
VardTensor *vard_optimizer_peek_average (VardOptimizer *self);
/* Bytes of gradients, moments and average */
gsize vard_optimizer_count_bytes (VardOptimizer *self);
/* Puts the average in the weights' place, and back: call it in pairs; nothing happens without ema
 */
gboolean vard_optimizer_swap_average (VardOptimizer *self, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardOptimizer, vard_optimizer_free)

G_END_DECLS
