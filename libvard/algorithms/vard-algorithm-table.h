/* vard-algorithm-table.h - the table of algorithms
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "algorithms/vard-algorithm.h"

G_BEGIN_DECLS

/* Every class of algorithm: those of the library in the order of their table, then those that other
 * code has registered with GType, by name; (transfer container) */
GType *vard_algorithm_list_types (guint *n_types);
/* Borrowed for good: a static class is never freed */
VardAlgorithmClass *vard_algorithm_peek_class (GType type);
/* G_TYPE_INVALID with an error that suggests a name when there is no such algorithm */
GType vard_algorithm_find_type (const char *name, GError **error);

G_END_DECLS
