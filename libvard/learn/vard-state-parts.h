/* vard-state-parts.h - what a checkpoint is made of: trained weights with their optimizer, and
 * stores of trajectories
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "learn/vard-optimizer.h"
#include "learn/vard-state-file.h"
#include "learn/vard-trajectory-store.h"

G_BEGIN_DECLS

/* PREFIX/weights, /mean, /square, /average where there is one, and the number PREFIX-updates */
void vard_state_writer_add_fit (VardStateWriter *self,
                                const char *prefix,
                                VardParameterSet *set,
                                VardOptimizer *optimizer);
gboolean vard_state_reader_read_fit (VardStateReader *self,
                                     const char *prefix,
                                     VardParameterSet *set,
                                     VardOptimizer *optimizer,
                                     GError **error);

/* PREFIX/states, /prompts, /seeds, /rewards, and the number PREFIX-pushed */
void vard_state_writer_add_store (VardStateWriter *self,
                                  const char *prefix,
                                  VardTrajectoryStore *store);
/* @n_prompts: of the run, which the trajectories' have to be among */
gboolean vard_state_reader_read_store (VardStateReader *self,
                                       const char *prefix,
                                       VardTrajectoryStore *store,
                                       guint n_prompts,
                                       GError **error);

G_END_DECLS
