/* random-search.h - the smallest algorithm there is: one number is changed at random, and kept when
 * the reward is higher
 *
 * The number is how far the trained weights go along a direction that the seed gives. It exists to
 * show and to test the seam of algorithms (docs/extending.md).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "algorithms/vard-algorithm.h"

G_BEGIN_DECLS

#define RANDOM_SEARCH_TYPE_SETTINGS (random_search_settings_get_type ())
G_DECLARE_FINAL_TYPE (RandomSearchSettings,
                      random_search_settings,
                      RANDOM_SEARCH,
                      SETTINGS,
                      GObject)

/* "random-search": one phase, "survey", then steps */
#define RANDOM_SEARCH_TYPE_ALGORITHM (random_search_get_type ())
G_DECLARE_FINAL_TYPE (RandomSearch, random_search, RANDOM_SEARCH, ALGORITHM, VardAlgorithm)

G_END_DECLS
