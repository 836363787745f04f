/* clip-score-reward.c - scores how well a picture matches its prompt, by CLIP
 *
 * The score is the cosine between the features of picture and prompt times `scale`: 100 as
 * torchmetrics has it (which also cuts at 0; this does not, so that bad pictures can be told from
 * worse), 2.5 for the CLIPScore of Hessel et al. For ViT-L/14 pictures that show their prompt are
 * at about 25 of 100.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../clip/clip-encoder.h"

#define CLIP_SCORE_TYPE_REWARD (clip_score_reward_get_type ())
G_DECLARE_FINAL_TYPE (ClipScoreReward, clip_score_reward, CLIP_SCORE, REWARD, VardReward)

struct _ClipScoreReward
{
  VardReward parent_instance;
  CLIP_TEXT_MEMBERS;
  double scale;
  VardClip *clip; /* NULL until prepared */
};

G_DEFINE_FINAL_TYPE (ClipScoreReward, clip_score_reward, VARD_TYPE_REWARD)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_STRING (ClipScoreReward, model, "Folder of a CLIP model", NULL),
  VARD_FIELD_DOUBLE (ClipScoreReward, scale,
                     "Factor by which the cosine is multiplied", 0.001, 1000,
                     100),
  CLIP_TEXT_FIELDS (ClipScoreReward),
};
/* clang-format on */

static ClipSettings
clip_score_reward_get_settings (ClipScoreReward *self)
{
  return (ClipSettings) { CLIP_SETTINGS (self), .tokenizer = self->tokenizer,
                          .crop = VARD_CLIP_CROP_FLOOR };
}

static gboolean
clip_score_reward_prepare (VardReward *reward, GCancellable *cancellable, GError **error)
{
  ClipScoreReward *self = CLIP_SCORE_REWARD (reward);
  ClipSettings settings = clip_score_reward_get_settings (self);

  g_clear_object (&self->clip);
  self->clip = clip_encoder_open (&settings, TRUE, error);

  return self->clip != NULL;
}

static gboolean
clip_score_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  ClipScoreReward *self = CLIP_SCORE_REWARD (reward);
  ClipSettings settings = clip_score_reward_get_settings (self);

  return clip_encoder_score_prompts (self->clip, &settings, batch, self->scale, error);
}

static VardRewardNeeds
clip_score_reward_get_needs (VardReward *reward)
{
  return VARD_REWARD_NEEDS_PROMPT;
}

static void
clip_score_reward_finalize (GObject *object)
{
  g_clear_object (&CLIP_SCORE_REWARD (object)->clip);
  G_OBJECT_CLASS (clip_score_reward_parent_class)->finalize (object);
}

static void
clip_score_reward_class_init (ClipScoreRewardClass *klass)
{
  VardRewardClass *reward_class = VARD_REWARD_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = clip_score_reward_finalize;
  reward_class->prepare = clip_score_reward_prepare;
  reward_class->score = clip_score_reward_score;
  reward_class->get_needs = clip_score_reward_get_needs;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
clip_score_reward_init (ClipScoreReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "clip-score", CLIP_SCORE_TYPE_REWARD);
}

VARD_PLUGIN ("clip-score",
             "1.0",
             "LGPL-2.1-or-later",
             "Rewards pictures that show their prompt, by CLIP",
             provide);
