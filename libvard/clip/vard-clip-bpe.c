/* vard-clip-bpe.c - the byte-pair vocabulary of CLIP's tokenizer
 *
 * A word begins as one symbol a byte (the last one marked by "</w>"); the pair that comes first in
 * merges.txt is joined wherever it stands, until no pair of neighbours is in the list. In a sound
 * list a pair comes after the pairs that make its halves, so joining all of a kind at once is the
 * same as joining one by one, and a word of n bytes costs n times the different merges it needs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clip/vard-clip-bpe.h"

#include "base/vard-error.h"
#include "base/vard-json-parse.h"

#include <json-glib/json-glib.h>
#include <string.h>

typedef struct
{
  gint64 pair; /* left id << 32 | right id */
  guint rank;
  gint32 joined;
} Merge;

struct _VardClipBpe
{
  GHashTable *vocabulary; /* token to id */
  gint32 n_ids;
  GArray *merges;
  GHashTable *by_pair; /* &merge.pair to its Merge */
  gint32 inner[256];   /* a byte's symbol inside a word, -1 where it is missing */
  gint32 last[256];    /* the same at the end of a word */
};

void
vard_clip_bpe_free (VardClipBpe *self)
{
  g_clear_pointer (&self->vocabulary, g_hash_table_unref);
  g_clear_pointer (&self->by_pair, g_hash_table_unref);
  g_clear_pointer (&self->merges, g_array_unref);
  g_free (self);
}

/* an object of tokens and ids */
static gboolean
vard_clip_bpe_read_vocabulary (VardClipBpe *self,
                               JsonObject *object,
                               const char *path,
                               GError **error)
{
  JsonObjectIter iter;
  const char *token;
  JsonNode *node;

  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &token, &node))
    {
      gint64 id = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_int (node) : -1;

      if (id < 0 || id >= G_MAXINT32 || json_node_get_value_type (node) != G_TYPE_INT64)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                       "%s: the id of “%s” is not a whole number of at least 0", path, token);
          return FALSE;
        }
      g_hash_table_insert (self->vocabulary, g_strdup (token), GINT_TO_POINTER ((gint32) id));
      self->n_ids = MAX (self->n_ids, id + 1);
    }

  return TRUE;
}

/* (transfer full) */
static JsonObject *
vard_clip_bpe_read_object (const char *path, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autoptr (JsonNode) node = vard_json_parse_file (path, &reason);

  if (node == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "cannot read the tokenizer's vocabulary %s: %s", path, reason->message);
      return NULL;
    }
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_node_dup_object (node);
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s is not a JSON object of tokens and ids",
               path);

  return NULL;
}

static gboolean
vard_clip_bpe_load_vocabulary (VardClipBpe *self, const char *path, GError **error)
{
  g_autoptr (JsonObject) object = vard_clip_bpe_read_object (path, error);

  return object != NULL && vard_clip_bpe_read_vocabulary (self, object, path, error);
}

gint32
vard_clip_bpe_lookup (VardClipBpe *self, const char *token)
{
  gpointer id;

  return g_hash_table_lookup_extended (self->vocabulary, token, NULL, &id) ? GPOINTER_TO_INT (id)
                                                                           : -1;
}

gint32
vard_clip_bpe_get_n_ids (VardClipBpe *self)
{
  return self->n_ids;
}

/* Bytes are spelled as printable characters in the files: those that print as themselves are
 * themselves, the others follow from U+0100 on (the table of GPT-2). */
static void
vard_clip_bpe_spell_bytes (VardClipBpe *self)
{
  gunichar next = 0x100;

  for (guint byte = 0; byte < 256; byte++)
    {
      gboolean prints = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
      char spelling[16] = { 0 };
      int length = g_unichar_to_utf8 (prints ? byte : next++, spelling);

      self->inner[byte] = vard_clip_bpe_lookup (self, spelling);
      memcpy (spelling + length, "</w>", 5);
      self->last[byte] = vard_clip_bpe_lookup (self, spelling);
    }
}

static gboolean
vard_clip_bpe_add_merge (VardClipBpe *self, const char *line)
{
  const char *space = strchr (line, ' ');

  if (space == NULL || space == line || !space[1] || strchr (space + 1, ' ') != NULL)
    return FALSE;

  g_autofree char *left = g_strndup (line, space - line);
  g_autofree char *joined = g_strconcat (left, space + 1, NULL);
  gint32 a = vard_clip_bpe_lookup (self, left), b = vard_clip_bpe_lookup (self, space + 1);
  Merge merge = { (gint64) a << 32 | b, self->merges->len, vard_clip_bpe_lookup (self, joined) };

  if (a < 0 || b < 0 || merge.joined < 0)
    return FALSE;
  g_array_append_val (self->merges, merge);

  return TRUE;
}

static void
vard_clip_bpe_index_merges (VardClipBpe *self)
{
  for (guint i = 0; i < self->merges->len; i++)
    {
      Merge *merge = &g_array_index (self->merges, Merge, i);

      if (!g_hash_table_contains (self->by_pair, &merge->pair))
        g_hash_table_insert (self->by_pair, &merge->pair, merge);
    }
}

static gboolean
vard_clip_bpe_load_merges (VardClipBpe *self, const char *path, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, &reason))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "cannot read the tokenizer's merges: %s",
                   reason->message);
      return FALSE;
    }
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_strchomp (lines[i]);
      if (!*lines[i] || (i == 0 && g_str_has_prefix (lines[i], "#version")))
        continue;
      if (!g_utf8_validate (lines[i], -1, NULL) || !vard_clip_bpe_add_merge (self, lines[i]))
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                       "%s: line %u does not join two tokens of the vocabulary into a third", path,
                       i + 1);
          return FALSE;
        }
    }

  return TRUE;
}

