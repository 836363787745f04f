/* hps-reward.c - scores how much people prefer a picture for its prompt
 *
 * HPS v2 (Wu et al. 2023) is a CLIP ViT-H/14 trained on people's preferences, published as weights
 * alone: `model` is the folder of the CLIP that it began from, `weights` the checkpoint. The score
 * is the cosine, as in the published program: about 0.2 to 0.3.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../clip/clip-encoder.h"

#define HPS_TYPE_REWARD (hps_reward_get_type ())
G_DECLARE_FINAL_TYPE (HpsReward, hps_reward, HPS, REWARD, VardReward)

struct _HpsReward
{
  VardReward parent_instance;
  CLIP_TEXT_MEMBERS;
  VardClip *clip; /* NULL until prepared */
};

G_DEFINE_FINAL_TYPE (HpsReward, hps_reward, VARD_TYPE_REWARD)

static const VardField fields[] = {
  VARD_FIELD_STRING (HpsReward, model, "Folder of a CLIP ViT-H/14 model", NULL),
  CLIP_TEXT_FIELDS (HpsReward),
};

static ClipSettings
hps_reward_get_settings (HpsReward *self)
{
  return (ClipSettings) { CLIP_SETTINGS (self), .tokenizer = self->tokenizer,
                          .crop = VARD_CLIP_CROP_ROUND };
}

static gboolean
hps_reward_prepare (VardReward *reward, GCancellable *cancellable, GError **error)
{
  HpsReward *self = HPS_REWARD (reward);
  ClipSettings settings = hps_reward_get_settings (self);

  g_clear_object (&self->clip);
  self->clip = clip_encoder_open (&settings, TRUE, error);

  return self->clip != NULL;
}

static gboolean
hps_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  HpsReward *self = HPS_REWARD (reward);
  ClipSettings settings = hps_reward_get_settings (self);

  return clip_encoder_score_prompts (self->clip, &settings, batch, 1, error);
}

static VardRewardNeeds
hps_reward_get_needs (VardReward *reward)
{
  return VARD_REWARD_NEEDS_PROMPT;
}

static void
hps_reward_finalize (GObject *object)
{
  g_clear_object (&HPS_REWARD (object)->clip);
  G_OBJECT_CLASS (hps_reward_parent_class)->finalize (object);
}

static void
hps_reward_class_init (HpsRewardClass *klass)
{
  VardRewardClass *reward_class = VARD_REWARD_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = hps_reward_finalize;
  reward_class->prepare = hps_reward_prepare;
  reward_class->score = hps_reward_score;
  reward_class->get_needs = hps_reward_get_needs;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
hps_reward_init (HpsReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "hps", HPS_TYPE_REWARD);
}

VARD_PLUGIN ("hps",
             "1.0",
             "LGPL-2.1-or-later",
             "Rewards pictures that people prefer, by HPS v2",
             provide);
