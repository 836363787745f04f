/* vard-vard-algorithm-private.h - VARD's members, which the files of its phases share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "algorithms/vard/vard-kl-controller.h"
#include "algorithms/vard/vard-policy-step.h"
#include "algorithms/vard/vard-value-fit.h"
#include "algorithms/vard/vard-vard-algorithm.h"
#include "algorithms/vard/vard-vard-settings.h"
#include "learn/vard-trajectory-store.h"

G_BEGIN_DECLS

typedef enum
{
  VARD_VARD_PHASE_POOL,
  VARD_VARD_PHASE_VALUE_FIT,
  VARD_VARD_N_PHASES,
} VardVardPhase;

/* Norms of the value's gradient at one step of the sampler, the newest ones */
#define VARD_VARD_N_NORMS 64

typedef struct
{
  guint count; /* ever */
  float norms[VARD_VARD_N_NORMS];
} VardNormHistory;

struct _VardVardAlgorithm
{
  VardAlgorithm parent_instance;

  VardTraining *training;           /* the trainer's */
  const VardVardSettings *settings; /* the parent's */

  VardPolicyStep *policy;
  VardKlMeter *meter;
  VardModule *value_net;
  VardValueFit *value;

  /* everything below is what a checkpoint keeps */
  guint64 pool_next; /* trajectories asked for so far */
  guint64 fit_updates;
  VardTrajectoryStore *pool;
  GArray *pool_scores;       /* double [n][n_components] raw, NaN where there is none */
  GArray *pool_valid;        /* guint: pool trajectories that have a total */
  VardTrajectoryStore *ring; /* NULL without value refresh */
  double *ring_scores;       /* [ring-size][n_components] raw; NULL unless whitening is running */
  double reward_mean, reward_sd; /* of the pool's totals: the unit of the value */
  double *r2;                    /* [n_states] held-out, per state */
  double fit_loss;
  VardKlController kl;
  VardNormHistory *histories; /* [n_steps] */
};

/* ---- vard-vard-pool.c ---- */

gboolean vard_vard_algorithm_advance_pool (VardVardAlgorithm *self,
                                           gboolean *is_done,
                                           GCancellable *cancellable,
                                           GError **error);
/* The totals of the pool, and which of its pictures have one */
gboolean vard_vard_algorithm_settle_pool (VardVardAlgorithm *self, GError **error);
/* With running whitening: the targets of pool and ring in the newest units */
void vard_vard_algorithm_rewhiten (VardVardAlgorithm *self);

/* ---- vard-vard-value.c ---- */

gboolean vard_vard_algorithm_advance_value_fit (VardVardAlgorithm *self,
                                                gboolean *is_done,
                                                GCancellable *cancellable,
                                                GError **error);
/* What the value network is told of a state of a trajectory */
double vard_vard_algorithm_get_value_time (VardVardAlgorithm *self, guint state);
/* One update of the value network, from the ring too when there is one */
gboolean vard_vard_algorithm_update_value (VardVardAlgorithm *self,
                                           double learning_rate,
                                           double ring_share,
                                           double *loss,
                                           GCancellable *cancellable,
                                           GError **error);

/* ---- vard-vard-step.c ---- */

VardMetrics *vard_vard_algorithm_step (VardAlgorithm *algorithm,
                                       GCancellable *cancellable,
                                       GError **error);

/* ---- vard-vard-state.c ---- */

gboolean vard_vard_algorithm_save (VardAlgorithm *algorithm,
                                   VardStateWriter *writer,
                                   const char *directory,
                                   GError **error);
gboolean vard_vard_algorithm_load (VardAlgorithm *algorithm,
                                   VardStateReader *reader,
                                   const char *directory,
                                   guint n_done,
                                   GError **error);

G_END_DECLS
