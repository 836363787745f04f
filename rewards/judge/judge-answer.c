/* judge-answer.c - finds the score in a language model's answer
 *
 * Better no score than a guessed one: an answer that was cut off, "7-8", "70%" and a fraction of
 * another whole than the scale's are errors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "judge-answer.h"

#include "../wire/wire.h"

#include <math.h>
#include <string.h>

#define NUMBER "[-+\xe2\x88\x92]?(?:[0-9]+(?:\\.[0-9]+)?|\\.[0-9]+)(?:[eE][-+]?[0-9]+)?"

static gboolean
judge_fail (const char *text, const char *why, GError **error)
{
  gsize length = strlen (text), shown = MIN (length, 120);
  const char *end = text + length - shown;

  while ((*end & 0xc0) == 0x80) /* not in the middle of a character */
    end++;
  g_autofree char *excerpt = wire_excerpt (end, strlen (end));
  g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
               "the judge's answer has no score: %s; it ended \"%s\"", why, excerpt);

  return FALSE;
}

static double
judge_parse_number (const char *word)
{
  /* U+2212, the minus sign of typographers */
  gboolean is_minus = g_str_has_prefix (word, "\xe2\x88\x92");

  return (is_minus ? -1 : 1) * g_ascii_strtod (is_minus ? word + 3 : word, NULL);
}

/* The last match of a pattern, or NULL; with where it stands */
static GMatchInfo *
judge_find_last (const char *pattern, const char *text, int *begin, int *end)
{
  g_autoptr (GRegex) regex = g_regex_new (pattern, G_REGEX_CASELESS, 0, NULL);
  g_autoptr (GMatchInfo) info = NULL;
  GMatchInfo *last = NULL;

  g_assert (regex != NULL);
  for (gboolean found = g_regex_match (regex, text, 0, &info); found;)
    {
      int b, e;
      g_match_info_fetch_pos (info, 0, &b, &e);
      g_clear_pointer (&last, g_match_info_unref);
      *begin = b;
      *end = e;
      if (!g_regex_match_full (regex, text, -1, b, 0, &last, NULL))
        break;
      found = g_match_info_next (info, NULL);
    }

  return last;
}

/* Whether "7-", "7 - ", "10:", "1," or "3/" stands before a number */
static gboolean
judge_is_joined (const char *text, int begin)
{
  static const char *const joints[] = { "-", "\xe2\x80\x93", "\xe2\x88\x92", ".", ",", ":", "/" };
  g_autofree char *before = g_strchomp (g_strndup (text, begin));

  for (guint i = 0; i < G_N_ELEMENTS (joints); i++)
    if (g_str_has_suffix (before, joints[i]) && (i < 3 || strlen (before) == (gsize) begin))
      {
        before[strlen (before) - strlen (joints[i])] = 0;
        g_strchomp (before);
        return before[0] != 0 && g_ascii_isdigit (before[strlen (before) - 1]);
      }

  return FALSE;
}

/* What stands around a number that makes it none: 7-8, 70%, 1,000, v2 */
static const char *
judge_check_surroundings (const char *text, int begin, int end)
{
  const char *other = "its last number belongs to something else";
  const char *after = text + end;

  if (begin > 0 && g_unichar_isalnum (g_utf8_get_char (g_utf8_prev_char (text + begin))))
    return other;
  if (judge_is_joined (text, begin))
    return "its last number is part of a range or of another number";
  if (g_unichar_isalpha (g_utf8_get_char (after))
      || (*after != 0 && strchr (",/:", *after) != NULL && g_ascii_isdigit (after[1])))
    return other;
  while (*after == ' ')
    after++;

  return *after == '%' ? "its last number is a percentage" : NULL;
}

/* "8", "Score: 8.5", "**8**", "8/10" and "8 out of 10" when the scale ends at 10 */
gboolean
judge_read_last_number (const char *text, double maximum, double *score, GError **error)
{
  int begin = 0, end = 0;
  g_autoptr (GMatchInfo) match =
    judge_find_last ("(" NUMBER ")(?:\\**\\s*(?:/|out\\s+of)\\s*\\**(" NUMBER "))?", text, &begin,
                     &end);

  if (match == NULL)
    return judge_fail (text, "there is no number in it", error);
  const char *why = judge_check_surroundings (text, begin, end);
  if (why != NULL)
    return judge_fail (text, why, error);

  g_autofree char *number = g_match_info_fetch (match, 1);
  g_autofree char *whole = g_match_info_fetch (match, 2);
  if (whole != NULL && whole[0] != 0 && judge_parse_number (whole) != maximum)
    return judge_fail (text, "its last number is out of a total other than the maximum", error);
  *score = judge_parse_number (number);

  return TRUE;
}

/* A field of the object in the text, which may stand in a block of code */
gboolean
judge_read_json (const char *text, const char *field, double *score, GError **error)
{
  g_autoptr (GError) inner = NULL;
  const char *begin = strchr (text, '{'), *end = strrchr (text, '}');

  if (begin == NULL || end == NULL || end < begin)
    return judge_fail (text, "there is no JSON object in it", error);
  g_autoptr (JsonNode) root = wire_parse_object (begin, end + 1 - begin, &inner);
  if (root == NULL)
    {
      g_autofree char *why = g_strdup_printf ("its JSON is damaged, %s", inner->message);
      return judge_fail (text, why, error);
    }
  if (!wire_get_number (json_object_get_member (json_node_get_object (root), field), score))
    {
      g_autofree char *why = g_strdup_printf ("its JSON has no number \"%s\"", field);
      return judge_fail (text, why, error);
    }

  return TRUE;
}

static JsonObject *
judge_get_object (JsonObject *object, const char *name)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static const char *
judge_get_string (JsonObject *object, const char *name)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
}

/* choices[0].message.content of a chat completion, when the model came to its end */
char *
judge_dup_content (JsonObject *answer, GError **error)
{
  JsonNode *node = json_object_get_member (answer, "choices");
  JsonArray *choices = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node)
                                                                    : NULL;
  JsonNode *first = choices != NULL && json_array_get_length (choices) > 0
                      ? json_array_get_element (choices, 0)
                      : NULL;
  JsonObject *choice =
    first != NULL && JSON_NODE_HOLDS_OBJECT (first) ? json_node_get_object (first) : NULL;
  JsonObject *message = judge_get_object (choice, "message");
  const char *content = judge_get_string (message, "content");
  const char *refusal = judge_get_string (message, "refusal");
  const char *reason = judge_get_string (choice, "finish_reason");

  if (refusal != NULL && refusal[0] != 0)
    {
      g_autofree char *excerpt = wire_excerpt (refusal, strlen (refusal));
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "the judge refused: \"%s\"", excerpt);
      return NULL;
    }
  if (reason != NULL && !g_str_equal (reason, "stop"))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                   "the judge did not finish: it stopped because of \"%.40s\"%s", reason,
                   g_str_equal (reason, "length") ? ": raise max-tokens" : "");
      return NULL;
    }
  if (content == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                 "there is no choices[0].message.content in the answer");

  return g_strdup (content);
}
