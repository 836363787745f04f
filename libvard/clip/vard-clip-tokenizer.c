/* vard-clip-tokenizer.c - CLIP's byte-level byte-pair encoding
 *
 * The tokenizer follows CLIPTokenizerFast. It takes special tokens out of the text, and composes
 * (NFC) and lower-cases the text between them. Words are runs of letters, single digits, runs of
 * other signs, and the English contractions. Each word is encoded as bytes. Letters and digits are
 * Unicode's classes L and N as GLib knows them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip-tokenizer.h"

#include "base/vard-error.h"
#include "clip/vard-clip-bpe.h"
#include "files/vard-config-reader.h"

#include <string.h>

/* far beyond any prompt; one endless word costs its length times its different merges */
#define MAX_TEXT (256 * 1024)
/* model_max_length is 1e30 in files that do not know it */
#define MAX_TOKENS 4096

typedef enum
{
  TOKEN_START,
  TOKEN_END,
  TOKEN_UNKNOWN,
  TOKEN_PADDING,
  N_TOKENS
} SpecialKind;

typedef struct
{
  char *text;
  gint32 id;
  gboolean is_normalized; /* looked for in the lower-cased text, not in the text as given */
} Special;

struct _VardClipTokenizer
{
  GObject parent_instance;

  VardClipBpe *bpe;
  Special specials[N_TOKENS];
  guint max_length;
};

G_DEFINE_FINAL_TYPE (VardClipTokenizer, vard_clip_tokenizer, G_TYPE_OBJECT)

static void
vard_clip_tokenizer_finalize (GObject *object)
{
  VardClipTokenizer *self = VARD_CLIP_TOKENIZER (object);

  g_clear_pointer (&self->bpe, vard_clip_bpe_free);
  for (guint i = 0; i < N_TOKENS; i++)
    g_free (self->specials[i].text);
  G_OBJECT_CLASS (vard_clip_tokenizer_parent_class)->finalize (object);
}

static void
vard_clip_tokenizer_class_init (VardClipTokenizerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_clip_tokenizer_finalize;
}

static void
vard_clip_tokenizer_init (VardClipTokenizer *self)
{
  for (guint i = 0; i < N_TOKENS; i++)
    self->specials[i].text = g_strdup (i == TOKEN_START ? "<|startoftext|>" : "<|endoftext|>");
}

/* a special token is given as a string or as an object with a content */
static void
vard_clip_tokenizer_read_special (Special *special, VardConfigReader *reader, const char *key)
{
  JsonNode *node = vard_config_reader_peek (reader, key);
  const char *text = NULL;

  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node))
    {
      JsonObject *object = json_node_get_object (node);

      text = json_object_get_string_member_with_default (object, "content", NULL);
      special->is_normalized =
        json_object_get_boolean_member_with_default (object, "normalized", FALSE);
    }
  else if (node != NULL)
    text = vard_config_reader_get_string (reader, key, NULL);
  if (text != NULL && *text)
    {
      g_free (special->text);
      special->text = g_strdup (text);
    }
}

static gboolean
vard_clip_tokenizer_read_settings (VardClipTokenizer *self,
                                   const char *folder,
                                   const char *name,
                                   GError **error)
{
  static const char *const keys[] = { "bos_token", "eos_token", "unk_token", "pad_token" };
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;

  g_autoptr (VardConfigReader) reader = vard_config_reader_new (path, error);

  if (reader == NULL)
    return FALSE;
  for (guint i = 0; i < N_TOKENS; i++)
    vard_clip_tokenizer_read_special (&self->specials[i], reader, keys[i]);

  double length = vard_config_reader_get_double (reader, "model_max_length", 0);

  if (length >= 1 && length <= MAX_TOKENS)
    self->max_length = length;

  return vard_config_reader_finish (reader, error);
}

static gboolean
vard_clip_tokenizer_find_specials (VardClipTokenizer *self, const char *folder, GError **error)
{
  for (guint i = 0; i < N_TOKENS; i++)
    {
      self->specials[i].id = vard_clip_bpe_lookup (self->bpe, self->specials[i].text);
      if (self->specials[i].id < 0)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                       "%s: the special token “%s” is not in the vocabulary", folder,
                       self->specials[i].text);
          return FALSE;
        }
    }

  return TRUE;
}

VardClipTokenizer *
vard_clip_tokenizer_new (const char *folder, GError **error)
{
  g_autoptr (VardClipTokenizer) self = g_object_new (VARD_TYPE_CLIP_TOKENIZER, NULL);
  g_autofree char *vocabulary = g_build_filename (folder, "vocab.json", NULL);
  g_autofree char *merges = g_build_filename (folder, "merges.txt", NULL);
  g_autofree char *json = g_build_filename (folder, "tokenizer.json", NULL);
  gboolean is_json = !g_file_test (vocabulary, G_FILE_TEST_EXISTS)
                     && g_file_test (json, G_FILE_TEST_EXISTS);

  self->bpe = is_json ? vard_clip_bpe_new_from_json (json, error)
                      : vard_clip_bpe_new (vocabulary, merges, error);
  if (self->bpe == NULL
      || !vard_clip_tokenizer_read_settings (self, folder, "special_tokens_map.json", error)
      || !vard_clip_tokenizer_read_settings (self, folder, "tokenizer_config.json", error)
      || !vard_clip_tokenizer_find_specials (self, folder, error))
    return NULL;

  return g_steal_pointer (&self);
}

