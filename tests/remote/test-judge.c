/* test-judge.c - a model's opinion as a number, or as an error
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test-outside.h"

#include "../../rewards/judge/judge-answer.h"

static OutsideServer server;

/* NULL: the score; else a word of the message. The scale ends at 10. */
static const struct
{
  const char *text;
  double score;
  const char *word;
} numbers[] = {
  { "8", 8, NULL },
  { " 8.5\n", 8.5, NULL },
  { "Score: 7/10", 7, NULL },
  { "Score:7", 7, NULL },
  { "I see 3 cats.\n\n**Score: 6 out of 10**", 6, NULL },
  { "**9**/10.", 9, NULL },
  { "-2", -2, NULL },
  { "\xe2\x88\x92"
    "2",
    -2, NULL },
  { "about 1e1", 10, NULL },
  { ".5", 0.5, NULL },
  { "Rating - 4", 4, NULL },
  { "", 0, "no number" },
  { "very nice", 0, "no number" },
  { "7-8", 0, "something else" },
  { "7 - 8", 0, "range" },
  { "between 7\xe2\x80\x93"
    "8",
    0, "range" },
  { "70%", 0, "percentage" },
  { "70 %", 0, "percentage" },
  { "3/5", 0, "out of a total other" },
  { "1,000", 0, "another number" },
  { "at 10:30", 0, "another number" },
  { "like SD1", 0, "something else" },
  { "4th", 0, "something else" },
  { "1.2.3", 0, "something else" },
};

static void
test_judge_numbers (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autoptr (GError) error = NULL;
      double score = -99;
      gboolean found = judge_read_last_number (numbers[i].text, 10, &score, &error);

      if (numbers[i].word == NULL)
        {
          g_assert_no_error (error);
          g_assert_cmpfloat (score, ==, numbers[i].score);
          continue;
        }
      if (found || strstr (error->message, numbers[i].word) == NULL)
        g_error ("\"%s\": %g %s", numbers[i].text, score, error != NULL ? error->message : "");
      g_assert_cmpfloat (score, ==, -99);
    }
}

static void
test_judge_json (void)
{
  static const struct
  {
    const char *text;
    gboolean is_fine;
  } rows[] = {
    { "{\"score\": 4.5}", TRUE },
    { "```json\n{ \"why\": {\"a\": 1}, \"score\": 4.5 }\n```\nThat is all.", TRUE },
    { "4.5", FALSE },
    { "{\"score\": \"4.5\"}", FALSE },
    { "{\"score\": NaN}", FALSE },
    { "{\"grade\": 4.5}", FALSE },
    { "{\"score\": 4.5} or {\"score\": 5}", FALSE },
    { "{\"score\": 4.5", FALSE },
    { "} {", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      double score = -99;

      g_assert_cmpint (judge_read_json (rows[i].text, "score", &score, &error), ==,
                       rows[i].is_fine);
      g_assert_cmpfloat (score, ==, rows[i].is_fine ? 4.5 : -99);
      g_assert_true (rows[i].is_fine == (error == NULL));
    }
}

#define ODDS(token, tops)                                             \
  "{\"choices\": [{\"logprobs\": {\"content\": [{\"token\": \"" token \
  "\", \"top_logprobs\": [" tops "]}]}}]}"

static void
test_judge_odds (void)
{
  /* ln 0.5 = -0.6931, ln 0.25 = -1.3863, ln 0.2 = -1.6094 */
  static const struct
  {
    const char *text;
    double score;
    const char *word;
  } rows[] = {
    { ODDS ("4",
            "{\"token\": \"4\", \"logprob\": -0.6931}, {\"token\": \"8\", \"logprob\": -1.3863}"),
      (0.5 * 4 + 0.25 * 8) / 0.75, NULL },
    { ODDS (" Yes", "{\"token\": \" Yes\", \"logprob\": -0.6931}, {\"token\": \"NO\", \"logprob\": "
                    "-1.3863}, {\"token\": \"yes\", \"logprob\": -1.3863}"),
      9 * 0.75, NULL },
    { ODDS ("4",
            "{\"token\": \"4\", \"logprob\": -1.6094}, {\"token\": \"x\", \"logprob\": -0.6931}"),
      0, "20 %" },
    { ODDS ("4", "{\"token\": \"4\", \"logprob\": 7}"), 0, "0 %" },
    { ODDS ("4", "{\"token\": \"4\"}, 3, {\"token\": 5, \"logprob\": -0.1}"), 0, "0 %" },
    { ODDS ("nice", "{\"token\": \"4\", \"logprob\": -0.1}"), 0, "neither yes nor no" },
    { "{\"choices\": [{\"message\": {\"content\": \"4\"}}]}", 0, "no probabilities" },
    { "{\"choices\": [{\"logprobs\": null}]}", 0, "no probabilities" },
    { "{\"choices\": 4}", 0, "no probabilities" },
  };
  g_autoptr (VardReward) reward =
    outside_reward ("judge:url=%s/odds,model=m,pattern=probabilities,maximum=9", server.url);
  g_autoptr (VardReward) long_scale =
    outside_reward ("judge:url=%s,model=m,pattern=probabilities", server.url);
  g_autoptr (VardRewardBatch) batch = outside_batch (0, 2);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (JsonNode) root = json_from_string (rows[i].text, NULL);
      g_autoptr (GError) error = NULL;
      double score = -99;

      g_assert_nonnull (root);
      g_assert_true (judge_read_odds (json_node_get_object (root), 0, 9, &score, &error)
                     == (rows[i].word == NULL));
      g_assert_cmpfloat_with_epsilon (score, rows[i].word == NULL ? rows[i].score : -99, 1e-3);
      g_assert_true (rows[i].word == NULL || strstr (error->message, rows[i].word) != NULL);
    }
  outside_score (reward, batch);
  double score = 0;
  g_assert_true (vard_reward_batch_get_score (batch, 1, &score));
  g_assert_cmpfloat_with_epsilon (score, (0.6 * 3 + 0.2 * 5) / 0.8, 1e-9);
  outside_assert_refuses (long_scale, "more than one token");
}

