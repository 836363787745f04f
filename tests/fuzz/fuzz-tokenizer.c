/* fuzz-tokenizer.c - any bytes as a prompt, and as a vocabulary
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz-driver.h"

#include <string.h>
#include <vard-internal.h>

#include "clip/vard-clip-bpe.h"
#include "clip/vard-clip-tokenizer.h"

#define N_IDS 16

static const char *const seeds[] = {
  "A red apple, it's <|endoftext|> caf\xc3\xa9 \xf0\x9f\x8d\x8e 42!?",
  "\xc4\xb0stanbul \xce\xa3\xe2\x85\xa7 <|startoftext|>\xe2\x80\xa8x",
  "{\"a\":0,\"b</w>\":1,\"ab</w>\":2,\"<|endoftext|>\":3}",
};

GBytes *
fuzz_target_get_seed (guint i)
{
  return i < G_N_ELEMENTS (seeds) ? g_bytes_new_static (seeds[i], strlen (seeds[i])) : NULL;
}

static VardClipTokenizer *
get_tokenizer (void)
{
  static VardClipTokenizer *tokenizer;
  g_autofree char *folder =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "tokenizer", NULL);

  if (tokenizer == NULL)
    tokenizer = vard_clip_tokenizer_new (folder, NULL);
  g_assert_nonnull (tokenizer);
  return tokenizer;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  VardClipTokenizer *tokenizer = get_tokenizer ();
  g_autofree char *text = g_strndup ((const char *) data, size);
  const char *path = fuzz_driver_path (data, size);
  g_autoptr (VardClipBpe) as_vocabulary = vard_clip_bpe_new (path, "/dev/null", NULL);
  g_autoptr (GError) error = NULL;
  gint32 ids[N_IDS];
  guint n_valid = 0;

  if (!vard_clip_tokenizer_encode (tokenizer, text, ids, N_IDS, &n_valid, NULL, &error))
    {
      g_assert_nonnull (error);
      return 0;
    }
  g_assert_cmpuint (n_valid, >=, 2);
  g_assert_cmpuint (n_valid, <=, N_IDS);
  for (guint i = 0; i < N_IDS; i++)
    g_assert_true (ids[i] >= 0 && ids[i] < vard_clip_tokenizer_get_n_ids (tokenizer));
  return 0;
}
