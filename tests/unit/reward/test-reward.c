/* test-reward.c - what subclasses answer is checked, and where they are called
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test-reward-dummy.h"

static void
test_reward_answers (void)
{
  const struct
  {
    DummyMode mode;
    const char *message;
  } rows[] = {
    { DUMMY_FINE, NULL },
    { DUMMY_NAN, NULL },
    { DUMMY_FORGETFUL, NULL },
    { DUMMY_SILENT, "the reward dummy failed to score and gave no reason: its function returned "
                    "FALSE without an error" },
    { DUMMY_LOUD, "the reward dummy failed to score: the judge is asleep" },
    { DUMMY_LIAR, "the reward dummy failed to score: the judge is asleep" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardReward) reward = VARD_REWARD (dummy_reward_new (rows[i].mode));
      g_autoptr (VardRewardBatch) batch = dummy_batch_new (3);
      g_autoptr (GError) error = NULL;
      gboolean ok = vard_reward_score_batch (reward, batch, NULL, &error);

      g_assert_true (ok == (rows[i].message == NULL));
      if (rows[i].message != NULL)
        {
          g_assert_error (error, VARD_ERROR, VARD_ERROR_REWARD);
          g_assert_cmpstr (error->message, ==, rows[i].message);
          continue;
        }
      g_assert_no_error (error);
      g_assert_true (vard_reward_batch_get_score (batch, 2, NULL));
      g_assert_true (vard_reward_batch_get_score (batch, 1, NULL) == (rows[i].mode == DUMMY_FINE));
      if (rows[i].mode == DUMMY_FORGETFUL)
        g_assert_cmpstr (vard_reward_batch_get_message (batch, 1), ==, "the reward skipped it");
    }
}

/* A function that breaks off in the middle, as one with an exception does: what it had scored
 * stays. */
static void
test_reward_broken_off (void)
{
  const struct
  {
    DummyMode mode;
    const char *message;
  } rows[] = {
    { DUMMY_BREAKS, "the reward's function failed, or raised an exception, and gave no reason" },
    { DUMMY_THROWS, "the judge fell asleep" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardReward) reward = VARD_REWARD (dummy_reward_new (rows[i].mode));
      g_autoptr (VardRewardBatch) batch = dummy_batch_new (3);
      g_autoptr (GError) error = NULL;

      g_assert_true (vard_reward_score_batch (reward, batch, NULL, &error));
      g_assert_no_error (error);
      g_assert_true (vard_reward_batch_get_score (batch, 0, NULL));
      for (guint k = 1; k < 3; k++)
        {
          g_assert_cmpint (vard_reward_batch_get_status (batch, k), ==, VARD_REWARD_STATUS_FAILED);
          g_assert_cmpstr (vard_reward_batch_get_message (batch, k), ==, rows[i].message);
        }
    }
}

static void
test_reward_prepare (void)
{
  g_autoptr (VardReward) reward = VARD_REWARD (dummy_reward_new (DUMMY_FINE));
  g_autoptr (VardRewardBatch) batch = dummy_batch_new (2);
  g_autoptr (GError) error = NULL;

  ((DummyReward *) reward)->bad_prepare = TRUE;
  g_assert_false (vard_reward_score_batch (reward, batch, NULL, &error));
  g_assert_cmpstr (error->message, ==, "the reward dummy failed to prepare: weights are missing");
  ((DummyReward *) reward)->bad_prepare = FALSE;
  for (guint i = 0; i < 3; i++)
    g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
  g_assert_cmpuint (((DummyReward *) reward)->n_prepared, ==, 2); /* tried again once, then kept */
}

static void
test_reward_needs (void)
{
  const char *const keys[] = { "colour", NULL };
  const struct
  {
    VardRewardNeeds needs;
    const char *key;
    gboolean prompts;
    guint group;
    const char *message;
  } rows[] = {
    { VARD_REWARD_NEEDS_NOTHING, NULL, FALSE, 1, NULL },
    { VARD_REWARD_NEEDS_PROMPT, NULL, TRUE, 1, NULL },
    { VARD_REWARD_NEEDS_PROMPT, NULL, FALSE, 1,
      "the reward dummy needs a prompt with each picture, but there are none" },
    { VARD_REWARD_NEEDS_GROUPS, NULL, TRUE, 4, NULL },
    { VARD_REWARD_NEEDS_GROUPS, NULL, TRUE, 1,
      "the reward dummy compares pictures of the same prompt, but there is only one picture per "
      "prompt" },
    { VARD_REWARD_NEEDS_NOTHING, "colour", TRUE, 1, NULL },
    { VARD_REWARD_NEEDS_NOTHING, "colour,count", TRUE, 1,
      "the reward dummy needs \"count\" with each prompt, but not every prompt of this run has it: "
      "add it to the file of prompts" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardReward) reward = VARD_REWARD (dummy_reward_new (DUMMY_FINE));
      g_autoptr (GError) error = NULL;

      ((DummyReward *) reward)->needs = rows[i].needs;
      ((DummyReward *) reward)->key = rows[i].key;
      g_assert_true (vard_reward_check_needs (reward, rows[i].prompts, keys, rows[i].group, &error)
                     == (rows[i].message == NULL));
      g_assert_cmpstr (error != NULL ? error->message : NULL, ==, rows[i].message);
    }
}

