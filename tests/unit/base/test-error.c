/* test-error.c - the error domain has one name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

static void
test_error_quark (void)
{
  g_assert_cmpstr (g_quark_to_string (VARD_ERROR), ==, "vard-error-quark");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/quark", test_error_quark);
  return g_test_run ();
}
