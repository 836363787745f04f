/* vard-reward-check.c - tests whether a reward behaves as a run expects
 *
 * Each check is a function that returns NULL or a sentence about what is wrong. They ask for what a
 * run relies on: the same picture has the same score, alone or in company; every picture gets a
 * score or a reason; calls can be stopped, made from any thread, and made for days.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-check.h"

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Batches of different sizes round differently in a large network: relative to 1 + |score| */
#define ROUNDING 1e-4
/* A reward that was asked to stop should do so within this time */
#define STOP_SECONDS 2
/* Calls that look for a leak, and what they may keep: caches settle, leaks do not */
#define LEAK_CALLS 200
#define LEAK_SECONDS 4.0
#define LEAK_BYTES (4 << 20)
/* AddressSanitizer keeps what was freed, so that the size of the process says nothing */
#ifdef __SANITIZE_ADDRESS__
#define IS_MEASURABLE FALSE
#else
#define IS_MEASURABLE TRUE
#endif

struct _VardRewardFinding
{
  GObject parent_instance;
  const char *name;
  VardRewardVerdict verdict;
  char *detail; /* NULL for none */
};

G_DEFINE_FINAL_TYPE (VardRewardFinding, vard_reward_finding, G_TYPE_OBJECT)

/* What a check has to work with */
typedef struct
{
  VardReward *reward;
  VardReward *other;   /* another object with the same settings, or NULL */
  gboolean is_skipped; /* the sentence says why it was not tried */
} VardRewardCheck;

/* ---- pictures ---- */

typedef enum
{
  PICTURE_NOISE,
  PICTURE_BLACK,
  PICTURE_WHITE,
  PICTURE_STRIPES
} VardRewardPicture;

static GBytes *
vard_reward_check_draw (VardRewardPicture kind, guint width, guint height, guint32 seed)
{
  gsize n = (gsize) 3 * width * height;
  guint8 *rgb = g_malloc (n);
  guint32 state = seed * 2654435761u + 1;

  for (gsize i = 0; i < n; i++)
    {
      state = state * 1664525u + 1013904223u;
      rgb[i] = kind == PICTURE_NOISE     ? state >> 24
               : kind == PICTURE_STRIPES ? (i / 3 / 5 + seed) % 2 * 200 + seed % 50
               : kind == PICTURE_WHITE   ? 255
                                         : 0;
    }

  return g_bytes_new_take (rgb, n);
}

/* Prompts and metadata are there whether they are needed or not; two pictures make a group. */
static void
vard_reward_check_append (VardRewardCheck *self,
                          VardRewardBatch *batch,
                          VardRewardPicture kind,
                          guint width,
                          guint height,
                          guint number)
{
  g_autoptr (GBytes) pixels = vard_reward_check_draw (kind, width, height, number);
  g_autoptr (JsonObject) metadata = json_object_new ();
  g_auto (GStrv) keys = vard_reward_dup_metadata_keys (self->reward);

  for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
    json_object_set_string_member (metadata, keys[i], "1");
  vard_reward_batch_append (batch, pixels, width, height,
                            number / 2 % 2 == 0 ? "a red apple" : "ein gr\303\274ner Apfel",
                            metadata, number / 2, NULL);
}

static VardRewardBatch *
vard_reward_check_make_batch (VardRewardCheck *self, guint first, guint n, guint side)
{
  VardRewardBatch *batch = vard_reward_batch_new ();

  for (guint i = first; i < first + n; i++)
    vard_reward_check_append (self, batch, i % 3 == 2 ? PICTURE_STRIPES : PICTURE_NOISE, side, side,
                              i);

  return batch;
}

/* ---- what the checks share ---- */

static char *
vard_reward_check_score (VardReward *reward, VardRewardBatch *batch)
{
  g_autoptr (GError) error = NULL;

  return vard_reward_score_batch (reward, batch, NULL, &error) ? NULL : g_strdup (error->message);
}

/* Two pictures got the same score, or both got none */
static char *
vard_reward_check_compare (VardRewardBatch *a,
                           guint i,
                           VardRewardBatch *b,
                           guint j,
                           double tolerance)
{
  double x = 0, y = 0;
  gboolean has_x = vard_reward_batch_get_score (a, i, &x),
           has_y = vard_reward_batch_get_score (b, j, &y);

  if (has_x != has_y)
    return g_strdup_printf ("picture %u has a score one time and none the other (%s)", i,
                            vard_reward_batch_get_message (has_x ? b : a, has_x ? j : i));
  if (fabs (x - y) > tolerance * (1 + fabs (x)))
    return g_strdup_printf ("picture %u scores %.9g one time and %.9g the other", i, x, y);

  return NULL;
}

