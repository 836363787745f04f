/* aesthetic-reward.c - scores how beautiful people would find a picture
 *
 * LAION's improved aesthetic predictor, version 2: what CLIP ViT-L/14 sees of a picture, as a
 * direction, goes through a small network that was trained on ratings from 1 to 10. Most
 * photographs score 4 to 6.5.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../clip/clip-encoder.h"
#include "aesthetic-predictor.h"

#define AESTHETIC_TYPE_REWARD (aesthetic_reward_get_type ())
G_DECLARE_FINAL_TYPE (AestheticReward, aesthetic_reward, AESTHETIC, REWARD, VardReward)

struct _AestheticReward
{
  VardReward parent_instance;
  CLIP_MEMBERS;
  char *predictor;
  VardClip *clip; /* NULL until prepared */
  AestheticPredictor *network;
};

G_DEFINE_FINAL_TYPE (AestheticReward, aesthetic_reward, VARD_TYPE_REWARD)

static const VardField fields[] = {
  VARD_FIELD_STRING (AestheticReward, model, "Folder of the CLIP ViT-L/14 model", NULL),
  VARD_FIELD_STRING (AestheticReward,
                     predictor,
                     "File with the predictor's weights: .pth, or .safetensors with the same "
                     "tensor names",
                     NULL),
  CLIP_FIELDS (AestheticReward),
};

static ClipSettings
aesthetic_reward_get_settings (AestheticReward *self)
{
  return (ClipSettings) { CLIP_SETTINGS (self), .crop = VARD_CLIP_CROP_ROUND };
}

/* The small file first: what is wrong with it is known at once. */
static gboolean
aesthetic_reward_prepare (VardReward *reward, GCancellable *cancellable, GError **error)
{
  AestheticReward *self = AESTHETIC_REWARD (reward);
  ClipSettings settings = aesthetic_reward_get_settings (self);

  if (self->predictor == NULL || self->predictor[0] == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "no predictor is given: set \"predictor\" to its file, such as "
                   "predictor=sac+logos+ava1-l14-linearMSE.pth");
      return FALSE;
    }
  g_clear_pointer (&self->network, aesthetic_predictor_free);
  g_clear_object (&self->clip);
  self->network = aesthetic_predictor_new (self->predictor, error);
  self->clip = self->network != NULL ? clip_encoder_open (&settings, FALSE, error) : NULL;
  if (self->clip == NULL)
    return FALSE;
  if (self->network->n == vard_clip_get_n_features (self->clip))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s takes %u features, but %s gives %u",
               self->predictor, self->network->n, self->model,
               vard_clip_get_n_features (self->clip));

  return FALSE;
}

static double
aesthetic_reward_predict (const float *features, guint index, gpointer data)
{
  return aesthetic_predictor_predict (data, features);
}

static gboolean
aesthetic_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  AestheticReward *self = AESTHETIC_REWARD (reward);
  ClipSettings settings = aesthetic_reward_get_settings (self);

  return clip_encoder_score (self->clip, &settings, batch, aesthetic_reward_predict, self->network,
                             error);
}

static void
aesthetic_reward_finalize (GObject *object)
{
  AestheticReward *self = AESTHETIC_REWARD (object);

  g_clear_object (&self->clip);
  g_clear_pointer (&self->network, aesthetic_predictor_free);
  G_OBJECT_CLASS (aesthetic_reward_parent_class)->finalize (object);
}

static void
aesthetic_reward_class_init (AestheticRewardClass *klass)
{
  VardRewardClass *reward_class = VARD_REWARD_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = aesthetic_reward_finalize;
  reward_class->prepare = aesthetic_reward_prepare;
  reward_class->score = aesthetic_reward_score;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
aesthetic_reward_init (AestheticReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "aesthetic", AESTHETIC_TYPE_REWARD);
}

VARD_PLUGIN ("aesthetic",
             "1.0",
             "LGPL-2.1-or-later",
             "Rewards pictures that people call beautiful, by LAION's predictor",
             provide);
