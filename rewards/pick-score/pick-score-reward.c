/* pick-score-reward.c - scores which of two pictures of a prompt people would pick
 *
 * PickScore (Kirstain et al. 2023) is a CLIP ViT-H/14 that was trained on such choices. The score
 * is the cosine times the factor that the weights hold, e to the power of logit_scale, about 100:
 * two pictures whose scores differ by 1 are picked 73 to 27.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../clip/clip-encoder.h"

#define PICK_SCORE_TYPE_REWARD (pick_score_reward_get_type ())
G_DECLARE_FINAL_TYPE (PickScoreReward, pick_score_reward, PICK_SCORE, REWARD, VardReward)

struct _PickScoreReward
{
  VardReward parent_instance;
  CLIP_TEXT_MEMBERS;
  VardClip *clip; /* NULL until prepared */
};

G_DEFINE_FINAL_TYPE (PickScoreReward, pick_score_reward, VARD_TYPE_REWARD)

static const VardField fields[] = {
  VARD_FIELD_STRING (PickScoreReward, model, "Folder of the PickScore model", NULL),
  CLIP_TEXT_FIELDS (PickScoreReward),
};

static ClipSettings
pick_score_reward_get_settings (PickScoreReward *self)
{
  return (ClipSettings) { CLIP_SETTINGS (self), .tokenizer = self->tokenizer,
                          .crop = VARD_CLIP_CROP_FLOOR };
}

static gboolean
pick_score_reward_prepare (VardReward *reward, GCancellable *cancellable, GError **error)
{
  PickScoreReward *self = PICK_SCORE_REWARD (reward);
  ClipSettings settings = pick_score_reward_get_settings (self);

  g_clear_object (&self->clip);
  self->clip = clip_encoder_open (&settings, TRUE, error);

  return self->clip != NULL;
}

static gboolean
pick_score_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  PickScoreReward *self = PICK_SCORE_REWARD (reward);
  ClipSettings settings = pick_score_reward_get_settings (self);

  return clip_encoder_score_prompts (self->clip, &settings, batch, vard_clip_get_scale (self->clip),
                                     error);
}

static VardRewardNeeds
pick_score_reward_get_needs (VardReward *reward)
{
  return VARD_REWARD_NEEDS_PROMPT;
}

static void
pick_score_reward_finalize (GObject *object)
{
  g_clear_object (&PICK_SCORE_REWARD (object)->clip);
  G_OBJECT_CLASS (pick_score_reward_parent_class)->finalize (object);
}

static void
pick_score_reward_class_init (PickScoreRewardClass *klass)
{
  VardRewardClass *reward_class = VARD_REWARD_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = pick_score_reward_finalize;
  reward_class->prepare = pick_score_reward_prepare;
  reward_class->score = pick_score_reward_score;
  reward_class->get_needs = pick_score_reward_get_needs;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
pick_score_reward_init (PickScoreReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "pick-score", PICK_SCORE_TYPE_REWARD);
}

VARD_PLUGIN ("pick-score",
             "1.0",
             "LGPL-2.1-or-later",
             "Rewards pictures that people pick, by PickScore",
             provide);
