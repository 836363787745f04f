/* vard-reward.c - the interface of rewards
 *
 * What comes back from a subclass is checked here, once for all: a FALSE without an error becomes
 * the error of the pictures that have no score, and a picture that was passed over has failed.
 *
 * An object is bound to the thread that made it, unless vard_reward_set_thread_bound() frees it: a
 * script's functions run in the script's thread. From another thread the call goes through the main
 * context that was the thread's default when the object was made, and somebody has to iterate it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward.h"

#include "base/vard-error.h"
#include "base/vard-trace.h"
#include "reward/vard-reward-call.h"
#include "reward/vard-reward-message.h"
#include "reward/vard-reward-private.h"

typedef struct
{
  char *label; /* NULL: the type's name */
  GMainContext *context;
  GThread *thread; /* for comparison; held, so that no later thread has its address */
  gboolean is_thread_bound, is_prepared;
} VardRewardPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (VardReward, vard_reward, G_TYPE_OBJECT)

/* What travels to the reward's own thread */
typedef struct
{
  VardReward *reward;
  VardRewardBatch *batch; /* NULL: prepare */
  GCancellable *cancellable;
} VardRewardJob;

static VardRewardPrivate *
vard_reward_get_private (VardReward *self)
{
  return vard_reward_get_instance_private (self);
}

/**
 * vard_reward_get_label:
 * @self: a reward
 *
 * Returns: what messages and metrics call it; the name of its type unless it was given another
 */
const char *
vard_reward_get_label (VardReward *self)
{
  g_return_val_if_fail (VARD_IS_REWARD (self), NULL);

  const char *label = vard_reward_get_private (self)->label;

  return label != NULL ? label : G_OBJECT_TYPE_NAME (self);
}

/**
 * vard_reward_set_label:
 * @self: a reward
 * @label: (nullable): what messages and metrics call it
 */
void
vard_reward_set_label (VardReward *self, const char *label)
{
  g_return_if_fail (VARD_IS_REWARD (self));

  VardRewardPrivate *priv = vard_reward_get_private (self);

  g_free (priv->label);
  priv->label = g_strdup (label);
}

/**
 * vard_reward_is_thread_bound:
 * @self: a reward
 *
 * Returns: whether it is only called in the thread that made it
 */
gboolean
vard_reward_is_thread_bound (VardReward *self)
{
  g_return_val_if_fail (VARD_IS_REWARD (self), FALSE);

  return vard_reward_get_private (self)->is_thread_bound;
}

/**
 * vard_reward_set_thread_bound:
 * @self: a reward
 * @thread_bound: whether it may only be called in the thread that made it; %TRUE at first
 *
 * Rewards from plugin files are not bound, because they have no script behind them.
 */
void
vard_reward_set_thread_bound (VardReward *self, gboolean thread_bound)
{
  g_return_if_fail (VARD_IS_REWARD (self));

  vard_reward_get_private (self)->is_thread_bound = thread_bound;
}

/**
 * vard_reward_get_needs:
 * @self: a reward
 *
 * Returns: what it cannot do without
 */
VardRewardNeeds
vard_reward_get_needs (VardReward *self)
{
  g_return_val_if_fail (VARD_IS_REWARD (self), VARD_REWARD_NEEDS_NOTHING);

  return VARD_REWARD_GET_CLASS (self)->get_needs (self);
}

/**
 * vard_reward_dup_metadata_keys:
 * @self: a reward
 *
 * Returns: (nullable) (transfer full) (array zero-terminated=1): metadata that each picture must
 * have
 */
char **
vard_reward_dup_metadata_keys (VardReward *self)
{
  g_return_val_if_fail (VARD_IS_REWARD (self), NULL);

  return VARD_REWARD_GET_CLASS (self)->dup_metadata_keys (self);
}

static gboolean
vard_reward_check_metadata_keys (VardReward *self, const char *const *metadata_keys, GError **error)
{
  g_auto (GStrv) needed = vard_reward_dup_metadata_keys (self);

  for (guint i = 0; needed != NULL && needed[i] != NULL; i++)
    if (metadata_keys == NULL || !g_strv_contains (metadata_keys, needed[i]))
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                     "the reward %s needs \"%s\" with each prompt, but not every prompt of this "
                     "run has it: add it to the file of prompts",
                     vard_reward_get_label (self), needed[i]);
        return FALSE;
      }

  return TRUE;
}

