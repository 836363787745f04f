/* vard-vard-algorithm.h - VARD: learns the value of noisy states, then follows it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "algorithms/vard-algorithm.h"

G_BEGIN_DECLS

#define VARD_TYPE_VARD_ALGORITHM (vard_vard_algorithm_get_type ())
G_DECLARE_FINAL_TYPE (VardVardAlgorithm, vard_vard_algorithm, VARD, VARD_ALGORITHM, VardAlgorithm)

G_END_DECLS
