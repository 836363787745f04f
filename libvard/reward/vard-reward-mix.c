/* vard-reward-mix.c - several weighted rewards as one
 *
 * Every component keeps its own raw scores: what is learned from is a sum in common units
 * (vard-reward-statistics.c), what is shown is what each reward said.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-mix.h"

#include "base/vard-error.h"
#include "reward/vard-reward-message.h"
#include "reward/vard-reward-mix-private.h"

#include <math.h>

/* A batch of this many pictures with one score looks like a reward that does not work. */
#define ALARM_COUNT 8

G_DEFINE_FINAL_TYPE (VardRewardMix, vard_reward_mix, G_TYPE_OBJECT)

G_DEFINE_ENUM_TYPE (VardRewardPolicy,
                    vard_reward_policy,
                    G_DEFINE_ENUM_VALUE (VARD_REWARD_POLICY_REQUIRED, "required"),
                    G_DEFINE_ENUM_VALUE (VARD_REWARD_POLICY_SKIP_SAMPLE, "skip-sample"),
                    G_DEFINE_ENUM_VALUE (VARD_REWARD_POLICY_MONITOR_ONLY, "monitor-only"))

/**
 * vard_reward_mix_new:
 *
 * Returns: (transfer full): a mix of nothing yet
 */
VardRewardMix *
vard_reward_mix_new (void)
{
  return g_object_new (VARD_TYPE_REWARD_MIX, NULL);
}

/* A label is part of metric and file names. */
static gboolean
vard_reward_mix_check_label (VardRewardMix *self, const char *label, GError **error)
{
  if (!g_regex_match_simple ("^[A-Za-z0-9][A-Za-z0-9._-]*$", label, 0, 0))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "\"%s\" cannot be the label of a reward: use letters, digits, '.', '_' and '-'",
                   label);
      return FALSE;
    }
  for (guint c = 0; c < self->components->len; c++)
    if (g_str_equal (vard_reward_mix_peek (self, c)->label, label))
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                     "two rewards have the label \"%s\": set another one with label=NAME", label);
        return FALSE;
      }

  return TRUE;
}

/**
 * vard_reward_mix_add:
 * @self: a mix
 * @reward: a reward
 * @label: (nullable): what messages and metrics call it
 * @weight: how many standard deviations of it count as one in the total; negative to turn it round
 * @policy: what becomes of a picture that it cannot score
 * @error: return location
 *
 * Returns: %TRUE when it was added
 */
gboolean
vard_reward_mix_add (VardRewardMix *self,
                     VardReward *reward,
                     const char *label,
                     double weight,
                     VardRewardPolicy policy,
                     GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && VARD_IS_REWARD (reward), FALSE);

  if (label == NULL)
    label = vard_reward_get_label (reward);
  if (!vard_reward_mix_check_label (self, label, error))
    return FALSE;
  if (!isfinite (weight) || weight == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "the reward %s has the weight %g: to score without training on it, set "
                   "policy=monitor-only",
                   label, weight);
      return FALSE;
    }

  VardRewardComponent component = {
    .reward = g_object_ref (reward),
    .label = g_strdup (label),
    .weight = weight,
    .policy = policy,
  };
  vard_reward_set_label (reward, label);
  g_array_append_val (self->components, component);

  return TRUE;
}

/**
 * vard_reward_mix_get_n_components:
 * @self: a mix
 *
 * Returns: how many rewards there are
 */
guint
vard_reward_mix_get_n_components (VardRewardMix *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self), 0);

  return self->components->len;
}

/**
 * vard_reward_mix_get_reward:
 * @self: a mix
 * @component: which one
 *
 * Returns: (transfer none): the reward
 */
VardReward *
vard_reward_mix_get_reward (VardRewardMix *self, guint component)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && component < self->components->len, NULL);

  return vard_reward_mix_peek (self, component)->reward;
}

/**
 * vard_reward_mix_get_label:
 * @self: a mix
 * @component: which one
 *
 * Returns: what messages and metrics call it
 */
const char *
vard_reward_mix_get_label (VardRewardMix *self, guint component)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && component < self->components->len, NULL);

  return vard_reward_mix_peek (self, component)->label;
}

/**
 * vard_reward_mix_get_weight:
 * @self: a mix
 * @component: which one
 *
 * Returns: its weight
 */
double
vard_reward_mix_get_weight (VardRewardMix *self, guint component)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && component < self->components->len, 0);

  return vard_reward_mix_peek (self, component)->weight;
}

/**
 * vard_reward_mix_get_policy:
 * @self: a mix
 * @component: which one
 *
 * Returns: what becomes of a picture that it cannot score
 */
VardRewardPolicy
vard_reward_mix_get_policy (VardRewardMix *self, guint component)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && component < self->components->len,
                        VARD_REWARD_POLICY_REQUIRED);

  return vard_reward_mix_peek (self, component)->policy;
}

