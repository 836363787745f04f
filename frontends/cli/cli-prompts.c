/* cli-prompts.c - reads the prompts of a command, and reports the words that a model cuts off
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-prompts.h"

#include <stdio.h>
#include <string.h>

#define N_SHOWN 5 /* prompts */
#define N_WORDS 6 /* of what is cut */

char **
cli_prompts_load (char **named, const char *path, GError **error)
{
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();

  if (named != NULL)
    g_strv_builder_addv (list, (const char **) named);
  if (path != NULL && *path)
    {
      g_autoptr (VardPromptSource) source = vard_prompt_source_new_from_file (path, error);

      if (source == NULL)
        return NULL;
      for (guint i = 0; i < vard_prompt_source_get_count (source); i++)
        g_strv_builder_add (list, vard_prompt_source_get_text (source, i));
    }

  g_auto (GStrv) prompts = g_strv_builder_end (list);

  if (*prompts != NULL)
    return g_steal_pointer (&prompts);
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
               "no prompt is given: use --prompt or --prompts");

  return NULL;
}

/* its first words, and how many there are; (transfer full) */
static char *
cli_quote_words (const char *text, guint *n_words)
{
  g_auto (GStrv) parts = g_strsplit_set (text, " \t\n\r", -1);
  g_autoptr (GString) quoted = g_string_new (NULL);

  *n_words = 0;
  for (guint i = 0; parts[i] != NULL; i++)
    if (*parts[i] && (*n_words)++ < N_WORDS)
      {
        g_autofree char *word =
          g_utf8_strlen (parts[i], -1) > 30 ? g_utf8_substring (parts[i], 0, 30) : NULL;

        g_string_append_printf (quoted, "%s%s%s", quoted->len ? " " : "",
                                word != NULL ? word : parts[i], word != NULL ? "..." : "");
      }

  return g_string_free (g_steal_pointer (&quoted), FALSE);
}

static void
cli_say_cut (const char *prompt, gsize at, guint n_tokens)
{
  guint n_cut, n_all;
  g_autofree char *cut = cli_quote_words (prompt + at, &n_cut),
                  *all = cli_quote_words (prompt, &n_all);

  fprintf (stderr, "prompt \"%s%s\" is longer than %u tokens: ", all, n_all > N_WORDS ? " ..." : "",
           n_tokens);
  if (n_cut > N_WORDS)
    fprintf (stderr, "its last %u words are cut, from \"%s\" on\n", n_cut, cut);
  else
    fprintf (stderr, "\"%s\" is cut\n", cut);
}

void
cli_prompts_say_cuts (VardModel *model, const char *const *prompts)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  guint n_cut = 0;

  for (guint i = 0; prompts[i] != NULL; i++)
    {
      guint n_tokens;
      gsize at = vard_model_find_cut (model, prompts[i], &n_tokens);

      if (!prompts[i][at] || !g_hash_table_add (seen, (gpointer) prompts[i]))
        continue;
      if (n_cut++ < N_SHOWN)
        cli_say_cut (prompts[i], at, n_tokens);
    }
  if (n_cut > N_SHOWN)
    fprintf (stderr, "and %u more prompts are cut\n", n_cut - N_SHOWN);
}
