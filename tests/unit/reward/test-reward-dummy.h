/* test-reward-dummy.h - a reward that does what a test tells it to
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard-internal.h>

typedef enum
{
  DUMMY_FINE,      /* the first byte of each picture */
  DUMMY_NAN,       /* NaN for picture 1 */
  DUMMY_SILENT,    /* FALSE without an error */
  DUMMY_LOUD,      /* FALSE with an error */
  DUMMY_LIAR,      /* TRUE with an error */
  DUMMY_BREAKS,    /* FALSE without an error at picture 1 */
  DUMMY_THROWS,    /* FALSE with an error at picture 1 */
  DUMMY_FORGETFUL, /* says nothing of picture 1 */
  DUMMY_CONSTANT,  /* one score for all */
} DummyMode;

typedef struct
{
  VardReward parent_instance;
  DummyMode mode;
  VardRewardNeeds needs;
  const char *key;
  gboolean bad_prepare;
  guint n_prepared;
  GThread *thread; /* of the last call */
} DummyReward;
typedef struct
{
  VardRewardClass parent_class;
} DummyRewardClass;

static GType dummy_reward_get_type (void);
G_DEFINE_TYPE (DummyReward, dummy_reward, VARD_TYPE_REWARD)

static gboolean
dummy_reward_prepare (VardReward *reward, GCancellable *cancellable, GError **error)
{
  DummyReward *self = (DummyReward *) reward;

  self->n_prepared++;
  if (self->bad_prepare)
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "weights are missing");
  return !self->bad_prepare;
}

static gboolean
dummy_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  DummyReward *self = (DummyReward *) reward;

  self->thread = g_thread_self ();
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      double score = vard_reward_batch_peek_pixels (batch, i, NULL)[0];

      if (self->mode == DUMMY_THROWS && i == 1)
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the judge fell asleep");
      if ((self->mode == DUMMY_THROWS || self->mode == DUMMY_BREAKS) && i == 1)
        return FALSE;
      if (self->mode == DUMMY_NAN && i == 1)
        score = 0.0 / 0.0;
      if (self->mode == DUMMY_FORGETFUL && i == 1)
        continue;
      vard_reward_batch_set_score (batch, i, self->mode == DUMMY_CONSTANT ? 3 : score);
    }
  if (self->mode == DUMMY_LOUD || self->mode == DUMMY_LIAR)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the judge is asleep");
  return self->mode != DUMMY_SILENT && self->mode != DUMMY_LOUD;
}

static VardRewardNeeds
dummy_reward_get_needs (VardReward *reward)
{
  return ((DummyReward *) reward)->needs;
}

static char **
dummy_reward_dup_metadata_keys (VardReward *reward)
{
  const char *key = ((DummyReward *) reward)->key;

  return key != NULL ? g_strsplit (key, ",", -1) : NULL;
}

static void
dummy_reward_class_init (DummyRewardClass *klass)
{
  VardRewardClass *reward_class = VARD_REWARD_CLASS (klass);

  reward_class->prepare = dummy_reward_prepare;
  reward_class->score = dummy_reward_score;
  reward_class->get_needs = dummy_reward_get_needs;
  reward_class->dup_metadata_keys = dummy_reward_dup_metadata_keys;
}

static void
dummy_reward_init (DummyReward *self)
{
}

static inline DummyReward *
dummy_reward_new (DummyMode mode)
{
  DummyReward *self = g_object_new (dummy_reward_get_type (), NULL);

  self->mode = mode;
  vard_reward_set_label (VARD_REWARD (self), "dummy");
  return self;
}

/* n pictures of one pixel, the first byte of picture i being i */
static inline VardRewardBatch *
dummy_batch_new (guint n)
{
  VardRewardBatch *batch = vard_reward_batch_new ();

  for (guint i = 0; i < n; i++)
    {
      const guint8 rgb[3] = { i, 0, 0 };
      g_autoptr (GBytes) pixels = g_bytes_new (rgb, 3);

      g_assert_true (vard_reward_batch_append (batch, pixels, 1, 1, "red apple", NULL, 0, NULL));
    }
  return batch;
}