guint
vard_clip_tokenizer_get_max_length (VardClipTokenizer *self)
{
  g_return_val_if_fail (VARD_IS_CLIP_TOKENIZER (self), 0);

  return self->max_length;
}

gint32
vard_clip_tokenizer_get_n_ids (VardClipTokenizer *self)
{
  g_return_val_if_fail (VARD_IS_CLIP_TOKENIZER (self), 0);

  return vard_clip_bpe_get_n_ids (self->bpe);
}

typedef enum
{
  CLASS_SPACE,
  CLASS_LETTER,
  CLASS_NUMBER,
  CLASS_SIGN
} CharacterClass;

static CharacterClass
vard_clip_tokenizer_classify (gunichar c)
{
  /* White_Space outside the Z categories */
  if ((c >= 0x09 && c <= 0x0d) || c == 0x85)
    return CLASS_SPACE;
  switch (g_unichar_type (c))
    {
    case G_UNICODE_SPACE_SEPARATOR:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR: return CLASS_SPACE;
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_OTHER_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
    case G_UNICODE_UPPERCASE_LETTER: return CLASS_LETTER;
    case G_UNICODE_DECIMAL_NUMBER:
    case G_UNICODE_LETTER_NUMBER:
    case G_UNICODE_OTHER_NUMBER: return CLASS_NUMBER;
    default: return CLASS_SIGN;
    }
}

static gsize
vard_clip_tokenizer_match_contraction (const char *at)
{
  static const char *const endings[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    if (g_str_has_prefix (at, endings[i]))
      return strlen (endings[i]);

  return 0;
}

/* the length of the run of one class that begins here; numbers stand alone */
static gsize
vard_clip_tokenizer_measure_run (const char *at, const char *end, CharacterClass class)
{
  const char *p = at;

  do
    p = g_utf8_next_char (p);
  while (class != CLASS_NUMBER && p < end
         && vard_clip_tokenizer_classify (g_utf8_get_char (p)) == class);

  return p - at;
}

/* The pattern of CLIP names these first, so signs do not run on behind them. What is left of them
 * at this point was written in capitals, and is no special token but three words. */
static gsize
vard_clip_tokenizer_match_marker (const char *at, const char *end)
{
  static const char *const markers[] = { "<|startoftext|>", "<|endoftext|>" };

  for (guint i = 0; i < G_N_ELEMENTS (markers); i++)
    if (strlen (markers[i]) <= end - at && g_str_has_prefix (at, markers[i]))
      return strlen (markers[i]);

  return 0;
}

static void
vard_clip_tokenizer_encode_marker (VardClipTokenizer *self,
                                   const char *at,
                                   gsize length,
                                   GArray *ids)
{
  gint32 unknown = self->specials[TOKEN_UNKNOWN].id;

  vard_clip_bpe_encode (self->bpe, at, 2, unknown, ids);
  vard_clip_bpe_encode (self->bpe, at + 2, length - 4, unknown, ids);
  vard_clip_bpe_encode (self->bpe, at + length - 2, 2, unknown, ids);
}

static void
vard_clip_tokenizer_encode_words (VardClipTokenizer *self,
                                  const char *text,
                                  gsize length,
                                  GArray *ids)
{
  const char *end = text + length;

  while (text < end)
    {
      gsize marker = vard_clip_tokenizer_match_marker (text, end);

      if (marker)
        {
          vard_clip_tokenizer_encode_marker (self, text, marker, ids);
          text += marker;
          continue;
        }

      CharacterClass class = vard_clip_tokenizer_classify (g_utf8_get_char (text));
      gsize n = vard_clip_tokenizer_match_contraction (text);

      if (n == 0)
        n = vard_clip_tokenizer_measure_run (text, end, class);
      if (class != CLASS_SPACE)
        vard_clip_bpe_encode (self->bpe, text, n, self->specials[TOKEN_UNKNOWN].id, ids);
      text += n;
    }
}

/* GLib lowers letters; Roman numerals and circled letters have a lower case too */
static gunichar
vard_clip_tokenizer_lower (gunichar c)
{
  if (c >= 0x2160 && c <= 0x216f)
    return c + 0x10;
  if (c >= 0x24b6 && c <= 0x24cf)
    return c + 0x1a;
  return g_unichar_tolower (c);
}

/* NFC, then lower case without regard to locale or context; U+0130 alone becomes two characters */
static char *
vard_clip_tokenizer_normalize (const char *text, gsize length)
{
  g_autofree char *composed = g_utf8_normalize (text, length, G_NORMALIZE_NFC);
  GString *lowered = g_string_new (NULL);

  for (const char *p = composed; *p; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c == 0x130)
        g_string_append (lowered, "i\xcc\x87");
      else
        g_string_append_unichar (lowered, vard_clip_tokenizer_lower (c));
    }

  return g_string_free (lowered, FALSE);
}

