/* test-tokenizer-strings.c - ten thousand strings against CLIPTokenizerFast, by a hash for each
 * hundred
 *
 * String i is a formula, the same as in check-tokenizer.py, which compares each string where
 * transformers is at hand. With --print FOLDER this program says what it makes of them, a line a
 * string.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "clip/vard-clip-tokenizer.h"

#include <stdio.h>
#include <string.h>

#define N 10000
#define BLOCK 100
#define LENGTH 77
#define N_HEX 16

/* clang-format off */
static const char *const words[] = {
  "red", "apple", "Cat", "FACE", "sunflower", "a", "the", "of", "photograph", "Qwxzk",
  "e\314\201te\314\201", "\303\251t\303\251", "Stra\303\237e", "\304\260stanbul",
  "\320\234\320\230\320\240", "\316\243\316\221\316\243", "\346\227\245\346\234\254\350\252\236",
  "masterpiece,", "(best", "quality:1.2)", "8k", "high-res", "1girl", "x",
};
static const char *const spaces[] = {
  " ", "  ", "\011", "\012", "\015\012", "\013", "\014", "\302\205", "\302\240", "\341\232\200",
  "\342\200\203", "\342\200\250", "\342\200\251", "\342\200\257", "\342\201\237", "\343\200\200",
};
static const char *const emoji[] = {
  "\360\237\215\216", "\360\237\220\210\342\200\215\342\254\233", "\342\235\244\357\270\217",
  "\360\237\221\250\342\200\215\360\237\221\251\342\200\215\360\237\221\247",
  "\360\237\207\251\360\237\207\252", "\360\237\221\215\360\237\217\275", "\342\232\241",
  "1\357\270\217\342\203\243",
};
/* clang-format on */
static const char *const endings[] = {
  "'s", "'S", "'t", "'T",  "'re", "'ve", "'m", "'ll", "'LL", "'d", "\342\200\231s",
  "'",  "''", "'x", "'sa", "`s",
};
static const char *const numbers[] = {
  "0",        "7",        "42",  "3.14", "1,000", "1e-5",       "\302\275",     "\342\205\247",
  "\331\243", "\302\262", "007", "1st",  "16:9",  "2\303\2274", "\342\221\240", "\357\274\225",
};
static const char *const controls[] = {
  "\001",         "\007",         "\010",         "\033",
  "\037",         "\177",         "\302\200",     "\302\237",
  "\302\255",     "\342\200\213", "\342\200\215", "\342\200\216",
  "\357\273\277", "\357\277\275", "\357\277\277", "\364\217\277\277",
};
static const char *const specials[] = {
  "<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>", "</w>", "<|", "|>", "\304\240", "\304\200",
};
static const gunichar ranges[][2] = {
  { 0xa1, 0x17f },      { 0x250, 0x2af },     { 0x300, 0x36f },     { 0x391, 0x3a1 },
  { 0x400, 0x45f },     { 0x5d0, 0x5ea },     { 0x627, 0x64a },     { 0x905, 0x939 },
  { 0xe01, 0xe2e },     { 0x1100, 0x1112 },   { 0x1161, 0x1175 },   { 0x1e00, 0x1eff },
  { 0x1f00, 0x1f15 },   { 0x2010, 0x205e },   { 0x2100, 0x214d },   { 0x2150, 0x2188 },
  { 0x2190, 0x21ff },   { 0x2460, 0x24ff },   { 0x2600, 0x26ff },   { 0x3041, 0x3096 },
  { 0x30a1, 0x30fa },   { 0x4e00, 0x9fa5 },   { 0xac00, 0xd7a3 },   { 0xfb00, 0xfb06 },
  { 0xff01, 0xff5e },   { 0x10400, 0x1044f }, { 0x1d400, 0x1d454 }, { 0x1f300, 0x1f320 },
  { 0x1f600, 0x1f640 },
};

static const char signs[] = "abcxyzABCXYZ0189 .,;:!?'\"()[]{}<>|/\\_-+=*&^%$#@~`";

/* splitmix64 */
static guint64
draw (guint64 *state, guint64 n)
{
  guint64 z = *state += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  z = (z ^ z >> 30) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * G_GUINT64_CONSTANT (0x94d049bb133111eb);

  return (z ^ z >> 31) % n;
}

#define PICK(table) table[draw (state, G_N_ELEMENTS (table))]

static void
add_sign (GString *text, guint64 *state)
{
  g_string_append_c (text, signs[draw (state, strlen (signs))]);
}

static void
add_letter (GString *text, guint64 *state)
{
  const gunichar *range = PICK (ranges);

  g_string_append_unichar (text, range[0] + draw (state, range[1] - range[0] + 1));
}

static void
add_space_once_in (GString *text, guint64 *state, guint n)
{
  if (draw (state, n) == 0)
    g_string_append_c (text, ' ');
}

