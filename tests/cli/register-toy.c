/* register-toy.c - the command line with one more algorithm: what a folder below
 * libvard/algorithms/ and a line in its table would add
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "random-search.h"

__attribute__ ((constructor)) static void
register_toy (void)
{
  g_type_ensure (RANDOM_SEARCH_TYPE_ALGORITHM);
}