/**
 * vard_reward_mix_get_image_pool:
 * @self: a mix
 *
 * Returns: (nullable) (transfer none): where pictures for this mix are best made, so that rewards
 * in processes of
 *   their own read them without a copy; %NULL when there is no such reward
 */
VardImagePool *
vard_reward_mix_get_image_pool (VardRewardMix *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self), NULL);

  return self->pool;
}

/**
 * vard_reward_mix_take_messages:
 * @self: a mix
 *
 * Returns: (transfer full) (array zero-terminated=1): what its rewards said since the last time,
 * each line with the
 *   reward's label before it
 */
char **
vard_reward_mix_take_messages (VardRewardMix *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self), NULL);

  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint c = 0; c < self->components->len; c++)
    {
      const VardRewardComponent *component = vard_reward_mix_peek (self, c);
      g_auto (GStrv) texts = vard_reward_take_messages (component->reward);

      for (guint i = 0; texts[i] != NULL; i++)
        {
          g_autofree char *line = g_strdup_printf ("%s: %s", component->label, texts[i]);

          g_strv_builder_add (builder, line);
        }
    }

  return g_strv_builder_end (builder);
}

/**
 * vard_reward_mix_check_needs:
 * @self: a mix
 * @has_prompts: whether each picture will have a prompt
 * @metadata_keys: (nullable) (array zero-terminated=1): metadata that each picture will have
 * @group_size: how many pictures of one prompt will come together
 * @error: return location
 *
 * Returns: %TRUE when this is enough for all its rewards
 */
gboolean
vard_reward_mix_check_needs (VardRewardMix *self,
                             gboolean has_prompts,
                             const char *const *metadata_keys,
                             guint group_size,
                             GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self), FALSE);

  for (guint c = 0; c < self->components->len; c++)
    if (!vard_reward_check_needs (vard_reward_mix_peek (self, c)->reward, has_prompts,
                                  metadata_keys, group_size, error))
      return FALSE;

  return TRUE;
}

static const char *
vard_reward_policy_get_word (VardRewardPolicy policy)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (VARD_TYPE_REWARD_POLICY);

  return g_enum_get_value (klass, policy)->value_nick;
}

/* Takes inner and says in the same sentence which policy it meets and what that means. */
static void
vard_reward_component_propagate (const VardRewardComponent *self,
                                 GError *inner,
                                 const char *consequence,
                                 GError **error)
{
  if (!g_error_matches (inner, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      char *message = g_strdup_printf ("%s; policy=%s %s", inner->message,
                                       vard_reward_policy_get_word (self->policy), consequence);

      g_free (inner->message);
      inner->message = message;
    }
  g_propagate_error (error, inner);
}

/**
 * vard_reward_mix_prepare:
 * @self: a mix
 * @cancellable: (nullable): a way to stop early
 * @error: return location
 *
 * Prepares all rewards. One that is only shown may fail: its pictures will have no scores.
 *
 * Returns: %TRUE when all that count are prepared, and at least one counts
 */
gboolean
vard_reward_mix_prepare (VardRewardMix *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self), FALSE);

  guint n_counting = 0;

  for (guint c = 0; c < self->components->len; c++)
    {
      const VardRewardComponent *component = vard_reward_mix_peek (self, c);
      gboolean counts = component->policy != VARD_REWARD_POLICY_MONITOR_ONLY;
      g_autoptr (GError) inner = NULL;

      n_counting += counts;
      if (!vard_reward_prepare (component->reward, cancellable, &inner)
          && (counts || g_error_matches (inner, G_IO_ERROR, G_IO_ERROR_CANCELLED)))
        {
          vard_reward_component_propagate (component, g_steal_pointer (&inner),
                                           "does not start without it", error);
          return FALSE;
        }
      if (inner != NULL)
        {
          g_autofree char *text =
            g_strdup_printf ("%s; policy=monitor-only continues", inner->message);

          vard_reward_add_message (component->reward, text);
        }
    }
  if (n_counting == 0)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 self->components->len == 0 ? "there is nothing to learn: add a reward"
                                            : "there is nothing to learn, because every reward is "
                                              "monitor-only: change the policy of one");

  return n_counting > 0;
}

/* A required reward without a score for some picture ends the run. */
static gboolean
vard_reward_component_check_required (const VardRewardComponent *self,
                                      VardRewardBatch *batch,
                                      GError **error)
{
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    if (vard_reward_batch_get_status (batch, i) != VARD_REWARD_STATUS_SCORED)
      {
        const char *prompt = vard_reward_batch_get_prompt (batch, i);

        g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                     "the reward %s has no score for picture %u%s%s%s: %s; policy=required ends "
                     "the run",
                     self->label, i, prompt != NULL ? " (" : "", prompt != NULL ? prompt : "",
                     prompt != NULL ? ")" : "", vard_reward_batch_get_message (batch, i));
        return FALSE;
      }

  return TRUE;
}

