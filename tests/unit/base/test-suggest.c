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

static void
test_suggest_error (void)
{
  const char *many[32] = { NULL };
  const struct
  {
    const char *word, *const *candidates, *says;
  } cases[] = {
    { "kl_wieght", names, "there is no knob \"kl_wieght\"; did you mean \"kl-weight\"?" },
    { "zebra", names,
      "there is no knob \"zebra\" (there are: kl-weight, kl-target, steps, seed, guidance-scale)" },
    { "zebra", names + G_N_ELEMENTS (names) - 1, "there is no knob \"zebra\" (there are: none)" },
    { "zebra", many, "there is no knob \"zebra\"" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (many) - 1; i++)
    many[i] = "a-name-among-many";
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      vard_suggest_error ("knob", cases[i].word, cases[i].candidates, &error);
      g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
      g_assert_cmpstr (error->message, ==, cases[i].says);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/suggest/rows", test_suggest_rows);
  g_test_add_func ("/suggest/error", test_suggest_error);
  return g_test_run ();
}