static char *
vard_reward_check_compare_all (VardRewardBatch *a, VardRewardBatch *b, double tolerance)
{
  char *wrong = NULL;

  for (guint i = 0; wrong == NULL && i < vard_reward_batch_get_count (a); i++)
    wrong = vard_reward_check_compare (a, i, b, i, tolerance);
  return wrong;
}

/* Every picture has a score, or a reason that the reward itself gave */
static char *
vard_reward_check_account (VardRewardBatch *batch)
{
  static const char *const excuses[] = { "its score is not a number", "its score is infinite",
                                         "the reward skipped it", "it failed without a reason",
                                         NULL };

  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      const char *message = vard_reward_batch_get_message (batch, i);

      if (message != NULL && g_strv_contains (excuses, message))
        return g_strdup_printf ("a picture of %u x %u: %s", vard_reward_batch_get_width (batch, i),
                                vard_reward_batch_get_height (batch, i), message);
    }

  return NULL;
}

static char *
vard_reward_check_score_and_account (VardReward *reward, VardRewardBatch *batch)
{
  char *wrong = vard_reward_check_score (reward, batch);

  return wrong != NULL ? wrong : vard_reward_check_account (batch);
}

/* ---- the checks ---- */

static char *
vard_reward_check_prepare (VardRewardCheck *self)
{
  g_autoptr (GError) error = NULL;

  if (!vard_reward_prepare (self->reward, NULL, &error)
      || (self->other != NULL && !vard_reward_prepare (self->other, NULL, &error)))
    return g_strdup (error->message);

  return NULL;
}

static char *
vard_reward_check_repeats (VardRewardCheck *self)
{
  g_autoptr (VardRewardBatch) one = vard_reward_check_make_batch (self, 0, 8, 64);
  g_autoptr (VardRewardBatch) other = vard_reward_check_make_batch (self, 0, 8, 64);
  char *wrong = vard_reward_check_score_and_account (self->reward, one);

  for (guint i = 0; wrong == NULL && i < 3; i++)
    {
      wrong = vard_reward_check_score (self->reward, other);
      if (wrong == NULL)
        wrong = vard_reward_check_compare_all (one, other, 0);
    }

  return wrong;
}

/* One by one, or group by group for those that compare */
static char *
vard_reward_check_alone (VardRewardCheck *self)
{
  g_autoptr (VardRewardBatch) all = vard_reward_check_make_batch (self, 0, 8, 64);
  guint n = (vard_reward_get_needs (self->reward) & VARD_REWARD_NEEDS_GROUPS) != 0 ? 2 : 1;
  char *wrong = vard_reward_check_score (self->reward, all);

  for (guint i = 0; wrong == NULL && i < 8; i += n)
    {
      g_autoptr (VardRewardBatch) few = vard_reward_check_make_batch (self, i, n, 64);

      wrong = vard_reward_check_score (self->reward, few);
      for (guint j = 0; wrong == NULL && j < n; j++)
        wrong = vard_reward_check_compare (all, i + j, few, j, ROUNDING);
    }

  return wrong;
}

static char *
vard_reward_check_order (VardRewardCheck *self)
{
  g_autoptr (VardRewardBatch) forth = vard_reward_check_make_batch (self, 0, 8, 64);
  g_autoptr (VardRewardBatch) back = vard_reward_batch_new ();
  char *wrong = vard_reward_check_score (self->reward, forth);

  for (guint i = 8; i-- > 0;)
    vard_reward_check_append (self, back, i % 3 == 2 ? PICTURE_STRIPES : PICTURE_NOISE, 64, 64, i);
  if (wrong == NULL)
    wrong = vard_reward_check_score (self->reward, back);
  for (guint i = 0; wrong == NULL && i < 8; i++)
    wrong = vard_reward_check_compare (forth, i, back, 7 - i, ROUNDING);

  return wrong;
}

static char *
vard_reward_check_sizes (VardRewardCheck *self)
{
  static const guint sizes[][2] = { { 1, 1 },   { 17, 23 }, { 1, 300 },
                                    { 640, 3 }, { 2, 2 },   { 333, 251 } };
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();

  for (guint i = 0; i < 2 * G_N_ELEMENTS (sizes); i++)
    vard_reward_check_append (self, batch, PICTURE_NOISE, sizes[i / 2][0], sizes[i / 2][1], i);

  return vard_reward_check_score_and_account (self->reward, batch);
}

