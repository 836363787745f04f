/* vard-suggest.c - finds the known name nearest to a mistyped one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-suggest.h"
#include "base/vard-error.h"

#include <string.h>

/* Longer words are nobody's typing error, and the cost is quadratic. */
#define MAX_LENGTH 64
/* More names than these are no help in a message. */
#define MAX_LISTED 16

/* Insertions, deletions, substitutions and swaps of neighbours that turn a into b
 * (optimal string alignment); rows are those of the last three prefixes of a. */
static guint
vard_suggest_distance (const char *a, const char *b)
{
  guint rows[3][MAX_LENGTH + 1];
  gsize n = strlen (b);

  for (guint j = 0; j <= n; j++)
    rows[0][j] = j;
  for (guint i = 1; a[i - 1] != 0; i++)
    {
      guint *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

      row[0] = i;
      for (guint j = 1; j <= n; j++)
        {
          row[j] = MIN (MIN (last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
          if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
            row[j] = MIN (row[j], before[j - 2] + 1);
        }
    }

  return rows[strlen (a) % 3][n];
}

/* Case, '_' and '-' are no difference */
static char *
vard_suggest_fold (const char *word)
{
  return g_strdelimit (g_ascii_strdown (word, -1), "_", '-');
}

/**
 * vard_suggest:
 * @word: what somebody wrote
 * @candidates: (array zero-terminated=1): the names there are
 *
 * Finds the name that was probably meant: at most a third of its letters differ, counting a
 * swap of two neighbours as one, or it begins with @word.
 *
 * Returns: (nullable) (transfer none): one of @candidates, or %NULL when none is near
 */
const char *
vard_suggest (const char *word, const char *const *candidates)
{
  g_return_val_if_fail (word != NULL && candidates != NULL, NULL);

  g_autofree char *folded = vard_suggest_fold (word);
  gsize length = strlen (folded);
  const char *best = NULL, *longer = NULL;
  guint best_distance = G_MAXUINT;

  if (length == 0 || length > MAX_LENGTH)
    return NULL;
  for (guint i = 0; candidates[i] != NULL; i++)
    {
      g_autofree char *candidate = vard_suggest_fold (candidates[i]);
      gsize n = strlen (candidate);

      if (n > MAX_LENGTH)
        continue;
      guint distance = vard_suggest_distance (folded, candidate);
      if (distance < best_distance && distance <= MAX (MAX (n, length) / 3, 1))
        {
          best = candidates[i];
          best_distance = distance;
        }
      if (longer == NULL && length >= 2 && g_str_has_prefix (candidate, folded))
        longer = candidates[i];
    }

  return best != NULL ? best : longer;
}

/**
 * vard_suggest_error:
 * @kind: what the names are names of, as in "there is no reward"
 * @word: what somebody wrote, which is none of the names
 * @candidates: (array zero-terminated=1): the names there are
 * @error: return location for an error
 *
 * Sets a %VARD_ERROR_USAGE that says that there is no such name, with the name that was probably
 * meant, or else with all names if they are few.
 */
void
vard_suggest_error (const char *kind,
                    const char *word,
                    const char *const *candidates,
                    GError **error)
{
  g_return_if_fail (kind != NULL && word != NULL && candidates != NULL);

  const char *near = vard_suggest (word, candidates);
  guint n = g_strv_length ((char **) candidates);
  g_autofree char *all = n > 0 ? g_strjoinv (", ", (char **) candidates) : g_strdup ("none");

  if (near != NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "there is no %s \"%s\"; did you mean \"%s\"?",
                 kind, word, near);
  else if (n <= MAX_LISTED)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "there is no %s \"%s\" (there are: %s)", kind,
                 word, all);
  else
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "there is no %s \"%s\"", kind, word);
}