/* the special token that begins first, the longest of those */
static const char *
vard_clip_tokenizer_find_special (VardClipTokenizer *self,
                                  const char *text,
                                  gboolean is_normalized,
                                  Special **special)
{
  const char *found = NULL;

  for (guint i = 0; i < N_TOKENS; i++)
    {
      Special *candidate = &self->specials[i];
      const char *at = candidate->is_normalized == is_normalized ? strstr (text, candidate->text)
                                                                 : NULL;

      if (at != NULL
          && (found == NULL || at < found
              || (at == found && strlen (candidate->text) > strlen ((*special)->text))))
        {
          found = at;
          *special = candidate;
        }
    }

  return found;
}

/* text as given is split at special tokens and normalised between them, then split once more */
static void
vard_clip_tokenizer_encode_text (VardClipTokenizer *self,
                                 const char *text,
                                 gboolean is_normalized,
                                 GArray *ids)
{
  Special *special = NULL;
  const char *at;

  do
    {
      at = vard_clip_tokenizer_find_special (self, text, is_normalized, &special);

      gsize length = at != NULL ? (gsize) (at - text) : strlen (text);

      if (is_normalized)
        vard_clip_tokenizer_encode_words (self, text, length, ids);
      else
        {
          g_autofree char *normal = vard_clip_tokenizer_normalize (text, length);

          vard_clip_tokenizer_encode_text (self, normal, TRUE, ids);
        }
      if (at != NULL)
        {
          g_array_append_val (ids, special->id);
          text = at + strlen (special->text);
        }
    }
  while (at != NULL);
}

gboolean
vard_clip_tokenizer_encode (VardClipTokenizer *self,
                            const char *text,
                            gint32 *ids,
                            guint n_ids,
                            guint *n_valid,
                            guint *n_cut,
                            GError **error)
{
  g_return_val_if_fail (VARD_IS_CLIP_TOKENIZER (self), FALSE);
  g_return_val_if_fail (n_ids >= 2, FALSE);

  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (gint32));

  if (!g_utf8_validate (text, -1, NULL))
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_USAGE, "the prompt is not UTF-8");
      return FALSE;
    }
  if (strlen (text) > MAX_TEXT)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "the prompt has %" G_GSIZE_FORMAT " bytes; at most %d are allowed",
                   strlen (text), MAX_TEXT);
      return FALSE;
    }
  vard_clip_tokenizer_encode_text (self, text, FALSE, all);

  guint n_text = MIN (all->len, n_ids - 2);

  ids[0] = self->specials[TOKEN_START].id;
  for (guint i = 0; i < n_text; i++)
    ids[i + 1] = g_array_index (all, gint32, i);
  ids[n_text + 1] = self->specials[TOKEN_END].id;
  for (guint i = n_text + 2; i < n_ids; i++)
    ids[i] = self->specials[TOKEN_PADDING].id;
  *n_valid = n_text + 2;
  if (n_cut != NULL)
    *n_cut = all->len - n_text;

  return TRUE;
}
/* whether the first @length bytes fit */
static gboolean
vard_clip_tokenizer_fits (VardClipTokenizer *self, const char *text, gsize length, guint n_ids)
{
  g_autofree char *part = g_strndup (text, length);
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (gint32));

  vard_clip_tokenizer_encode_text (self, part, FALSE, all);
  return all->len <= n_ids - 2;
}

/* where each word of a text begins, and its end */
static GArray *
vard_clip_tokenizer_split_words (const char *text)
{
  GArray *starts = g_array_new (FALSE, FALSE, sizeof (gsize));
  gboolean is_inside = FALSE;
  const char *p;

  for (p = text; *p; p = g_utf8_next_char (p))
    {
      gboolean is_space = g_unichar_isspace (g_utf8_get_char (p));
      gsize at = p - text;

      if (!is_space && !is_inside)
        g_array_append_val (starts, at);
      is_inside = !is_space;
    }

  gsize end = p - text;

  g_array_append_val (starts, end);

  return starts;
}

/* Tokens do not reach over white space, so the number of words that fit can be searched for by
 * halving */
gsize
vard_clip_tokenizer_find_cut (VardClipTokenizer *self, const char *text, guint n_ids)
{
  g_return_val_if_fail (VARD_IS_CLIP_TOKENIZER (self), 0);
  g_return_val_if_fail (n_ids >= 2, 0);

  gsize length = strlen (text);

  if (length > MAX_TEXT || !g_utf8_validate (text, length, NULL)
      || vard_clip_tokenizer_fits (self, text, length, n_ids))
    return length;

  g_autoptr (GArray) starts = vard_clip_tokenizer_split_words (text);
  guint low = 0, high = starts->len - 1; /* low words fit, high do not */

  while (high - low > 1)
    {
      guint middle = low + (high - low) / 2;

      if (vard_clip_tokenizer_fits (self, text, g_array_index (starts, gsize, middle), n_ids))
        low = middle;
      else
        high = middle;
    }

  return g_array_index (starts, gsize, low);
}