/* Pictures without any contrast, where divisions by a standard deviation end */
static char *
vard_reward_check_plain (VardRewardCheck *self)
{
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();

  for (guint i = 0; i < 8; i++)
    vard_reward_check_append (self, batch, i < 4 ? PICTURE_BLACK : PICTURE_WHITE, i % 2 ? 1 : 64,
                              i % 2 ? 1 : 64, i);

  return vard_reward_check_score_and_account (self->reward, batch);
}

typedef struct
{
  VardReward *reward;
  VardRewardBatch *batch;
  GCancellable *cancellable;
  char *wrong;
} VardRewardWorker;

static gpointer
vard_reward_check_work (gpointer data)
{
  VardRewardWorker *worker = data;

  for (guint i = 0; worker->wrong == NULL && i < 20; i++)
    worker->wrong = vard_reward_check_score (worker->reward, worker->batch);
  return NULL;
}

static char *
vard_reward_check_threads (VardRewardCheck *self)
{
  if (self->other == NULL || vard_reward_is_thread_bound (self->reward))
    {
      self->is_skipped = TRUE;
      return g_strdup (self->other == NULL ? "there is one object only"
                                           : "it is bound to one thread");
    }

  g_autoptr (VardRewardBatch) expected = vard_reward_check_make_batch (self, 0, 8, 64);
  g_autoptr (VardRewardBatch) mine = vard_reward_check_make_batch (self, 0, 8, 64);
  g_autoptr (VardRewardBatch) its = vard_reward_check_make_batch (self, 0, 8, 64);
  VardRewardWorker workers[2] = { { self->reward, mine, NULL, NULL },
                                  { self->other, its, NULL, NULL } };
  char *wrong = vard_reward_check_score (self->reward, expected);
  GThread *threads[2];

  for (guint i = 0; i < 2; i++)
    threads[i] = g_thread_new ("check", vard_reward_check_work, &workers[i]);
  for (guint i = 0; i < 2; i++)
    {
      g_thread_join (threads[i]);
      if (wrong == NULL)
        wrong = workers[i].wrong != NULL
                  ? g_strdup (workers[i].wrong)
                  : vard_reward_check_compare_all (expected, workers[i].batch, ROUNDING);
      g_free (workers[i].wrong);
    }

  return wrong;
}

static gpointer
vard_reward_check_work_once (gpointer data)
{
  VardRewardWorker *worker = data;

  vard_reward_score_batch (worker->reward, worker->batch, worker->cancellable, NULL);
  return NULL;
}

static char *
vard_reward_check_stop (VardRewardCheck *self)
{
  g_autoptr (VardRewardBatch) batch = vard_reward_check_make_batch (self, 0, 64, 512);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  VardRewardWorker worker = { self->reward, batch, cancellable, NULL };

  if (vard_reward_is_thread_bound (self->reward))
    {
      self->is_skipped = TRUE;
      return g_strdup ("it is bound to one thread");
    }

  GThread *thread = g_thread_new ("check", vard_reward_check_work_once, &worker);
  g_usleep (30000);
  gint64 begin = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_thread_join (thread);

  double seconds = (g_get_monotonic_time () - begin) / (double) G_USEC_PER_SEC;

  return seconds <= STOP_SECONDS
           ? NULL
           : g_strdup_printf ("it continued for %.1f s after it was cancelled: check "
                              "vard_reward_batch_get_cancellable() while scoring",
                              seconds);
}

/* Bytes of memory in use by this process */
static gint64
vard_reward_check_measure (void)
{
  g_autofree char *text = NULL;
  long pages = 0;

  malloc_trim (0);
  if (!g_file_get_contents ("/proc/self/statm", &text, NULL, NULL)
      || sscanf (text, "%*d %ld", &pages) != 1)
    return 0;

  return (gint64) pages * sysconf (_SC_PAGESIZE);
}

static char *
vard_reward_check_leaks (VardRewardCheck *self)
{
  g_autoptr (VardRewardBatch) batch = vard_reward_check_make_batch (self, 0, 4, 64);
  g_autoptr (GTimer) timer = g_timer_new ();
  char *wrong = NULL;
  guint n = 0;

  for (; wrong == NULL && n < LEAK_CALLS / 4 && g_timer_elapsed (timer, NULL) < LEAK_SECONDS; n++)
    wrong = vard_reward_check_score (self->reward, batch);
  if (wrong == NULL && !IS_MEASURABLE)
    {
      self->is_skipped = TRUE;
      return g_strdup ("AddressSanitizer keeps what was freed");
    }
  if (n < LEAK_CALLS / 4 && wrong == NULL)
    {
      self->is_skipped = TRUE;
      return g_strdup_printf ("%u calls took %.0f s", n, g_timer_elapsed (timer, NULL));
    }

  gint64 before = vard_reward_check_measure ();
  for (n = 0; wrong == NULL && n < LEAK_CALLS && g_timer_elapsed (timer, NULL) < 4 * LEAK_SECONDS;
       n++)
    wrong = vard_reward_check_score (self->reward, batch);
  gint64 growth = vard_reward_check_measure () - before;
  if (wrong == NULL && growth > LEAK_BYTES)
    return g_strdup_printf ("%u calls with four pictures of 64 x 64 leaked %.1f MB", n,
                            growth / 1e6);

  return wrong;
}