/* Of a picture without a score */
static const char *
vard_reward_component_get_consequence (const VardRewardComponent *self)
{
  return self->policy == VARD_REWARD_POLICY_SKIP_SAMPLE ? "leaves them out" : "continues";
}

/* Why the first picture without a score has none */
static const char *
vard_reward_component_find_reason (VardRewardBatch *batch)
{
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    if (vard_reward_batch_get_status (batch, i) == VARD_REWARD_STATUS_FAILED)
      return vard_reward_batch_get_message (batch, i);
  return "nobody said why";
}

static void
vard_reward_component_raise_alarm (const VardRewardComponent *self,
                                   VardRewardBatch *batch,
                                   VardRewardScores *scores)
{
  double first = 0, score;
  guint n_scored = 0, n_equal = 0, n = vard_reward_batch_get_count (batch);

  for (guint i = 0; i < n; i++)
    if (vard_reward_batch_get_score (batch, i, &score))
      {
        if (n_scored++ == 0)
          first = score;
        n_equal += score == first;
      }
  if (n_scored < n && self->policy != VARD_REWARD_POLICY_REQUIRED)
    vard_reward_scores_warn (scores,
                             "the reward %s has no score for %u of %u pictures: %s; policy=%s %s",
                             self->label, n - n_scored, n,
                             vard_reward_component_find_reason (batch),
                             vard_reward_policy_get_word (self->policy),
                             vard_reward_component_get_consequence (self));
  if (n_scored >= ALARM_COUNT && n_equal == n_scored)
    vard_reward_scores_warn (scores, "the reward %s gave all %u pictures the score %g", self->label,
                             n_scored, first);
}

static gboolean
vard_reward_component_score (const VardRewardComponent *self,
                             guint component,
                             VardRewardBatch *batch,
                             VardRewardScores *scores,
                             GCancellable *cancellable,
                             GError **error)
{
  g_autoptr (GError) inner = NULL;
  gint64 begin = g_get_monotonic_time ();
  gboolean ok = vard_reward_score_batch (self->reward, batch, cancellable, &inner);
  double seconds = (g_get_monotonic_time () - begin) / (double) G_USEC_PER_SEC;

  if (!ok
      && (self->policy == VARD_REWARD_POLICY_REQUIRED
          || g_error_matches (inner, G_IO_ERROR, G_IO_ERROR_CANCELLED)))
    {
      vard_reward_component_propagate (self, g_steal_pointer (&inner), "ends the run", error);
      return FALSE;
    }
  if (!ok)
    {
      vard_reward_scores_fail_all (scores, component, inner->message, seconds);
      vard_reward_scores_warn (scores, "%s; policy=%s %s", inner->message,
                               vard_reward_policy_get_word (self->policy),
                               vard_reward_component_get_consequence (self));
      return TRUE;
    }
  vard_reward_scores_read_batch (scores, component, batch, seconds);
  vard_reward_component_raise_alarm (self, batch, scores);

  return self->policy != VARD_REWARD_POLICY_REQUIRED
         || vard_reward_component_check_required (self, batch, error);
}

/**
 * vard_reward_mix_score:
 * @self: a mix
 * @batch: pictures; what @batch itself says of scores afterwards is left open
 * @cancellable: (nullable): a way to stop early
 * @error: return location
 *
 * Returns: (transfer full): what each reward said; %NULL when a required one failed
 */
VardRewardScores *
vard_reward_mix_score (VardRewardMix *self,
                       VardRewardBatch *batch,
                       GCancellable *cancellable,
                       GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && VARD_IS_REWARD_BATCH (batch), NULL);

  g_autoptr (VardRewardScores) scores =
    vard_reward_scores_new (self->components->len, vard_reward_batch_get_count (batch));

  for (guint c = 0; c < self->components->len; c++)
    if (!vard_reward_component_score (vard_reward_mix_peek (self, c), c, batch, scores, cancellable,
                                      error))
      return NULL;

  return g_steal_pointer (&scores);
}

static void
vard_reward_component_clear (gpointer data)
{
  VardRewardComponent *component = data;

  g_object_unref (component->reward);
  g_free (component->label);
}

static void
vard_reward_mix_finalize (GObject *object)
{
  g_array_unref (VARD_REWARD_MIX (object)->components);
  g_clear_object (&VARD_REWARD_MIX (object)->pool);
  G_OBJECT_CLASS (vard_reward_mix_parent_class)->finalize (object);
}

static void
vard_reward_mix_class_init (VardRewardMixClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_reward_mix_finalize;
}

static void
vard_reward_mix_init (VardRewardMix *self)
{
  self->components = g_array_new (FALSE, TRUE, sizeof (VardRewardComponent));
  g_array_set_clear_func (self->components, vard_reward_component_clear);
}
