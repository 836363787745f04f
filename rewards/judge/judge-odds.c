/* judge-odds.c - the expected score by the token probabilities of an answer
 *
 * A judge that says "7" may have been nearly as sure of "6". Where the server tells the
 * probabilities of the tokens at the place of the answer, the mean over them is finer and steadier
 * than the answer itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "judge-answer.h"

#include "../wire/wire.h"

#include <math.h>
#include <string.h>

/* At least this part of the probability has to be on answers, or the model spoke of something
 * else. */
#define SMALLEST_SHARE 0.5

/* The score that a token stands for: a digit, or yes and no for the ends of the scale */
static gboolean
judge_odds_parse (const char *token, double minimum, double maximum, double *score)
{
  g_autofree char *word = g_utf8_strdown (token, -1);
  g_strstrip (word);

  if (g_str_equal (word, "yes") || g_str_equal (word, "no"))
    *score = word[0] == 'y' ? maximum : minimum;
  else if (strlen (word) == 1 && g_ascii_isdigit (word[0]))
    *score = word[0] - '0';
  else
    return FALSE;

  return *score >= minimum && *score <= maximum;
}

static const char *
judge_odds_get_token (JsonNode *node)
{
  JsonNode *token = node != NULL && JSON_NODE_HOLDS_OBJECT (node)
                      ? json_object_get_member (json_node_get_object (node), "token")
                      : NULL;

  return token != NULL && JSON_NODE_HOLDS_VALUE (token) ? json_node_get_string (token) : NULL;
}

static JsonArray *
judge_odds_get_array (JsonNode *node, const char *name)
{
  JsonNode *member = node != NULL && JSON_NODE_HOLDS_OBJECT (node)
                       ? json_object_get_member (json_node_get_object (node), name)
                       : NULL;

  return member != NULL && JSON_NODE_HOLDS_ARRAY (member) ? json_node_get_array (member) : NULL;
}

/* choices[0].logprobs.content */
static JsonArray *
judge_odds_get_content (JsonObject *answer)
{
  g_autoptr (JsonNode) root = json_node_init_object (json_node_alloc (), answer);
  JsonArray *choices = judge_odds_get_array (root, "choices");
  JsonNode *first = choices != NULL && json_array_get_length (choices) > 0
                      ? json_array_get_element (choices, 0)
                      : NULL;

  if (first == NULL || !JSON_NODE_HOLDS_OBJECT (first))
    return NULL;

  return judge_odds_get_array (json_object_get_member (json_node_get_object (first), "logprobs"),
                               "content");
}

/* The first place where the model gave an answer: the tokens that it might have said there */
static JsonArray *
judge_odds_find (JsonArray *content, double minimum, double maximum)
{
  double score;

  for (guint i = 0; i < json_array_get_length (content); i++)
    {
      JsonNode *place = json_array_get_element (content, i);
      const char *token = judge_odds_get_token (place);

      if (token != NULL && judge_odds_parse (token, minimum, maximum, &score))
        return judge_odds_get_array (place, "top_logprobs");
    }

  return NULL;
}

gboolean
judge_read_odds (JsonObject *answer, double minimum, double maximum, double *score, GError **error)
{
  JsonArray *content = judge_odds_get_content (answer);
  JsonArray *tokens = content != NULL ? judge_odds_find (content, minimum, maximum) : NULL;
  double sum = 0, total = 0, logprob, value;

  for (guint i = 0; tokens != NULL && i < json_array_get_length (tokens); i++)
    {
      JsonNode *node = json_array_get_element (tokens, i);
      const char *token = judge_odds_get_token (node);

      if (token == NULL || !judge_odds_parse (token, minimum, maximum, &value)
          || !wire_get_number (json_object_get_member (json_node_get_object (node), "logprob"),
                               &logprob)
          || logprob > 1e-3)
        continue;
      sum += exp (logprob) * value;
      total += exp (logprob);
    }
  if (content == NULL)
    g_set_error_literal (error, VARD_ERROR, VARD_ERROR_REWARD,
                         "the judge's server returned no probabilities "
                         "(choices[0].logprobs.content)");
  else if (tokens == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                 "the judge said neither yes nor no, nor a digit from %g to %g", minimum, maximum);
  else if (total < SMALLEST_SHARE)
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                 "the valid answers have only %.0f %% of the judge's probability, too little for a "
                 "score",
                 100 * total);
  else
    *score = sum / total;

  return total >= SMALLEST_SHARE;
}