/**
 * vard_reward_check_needs:
 * @self: a reward
 * @has_prompts: whether each picture will have a prompt
 * @metadata_keys: (nullable) (array zero-terminated=1): metadata that each picture will have
 * @group_size: how many pictures of one prompt will come together
 * @error: return location
 *
 * Returns: %TRUE when this is enough for it
 */
gboolean
vard_reward_check_needs (VardReward *self,
                         gboolean has_prompts,
                         const char *const *metadata_keys,
                         guint group_size,
                         GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD (self), FALSE);

  VardRewardNeeds needs = vard_reward_get_needs (self);
  const char *label = vard_reward_get_label (self);

  if ((needs & VARD_REWARD_NEEDS_PROMPT) != 0 && !has_prompts)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "the reward %s needs a prompt with each picture, but there are none", label);
      return FALSE;
    }
  if ((needs & VARD_REWARD_NEEDS_GROUPS) != 0 && group_size < 2)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "the reward %s compares pictures of the same prompt, but there is only one "
                   "picture per prompt",
                   label);
      return FALSE;
    }

  return vard_reward_check_metadata_keys (self, metadata_keys, error);
}

int
vard_reward_get_code (const GError *error)
{
  if (error->domain == G_FILE_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)
      || g_error_matches (error, VARD_ERROR, VARD_ERROR_CONFIG)
      || g_error_matches (error, VARD_ERROR, VARD_ERROR_UNSUPPORTED))
    return VARD_ERROR_CONFIG;

  return g_error_matches (error, VARD_ERROR, VARD_ERROR_USAGE) ? VARD_ERROR_USAGE
                                                               : VARD_ERROR_REWARD;
}

/* A subclass's answer: never a failure without an error, never a success with one */
static gboolean
vard_reward_settle (VardReward *self,
                    gboolean result,
                    const char *what,
                    GError *inner,
                    GError **error)
{
  if (result && inner == NULL)
    return TRUE;
  if (inner == NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                 "the reward %s failed to %s and gave no reason: its function returned FALSE "
                 "without an error",
                 vard_reward_get_label (self), what);
  else if (g_error_matches (inner, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, inner);
  else
    {
      int code = g_str_equal (what, "prepare") ? vard_reward_get_code (inner) : VARD_ERROR_REWARD;

      g_set_error (error, VARD_ERROR, code, "the reward %s failed to %s: %s",
                   vard_reward_get_label (self), what, inner->message);
      g_error_free (inner);
    }

  return FALSE;
}

/* A function that broke off: the pictures it had not come to fail with its reason, and those it had
 * scored keep their scores. So it is with an exception in a script, which comes as FALSE without an
 * error from Python. One that spoke of no picture at all, and said why, has failed as a whole. */
gboolean
vard_reward_settle_batch (VardRewardBatch *batch, gboolean result, GError **inner)
{
  guint n = vard_reward_batch_get_count (batch), n_unset = 0;

  for (guint i = 0; i < n; i++)
    n_unset += vard_reward_batch_get_status (batch, i) == VARD_REWARD_STATUS_UNSET;
  if ((result && *inner == NULL) || n_unset == 0
      || g_error_matches (*inner, G_IO_ERROR, G_IO_ERROR_CANCELLED)
      || (*inner != NULL && n_unset == n))
    return result;
  for (guint i = 0; i < n; i++)
    if (vard_reward_batch_get_status (batch, i) == VARD_REWARD_STATUS_UNSET)
      vard_reward_batch_set_failed (batch, i,
                                    *inner != NULL ? (*inner)->message
                                                   : "the reward's function failed, or raised an "
                                                     "exception, and gave no reason");
  g_clear_error (inner);

  return TRUE;
}

static gboolean
vard_reward_job_run (gpointer data, GError **error)
{
  VardRewardJob *job = data;
  VardRewardClass *klass = VARD_REWARD_GET_CLASS (job->reward);
  VardReward *former = vard_reward_swap_speaker (job->reward);
  GError *inner = NULL;
  gboolean result = job->batch == NULL ? klass->prepare (job->reward, job->cancellable, &inner)
                                       : klass->score (job->reward, job->batch, &inner);

  vard_reward_swap_speaker (former);
  if (job->batch != NULL)
    result = vard_reward_settle_batch (job->batch, result, &inner);

  return vard_reward_settle (job->reward, result, job->batch == NULL ? "prepare" : "score", inner,
                             error);
}

static void
vard_reward_job_free (gpointer data)
{
  VardRewardJob *job = data;

  g_object_unref (job->reward);
  g_clear_object (&job->batch);
  g_clear_object (&job->cancellable);
  g_free (job);
}

static gboolean
vard_reward_run_job (VardReward *self,
                     VardRewardBatch *batch,
                     GCancellable *cancellable,
                     GError **error)
{
  VardRewardPrivate *priv = vard_reward_get_private (self);
  VardRewardJob *job = g_new0 (VardRewardJob, 1);

  job->reward = g_object_ref (self);
  g_set_object (&job->batch, batch);
  g_set_object (&job->cancellable, cancellable);
  if (priv->is_thread_bound && g_thread_self () != priv->thread
      && !g_main_context_is_owner (priv->context))
    return vard_reward_call_in (priv->context, vard_reward_get_label (self), vard_reward_job_run,
                                job, vard_reward_job_free, cancellable, error);

  gboolean result = vard_reward_job_run (job, error);
  vard_reward_job_free (job);

  return result;
}

/**
 * vard_reward_prepare:
 * @self: a reward
 * @cancellable: (nullable): a way to stop early
 * @error: return location
 *
 * Loads what scoring needs. Called again, it does nothing.
 *
 * Returns: %TRUE when the reward can score
 */
gboolean
vard_reward_prepare (VardReward *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD (self), FALSE);

  VardRewardPrivate *priv = vard_reward_get_private (self);

  if (priv->is_prepared)
    return TRUE;
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  priv->is_prepared = vard_reward_run_job (self, NULL, cancellable, error);

  return priv->is_prepared;
}