static void
add_word (GString *text, guint64 *state, guint kind)
{
  static const char *const *const tables[] = { words, words, NULL, NULL, emoji, words, numbers };
  static const guint counts[] = {
    G_N_ELEMENTS (words), G_N_ELEMENTS (words),  0, 0, G_N_ELEMENTS (emoji),
    G_N_ELEMENTS (words), G_N_ELEMENTS (numbers)
  };

  if (kind < G_N_ELEMENTS (tables) && tables[kind] != NULL)
    g_string_append (text, tables[kind][draw (state, counts[kind])]);
  switch (kind)
    {
    case 0: g_string_append_c (text, ' '); break;
    case 1: g_string_append (text, PICK (spaces)); break;
    case 2: add_sign (text, state); break;
    case 3: add_letter (text, state); break;
    case 5:
      g_string_append (text, PICK (endings));
      add_space_once_in (text, state, 3);
      break;
    case 4:
    case 6: add_space_once_in (text, state, kind == 4 ? 3 : 2); break;
    case 7:
      if (draw (state, 2) != 0)
        g_string_append (text, PICK (controls));
      else
        add_sign (text, state);
      break;
    default: g_string_append (text, PICK (specials));
    }
}

/* far too long: words, or one endless word */
static void
add_long (GString *text, guint64 *state)
{
  if (draw (state, 2) != 0)
    {
      guint n = 100 + draw (state, 300);

      for (guint i = 0; i < n; i++)
        add_word (text, state, 0);
      return;
    }

  g_autoptr (GString) part = g_string_new (NULL);
  add_word (part, state, 2 + draw (state, 3));
  guint n = 200 + draw (state, 1000);

  for (guint i = 0; i < n; i++)
    g_string_append (text, part->str);
}

static char *
make_string (guint i)
{
  guint64 state = (i + 1) * G_GUINT64_CONSTANT (0xd1342543de82ef95);
  GString *text = g_string_new (NULL);
  guint kind = i % 10;

  if (kind == 8)
    add_long (text, &state);
  else
    for (guint n = draw (&state, 41); n > 0; n--)
      add_word (text, &state, kind == 9 ? draw (&state, 9) : kind);

  return g_string_free (text, FALSE);
}

/* ids with spaces between; (transfer full) */
static char *
tokenize (VardClipTokenizer *tokenizer, const char *text)
{
  gint32 ids[LENGTH];
  guint n_valid;
  g_autoptr (GError) error = NULL;
  GString *line = g_string_new (NULL);

  vard_clip_tokenizer_encode (tokenizer, text, ids, LENGTH, &n_valid, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < LENGTH; i++)
    g_string_append_printf (line, i > 0 ? " %d" : "%d", ids[i]);

  return g_string_free (line, FALSE);
}

static char *
hash_block (VardClipTokenizer *tokenizer, guint block)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  for (guint i = block * BLOCK; i < (block + 1) * BLOCK; i++)
    {
      g_autofree char *text = make_string (i);
      g_autofree char *ids = tokenize (tokenizer, text);

      g_checksum_update (sum, (const guchar *) text, strlen (text) + 1);
      g_checksum_update (sum, (const guchar *) ids, strlen (ids));
      g_checksum_update (sum, (const guchar *) "\n", 1);
    }

  return g_strndup (g_checksum_get_string (sum), N_HEX);
}

static void
check_vocabulary (const char *name, const char *folder)
{
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "tokenizer-strings.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VardClipTokenizer) tokenizer = vard_clip_tokenizer_new (folder, &error);

  g_assert_no_error (error);
  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);

  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  JsonArray *blocks =
    json_object_get_array_member (json_object_get_object_member (root, "blocks"), name);

  g_assert_cmpint (json_object_get_int_member (root, "length"), ==, LENGTH);
  g_assert_cmpuint (json_array_get_length (blocks), ==, N / BLOCK);
  for (guint i = 0; i < N / BLOCK; i++)
    {
      g_autofree char *hash = hash_block (tokenizer, i);

      if (strcmp (hash, json_array_get_string_element (blocks, i)) != 0)
        g_test_message ("strings %u to %u differ", i * BLOCK, (i + 1) * BLOCK - 1);
      g_assert_cmpstr (hash, ==, json_array_get_string_element (blocks, i));
    }
}

static void
test_tokenizer_strings_emoji (void)
{
  g_autofree char *folder =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "tokenizer", NULL);

  check_vocabulary ("emoji", folder);
}

static void
test_tokenizer_strings_bytes (void)
{
  g_autofree char *folder =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "data", "tiny-model", "tokenizer", NULL);

  check_vocabulary ("bytes", folder);
}

static int
print_all (const char *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardClipTokenizer) tokenizer = vard_clip_tokenizer_new (folder, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < N; i++)
    {
      g_autofree char *text = make_string (i);
      g_autofree char *ids = tokenize (tokenizer, text);

      puts (ids);
    }

  return 0;
}

int
main (int argc, char **argv)
{
  if (argc == 3 && strcmp (argv[1], "--print") == 0)
    return print_all (argv[2]);

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tokenizer-strings/emoji", test_tokenizer_strings_emoji);
  g_test_add_func ("/tokenizer-strings/bytes", test_tokenizer_strings_bytes);
  return g_test_run ();
}
