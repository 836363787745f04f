/* test-suggest.c - mistyped names and what is suggested for them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

static const char *const names[] = { "kl-weight", "kl-target",      "steps",
                                     "seed",      "guidance-scale", NULL };

static const struct
{
  const char *word, *expected;
} rows[] = {
  { "kl-wieght", "kl-weight" }, /* a swap is one error */
  { "kl_weight", "kl-weight" },
  { "KL-Weight", "kl-weight" },
  { "step", "steps" },
  { "sede", "seed" },
  { "guidance", "guidance-scale" }, /* a beginning */
  { "guidence-scale", "guidance-scale" },
  { "zebra", NULL },
  { "s", NULL },
  { "", NULL },
  { "a-very-long-word-that-nobody-would-ever-have-typed-for-any-of-these-names-at-all", NULL },
};

static void
test_suggest_rows (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpstr (vard_suggest (rows[i].word, names), ==, rows[i].expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/suggest/rows", test_suggest_rows);
  return g_test_run ();
}