/**
 * vard_reward_score_batch:
 * @self: a reward
 * @batch: pictures; their former scores are forgotten
 * @cancellable: (nullable): a way to stop early
 * @error: return location
 *
 * Returns: %TRUE when every picture has a score or a message that says why it has none
 */
gboolean
vard_reward_score_batch (VardReward *self,
                         VardRewardBatch *batch,
                         GCancellable *cancellable,
                         GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD (self) && VARD_IS_REWARD_BATCH (batch), FALSE);

  VARD_TRACE_SCOPE ("reward", G_OBJECT_TYPE_NAME (self));

  if (!vard_reward_prepare (self, cancellable, error))
    return FALSE;
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  vard_reward_batch_reset (batch);
  vard_reward_batch_set_cancellable (batch, cancellable);
  gboolean result = vard_reward_run_job (self, batch, cancellable, error);
  vard_reward_batch_set_cancellable (batch, NULL);

  for (guint i = 0; result && i < vard_reward_batch_get_count (batch); i++)
    if (vard_reward_batch_get_status (batch, i) == VARD_REWARD_STATUS_UNSET)
      vard_reward_batch_set_failed (batch, i, "the reward skipped it");

  return result;
}

static gboolean
vard_reward_prepare_nothing (VardReward *self, GCancellable *cancellable, GError **error)
{
  return TRUE;
}

static gboolean
vard_reward_score_nothing (VardReward *self, VardRewardBatch *batch, GError **error)
{
  g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "%s has no score function",
               G_OBJECT_TYPE_NAME (self));
  return FALSE;
}

static VardRewardNeeds
vard_reward_need_nothing (VardReward *self)
{
  return VARD_REWARD_NEEDS_NOTHING;
}

static char **
vard_reward_dup_no_keys (VardReward *self)
{
  return NULL;
}

static void
vard_reward_finalize (GObject *object)
{
  VardRewardPrivate *priv = vard_reward_get_private (VARD_REWARD (object));

  g_free (priv->label);
  g_main_context_unref (priv->context);
  g_thread_unref (priv->thread);
  G_OBJECT_CLASS (vard_reward_parent_class)->finalize (object);
}

static void
vard_reward_class_init (VardRewardClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_reward_finalize;
  klass->prepare = vard_reward_prepare_nothing;
  klass->score = vard_reward_score_nothing;
  klass->get_needs = vard_reward_need_nothing;
  klass->dup_metadata_keys = vard_reward_dup_no_keys;
}

static void
vard_reward_init (VardReward *self)
{
  VardRewardPrivate *priv = vard_reward_get_private (self);

  priv->context = g_main_context_ref_thread_default ();
  priv->thread = g_thread_ref (g_thread_self ());
  priv->is_thread_bound = TRUE;
}
