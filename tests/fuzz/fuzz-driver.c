/* fuzz-driver.c - runs a fuzz target over mutated seeds
 *
 * Arguments are files to run instead, such as one that crashed. The last input is kept in
 * fuzz-last.bin when FUZZ_KEEP is set.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz-driver.h"

#include <string.h>

#define SECONDS 1.0
#define MAX_GROWTH 64

/* clang-format off */
static const char *const tokens[] = {
  "{", "}", "[", "]", ",", ":", "\"", "\\u0000", "\\", "null", "true", "-1", "0", "1e99",
  "18446744073709551616",
  "9223372036854775807", "\"shape\"", "\"data_offsets\"", "</w>", "<|endoftext|>", "\xff", "\xc3",
  "\xe2\x80", "\n",
};
/* clang-format on */

static void
mutate (GByteArray *bytes)
{
  guint at = bytes->len ? (guint) g_test_rand_int_range (0, bytes->len) : 0;
  const char *token = tokens[g_test_rand_int_range (0, G_N_ELEMENTS (tokens))];
  guint n = MIN (strlen (token), bytes->len - at);

  switch (g_test_rand_int_range (0, 6))
    {
    case 0:
      if (bytes->len)
        bytes->data[at] ^= 1u << g_test_rand_int_range (0, 8);
      break;
    case 1:
      if (bytes->len)
        bytes->data[at] = g_test_rand_int ();
      break;
    case 2: memcpy (bytes->data + at, token, n); break;
    case 3: g_byte_array_set_size (bytes, at); break;
    case 4:
      if (bytes->len)
        g_byte_array_remove_range (bytes, at,
                                   g_test_rand_int_range (0, MIN (bytes->len - at, 16) + 1));
      break;
    default:
      {
        g_autofree guint8 *copy = g_memdup2 (bytes->data + at, MIN (bytes->len - at, MAX_GROWTH));

        g_byte_array_append (bytes, copy, copy != NULL ? MIN (bytes->len - at, MAX_GROWTH) : 0);
      }
    }
}

static void
run (const guint8 *data, gsize size)
{
  if (g_getenv ("FUZZ_KEEP") != NULL)
    g_file_set_contents ("fuzz-last.bin", (const char *) data, size, NULL);
  LLVMFuzzerTestOneInput (data, size);
}

static void
test_mutations (void)
{
  gint64 end = g_get_monotonic_time () + SECONDS * G_USEC_PER_SEC;
  guint n_seeds = 0, n_runs = 0;

  for (;; n_seeds++)
    {
      g_autoptr (GBytes) seed = fuzz_target_get_seed (n_seeds);

      if (seed == NULL)
        break;
      run (g_bytes_get_data (seed, NULL), g_bytes_get_size (seed));
    }
  g_assert_cmpuint (n_seeds, >, 0);
  while (g_get_monotonic_time () < end)
    {
      g_autoptr (GBytes) seed = fuzz_target_get_seed (g_test_rand_int_range (0, n_seeds));
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      g_byte_array_append (bytes, g_bytes_get_data (seed, NULL), g_bytes_get_size (seed));
      for (int i = g_test_rand_int_range (1, 6); i > 0; i--)
        mutate (bytes);
      run (bytes->data, bytes->len);
      n_runs++;
    }
  g_test_message ("%u inputs", n_runs);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (int i = 1; i < argc; i++)
    {
      g_autofree char *data = NULL;
      gsize size;

      if (g_file_get_contents (argv[i], &data, &size, NULL))
        run ((const guint8 *) data, size);
    }
  if (argc > 1)
    return 0;
  g_test_add_func ("/fuzz/mutations", test_mutations);
  return g_test_run ();
}