static const struct
{
  const char *name;
  char *(*run) (VardRewardCheck *self);
} checks[] = {
  { "prepare", vard_reward_check_prepare }, { "repeats", vard_reward_check_repeats },
  { "alone", vard_reward_check_alone },     { "order", vard_reward_check_order },
  { "sizes", vard_reward_check_sizes },     { "plain", vard_reward_check_plain },
  { "threads", vard_reward_check_threads }, { "stop", vard_reward_check_stop },
  { "leaks", vard_reward_check_leaks },
};

/* ---- public ---- */

/**
 * vard_reward_finding_get_name:
 * @self: a finding
 *
 * Returns: the name of the check
 */
const char *
vard_reward_finding_get_name (VardRewardFinding *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_FINDING (self), NULL);

  return self->name;
}

/**
 * vard_reward_finding_get_verdict:
 * @self: a finding
 *
 * Returns: how the check went
 */
VardRewardVerdict
vard_reward_finding_get_verdict (VardRewardFinding *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_FINDING (self), VARD_REWARD_VERDICT_FAILED);

  return self->verdict;
}

/**
 * vard_reward_finding_get_detail:
 * @self: a finding
 *
 * Returns: (nullable): what is wrong, or why it was skipped; %NULL when it passed
 */
const char *
vard_reward_finding_get_detail (VardRewardFinding *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_FINDING (self), NULL);

  return self->detail;
}

/**
 * vard_reward_check_get_count:
 *
 * Returns: how many checks there are
 */
guint
vard_reward_check_get_count (void)
{
  return G_N_ELEMENTS (checks);
}

/**
 * vard_reward_check_get_name:
 * @check: which one; the first prepares the reward
 *
 * Returns: its name
 */
const char *
vard_reward_check_get_name (guint check)
{
  g_return_val_if_fail (check < G_N_ELEMENTS (checks), NULL);

  return checks[check].name;
}

/**
 * vard_reward_check_run:
 * @reward: a reward
 * @other: (nullable): another object with the same settings, to try both at once
 * @check: which check
 *
 * Returns: (transfer full): what was found
 */
VardRewardFinding *
vard_reward_check_run (VardReward *reward, VardReward *other, guint check)
{
  g_return_val_if_fail (VARD_IS_REWARD (reward) && check < G_N_ELEMENTS (checks), NULL);

  VardRewardCheck self = { .reward = reward, .other = other };
  VardRewardFinding *finding = g_object_new (VARD_TYPE_REWARD_FINDING, NULL);

  finding->name = checks[check].name;
  finding->detail = checks[check].run (&self);
  finding->verdict = self.is_skipped           ? VARD_REWARD_VERDICT_SKIPPED
                     : finding->detail != NULL ? VARD_REWARD_VERDICT_FAILED
                                               : VARD_REWARD_VERDICT_PASSED;

  return finding;
}

/**
 * vard_reward_check:
 * @reward: a reward
 * @other: (nullable): another object with the same settings, to try both at once
 *
 * Tries everything, unless the reward cannot even be prepared.
 *
 * Returns: (transfer full) (element-type VardRewardFinding): what was found
 */
GPtrArray *
vard_reward_check (VardReward *reward, VardReward *other)
{
  g_return_val_if_fail (VARD_IS_REWARD (reward), NULL);

  GPtrArray *findings = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    {
      VardRewardFinding *finding = vard_reward_check_run (reward, other, i);

      g_ptr_array_add (findings, finding);
      if (i == 0 && finding->verdict == VARD_REWARD_VERDICT_FAILED)
        break;
    }

  return findings;
}

static void
vard_reward_finding_finalize (GObject *object)
{
  g_free (VARD_REWARD_FINDING (object)->detail);
  G_OBJECT_CLASS (vard_reward_finding_parent_class)->finalize (object);
}

static void
vard_reward_finding_class_init (VardRewardFindingClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_reward_finding_finalize;
}

static void
vard_reward_finding_init (VardRewardFinding *self)
{
}
