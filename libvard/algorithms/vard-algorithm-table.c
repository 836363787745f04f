/* vard-algorithm-table.c - the table of algorithms
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard-algorithm-table.h"

#include "algorithms/vard/vard-vard-algorithm.h"
#include "base/vard-error.h"
#include "base/vard-suggest.h"

#include <stdlib.h>

static GType (*const table[]) (void) = {
  vard_vard_algorithm_get_type,
};

VardAlgorithmClass *
vard_algorithm_peek_class (GType type)
{
  gpointer klass = g_type_class_peek_static (type);

  return klass != NULL ? klass : g_type_class_ref (type);
}

static int
vard_algorithm_compare_types (const void *a, const void *b)
{
  return g_strcmp0 (vard_algorithm_peek_class (*(const GType *) a)->name,
                    vard_algorithm_peek_class (*(const GType *) b)->name);
}

/* The type system is the registry, so there is no second one to keep in step */
GType *
vard_algorithm_list_types (guint *n_types)
{
  g_autoptr (GArray) types = g_array_new (FALSE, FALSE, sizeof (GType));
  g_autofree GType *children = NULL;
  guint n_children;

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      GType type = table[i]();

      g_array_append_val (types, type);
    }
  children = g_type_children (VARD_TYPE_ALGORITHM, &n_children);
  qsort (children, n_children, sizeof (GType), vard_algorithm_compare_types);
  for (guint i = 0; i < n_children; i++)
    {
      gboolean is_known = FALSE;

      for (guint k = 0; k < G_N_ELEMENTS (table); k++)
        is_known = is_known || g_array_index (types, GType, k) == children[i];
      if (!is_known)
        g_array_append_val (types, children[i]);
    }
  *n_types = types->len;

  return (GType *) g_array_free (g_steal_pointer (&types), FALSE);
}

GType
vard_algorithm_find_type (const char *name, GError **error)
{
  guint n_types;
  g_autofree GType *types = vard_algorithm_list_types (&n_types);
  g_autofree const char **names = g_new0 (const char *, n_types + 1);

  for (guint i = 0; i < n_types; i++)
    {
      names[i] = vard_algorithm_peek_class (types[i])->name;
      if (g_strcmp0 (name, names[i]) == 0)
        return types[i];
    }

  vard_suggest_error ("algorithm", name, names, error);

  return G_TYPE_INVALID;
}