static VardClipBpe *
vard_clip_bpe_new_empty (void)
{
  VardClipBpe *self = g_new0 (VardClipBpe, 1);

  self->vocabulary = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->merges = g_array_new (FALSE, FALSE, sizeof (Merge));
  self->by_pair = g_hash_table_new (g_int64_hash, g_int64_equal);

  return self;
}

VardClipBpe *
vard_clip_bpe_new (const char *vocabulary_path, const char *merges_path, GError **error)
{
  g_autoptr (VardClipBpe) self = vard_clip_bpe_new_empty ();

  if (!vard_clip_bpe_load_vocabulary (self, vocabulary_path, error)
      || !vard_clip_bpe_load_merges (self, merges_path, error))
    return NULL;
  vard_clip_bpe_index_merges (self);
  vard_clip_bpe_spell_bytes (self);

  return g_steal_pointer (&self);
}

/* ---- tokenizer.json ---- */

/* (nullable): a member that is an object or an array, as @type says */
static JsonNode *
vard_clip_bpe_peek_member (JsonObject *object, const char *name, JsonNodeType type)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && json_node_get_node_type (node) == type ? node : NULL;
}

/* a merge is "a b" or, since 2024, ["a", "b"] */
static gboolean
vard_clip_bpe_read_merge (VardClipBpe *self, JsonNode *node)
{
  if (JSON_NODE_HOLDS_VALUE (node))
    return json_node_get_string (node) != NULL
           && vard_clip_bpe_add_merge (self, json_node_get_string (node));
  if (!JSON_NODE_HOLDS_ARRAY (node) || json_array_get_length (json_node_get_array (node)) != 2)
    return FALSE;

  JsonNode *left = json_array_get_element (json_node_get_array (node), 0);
  JsonNode *right = json_array_get_element (json_node_get_array (node), 1);

  if (!JSON_NODE_HOLDS_VALUE (left) || !JSON_NODE_HOLDS_VALUE (right)
      || json_node_get_string (left) == NULL || json_node_get_string (right) == NULL)
    return FALSE;

  g_autofree char *line =
    g_strconcat (json_node_get_string (left), " ", json_node_get_string (right), NULL);

  return vard_clip_bpe_add_merge (self, line);
}

static gboolean
vard_clip_bpe_read_model (VardClipBpe *self, JsonObject *model, const char *path, GError **error)
{
  JsonNode *vocabulary = vard_clip_bpe_peek_member (model, "vocab", JSON_NODE_OBJECT);
  JsonNode *merges = vard_clip_bpe_peek_member (model, "merges", JSON_NODE_ARRAY);

  if (vocabulary == NULL || merges == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has no model with vocab and merges",
                   path);
      return FALSE;
    }
  if (!vard_clip_bpe_read_vocabulary (self, json_node_get_object (vocabulary), path, error))
    return FALSE;
  for (guint i = 0; i < json_array_get_length (json_node_get_array (merges)); i++)
    if (!vard_clip_bpe_read_merge (self, json_array_get_element (json_node_get_array (merges), i)))
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                     "%s: merge %u does not join two tokens of the vocabulary into a third", path,
                     i + 1);
        return FALSE;
      }

  return TRUE;
}

VardClipBpe *
vard_clip_bpe_new_from_json (const char *path, GError **error)
{
  g_autoptr (VardClipBpe) self = vard_clip_bpe_new_empty ();
  g_autoptr (JsonObject) root = vard_clip_bpe_read_object (path, error);
  JsonNode *model = root != NULL ? vard_clip_bpe_peek_member (root, "model", JSON_NODE_OBJECT)
                                 : NULL;

  if (root == NULL
      || !vard_clip_bpe_read_model (self, model != NULL ? json_node_get_object (model) : NULL, path,
                                    error))
    return NULL;
  vard_clip_bpe_index_merges (self);
  vard_clip_bpe_spell_bytes (self);

  return g_steal_pointer (&self);
}

static Merge *
vard_clip_bpe_find_merge (VardClipBpe *self, gint32 left, gint32 right)
{
  gint64 pair = (gint64) left << 32 | right;

  return left < 0 || right < 0 ? NULL : g_hash_table_lookup (self->by_pair, &pair);
}

/* joins the best pair wherever it stands; FALSE when there is none */
static gboolean
vard_clip_bpe_join_best (VardClipBpe *self, gint32 *symbols, gsize *n)
{
  Merge *best = NULL;
  gsize kept = 0;

  for (gsize i = 0; i + 1 < *n; i++)
    {
      Merge *merge = vard_clip_bpe_find_merge (self, symbols[i], symbols[i + 1]);

      if (merge != NULL && (best == NULL || merge->rank < best->rank))
        best = merge;
    }
  if (best == NULL)
    return FALSE;
  for (gsize i = 0; i < *n; i++)
    if (i + 1 < *n && ((gint64) symbols[i] << 32 | symbols[i + 1]) == best->pair)
      {
        symbols[kept++] = best->joined;
        i++;
      }
    else
      symbols[kept++] = symbols[i];
  *n = kept;

  return TRUE;
}

void
vard_clip_bpe_encode (VardClipBpe *self,
                      const char *word,
                      gsize length,
                      gint32 unknown,
                      GArray *ids)
{
  g_autofree gint32 *symbols = g_new (gint32, length + 1);
  gsize n = length;

  for (gsize i = 0; i < length; i++)
    symbols[i] = (i + 1 == length ? self->last : self->inner)[(guint8) word[i]];
  while (vard_clip_bpe_join_best (self, symbols, &n))
    ;
  for (gsize i = 0; i < n; i++)
    {
      gint32 id = symbols[i] < 0 ? unknown : symbols[i];

      g_array_append_val (ids, id);
    }
}