static void
test_judge_plain (void)
{
  g_autoptr (VardReward) reward = outside_reward ("judge:url=%s/plain,model=m", server.url);
  g_autoptr (VardReward) json =
    outside_reward ("judge:url=%s/json,model=m,pattern=json", server.url);
  g_autoptr (VardRewardBatch) batch = outside_batch (0, 10);
  g_autoptr (GError) error = NULL;

  outside_score (reward, batch);
  for (guint i = 0; i < 10; i++)
    outside_assert_score (batch, i, i);
  outside_score (json, batch);
  for (guint i = 0; i < 10; i++)
    outside_assert_score (batch, i, i + 0.5);
  g_assert_cmpint (vard_reward_get_needs (reward), ==, VARD_REWARD_NEEDS_PROMPT);
}

static void
test_judge_failures (void)
{
  static const struct
  {
    const char *mode, *options, *word;
  } rows[] = {
    { "rude", "", "ended \"It is very nice.\"" },
    { "cut", "", "did not finish" },
    { "high", "", "the judge's score is 11, but the scale is from 0 to 10" },
    { "plain", ",pattern=json", "no JSON object" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardReward) reward =
        outside_reward ("judge:url=%s/%s,model=m%s", server.url, rows[i].mode, rows[i].options);
      g_autoptr (VardRewardBatch) batch = outside_batch (3, 2);

      outside_score (reward, batch);
      outside_assert_failed (batch, 0, rows[i].word);
      outside_assert_failed (batch, 1, rows[i].word);
    }
}

static void
test_judge_settings (void)
{
  g_autoptr (VardReward) no_model = outside_reward ("judge:url=%s", server.url);
  g_autoptr (VardReward) scale =
    outside_reward ("judge:url=%s,model=m,minimum=5,maximum=1", server.url);
  g_autoptr (VardReward) no_file =
    outside_reward ("judge:url=%s,model=m,rubric-file=/nonexistent", server.url);
  g_autoptr (VardReward) absent =
    outside_reward ("judge:url=http://127.0.0.1:9/v1,model=m,retries=0");
  g_autoptr (VardReward) plain =
    outside_reward ("judge:url=%s,model=m,rubric=Is it red?", server.url);

  outside_assert_refuses (no_model, "set \"model\"");
  outside_assert_refuses (scale, "not below the maximum");
  outside_assert_refuses (no_file, "/nonexistent");
  outside_assert_refuses (absent, "http://127.0.0.1:9/v1/models failed");
  g_assert_cmpint (vard_reward_get_needs (plain), ==, VARD_REWARD_NEEDS_NOTHING);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  server = outside_server_start (NULL, NULL);
  g_test_add_func ("/judge/numbers", test_judge_numbers);
  g_test_add_func ("/judge/json", test_judge_json);
  g_test_add_func ("/judge/odds", test_judge_odds);
  g_test_add_func ("/judge/plain", test_judge_plain);
  g_test_add_func ("/judge/failures", test_judge_failures);
  g_test_add_func ("/judge/settings", test_judge_settings);
  int result = g_test_run ();
  outside_server_stop (&server);
  return result;
}