static gpointer
score_in_thread (gpointer data)
{
  g_autoptr (VardRewardBatch) batch = dummy_batch_new (3);
  g_autoptr (GError) error = NULL;
  double score = -1;

  g_assert_true (vard_reward_score_batch (data, batch, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (vard_reward_batch_get_score (batch, 2, &score));
  g_assert_cmpfloat (score, ==, 2);
  g_main_context_wakeup (NULL);
  return GINT_TO_POINTER (TRUE);
}

static gpointer
score_and_tell (gpointer data)
{
  gpointer *pair = data;

  score_in_thread (pair[0]);
  g_atomic_int_set ((gint *) pair[1], TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

/* A script's reward runs in the script's thread, however short its visits to the main context
 * are. */
static void
test_reward_bound_to_thread (void)
{
  g_autoptr (VardReward) reward = VARD_REWARD (dummy_reward_new (DUMMY_FINE));
  gint done = FALSE;
  gpointer pair[2] = { reward, &done };

  g_assert_true (vard_reward_is_thread_bound (reward));
  GThread *thread = g_thread_new ("trainer", score_and_tell, pair);
  while (!g_atomic_int_get (&done))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  g_assert_true (((DummyReward *) reward)->thread == g_thread_self ());
}

static void
test_reward_free_of_thread (void)
{
  g_autoptr (VardReward) reward = VARD_REWARD (dummy_reward_new (DUMMY_FINE));

  vard_reward_set_thread_bound (reward, FALSE);
  GThread *thread = g_thread_new ("trainer", score_in_thread, reward);
  g_thread_join (thread); /* nobody iterates */
  g_assert_true (((DummyReward *) reward)->thread != g_thread_self ());
}

static gpointer
score_until_cancelled (gpointer data)
{
  gpointer *pair = data;
  g_autoptr (VardRewardBatch) batch = dummy_batch_new (3);
  g_autoptr (GError) error = NULL;

  g_assert_false (vard_reward_score_batch (pair[0], batch, pair[1], &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  return NULL;
}

static void
test_reward_cancel (void)
{
  g_autoptr (VardReward) reward = VARD_REWARD (dummy_reward_new (DUMMY_FINE));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  gpointer pair[2] = { reward, cancellable };
  GThread *thread = g_thread_new ("trainer", score_until_cancelled, pair);

  g_usleep (20000);
  g_cancellable_cancel (cancellable);
  g_thread_join (thread);                        /* nobody iterates, and yet it ends */
  while (g_main_context_iteration (NULL, FALSE)) /* the abandoned call is dropped */
    ;
  g_assert_null (((DummyReward *) reward)->thread);
}

/* Who makes a reward and then waits for another thread is told what it waits for. */
static void
test_reward_forgotten (void)
{
  g_autoptr (VardReward) reward = VARD_REWARD (dummy_reward_new (DUMMY_FINE));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  gpointer pair[2] = { reward, cancellable };

  vard_reward_set_label (reward, "mine");
  g_test_expect_message ("Vard", G_LOG_LEVEL_WARNING,
                         "the reward mine waits for the thread that created it*");
  GThread *thread = g_thread_new ("trainer", score_until_cancelled, pair);
  g_usleep (6 * G_USEC_PER_SEC);
  g_cancellable_cancel (cancellable);
  g_thread_join (thread);
  g_test_assert_expected_messages ();
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reward/answers", test_reward_answers);
  g_test_add_func ("/reward/broken-off", test_reward_broken_off);
  g_test_add_func ("/reward/prepare", test_reward_prepare);
  g_test_add_func ("/reward/needs", test_reward_needs);
  g_test_add_func ("/reward/thread/bound", test_reward_bound_to_thread);
  g_test_add_func ("/reward/thread/free", test_reward_free_of_thread);
  g_test_add_func ("/reward/thread/cancel", test_reward_cancel);
  g_test_add_func ("/reward/thread/forgotten", test_reward_forgotten);
  return g_test_run ();
}
