/* vard-reward-batch.c - pictures to score, with the score and status of each
 *
 * Score and status are different things: a picture starts as unset, and what is not a finite number
 * never becomes a score. Pictures are not copied.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-batch.h"

#include "base/vard-error.h"

#include <math.h>

typedef struct
{
  GBytes *pixels; /* [height, width, 3] */
  guint width, height, group;
  char *prompt;         /* NULL for none */
  JsonObject *metadata; /* NULL for none */
  VardRewardStatus status;
  double score;
  char *message; /* of a failure */
} VardRewardItem;

struct _VardRewardBatch
{
  GObject parent_instance;
  GArray *items;             /* of VardRewardItem */
  GCancellable *cancellable; /* NULL for none */
};

G_DEFINE_FINAL_TYPE (VardRewardBatch, vard_reward_batch, G_TYPE_OBJECT)

static VardRewardItem *
vard_reward_batch_get_item (VardRewardBatch *self, guint index)
{
  return &g_array_index (self->items, VardRewardItem, index);
}

#define RETURN_VAL_UNLESS_ITEM(value)                        \
  g_return_val_if_fail (VARD_IS_REWARD_BATCH (self), value); \
  g_return_val_if_fail (index < self->items->len, value)

/**
 * vard_reward_batch_new:
 *
 * Returns: (transfer full): a batch without pictures
 */
VardRewardBatch *
vard_reward_batch_new (void)
{
  return g_object_new (VARD_TYPE_REWARD_BATCH, NULL);
}

/**
 * vard_reward_batch_append:
 * @self: a batch
 * @pixels: the rows of a picture from the top, three bytes a pixel: red, green, blue
 * @width: pixels in a row
 * @height: rows
 * @prompt: (nullable): what the picture was made from
 * @metadata: (nullable) (transfer none): what else is known of the prompt
 * @group: equal for pictures of one prompt that belong together
 * @error: return location
 *
 * Returns: %TRUE when @pixels has the size that @width and @height say
 */
gboolean
vard_reward_batch_append (VardRewardBatch *self,
                          GBytes *pixels,
                          guint width,
                          guint height,
                          const char *prompt,
                          JsonObject *metadata,
                          guint group,
                          GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD_BATCH (self) && pixels != NULL, FALSE);

  guint64 size = g_bytes_get_size (pixels);
  if (width == 0 || height == 0 || size % 3 != 0 || (guint64) width * height != size / 3)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "picture %u should have %u x %u RGB pixels, but has %" G_GUINT64_FORMAT " bytes",
                   self->items->len, width, height, size);
      return FALSE;
    }

  VardRewardItem item = {
    .pixels = g_bytes_ref (pixels),
    .width = width,
    .height = height,
    .group = group,
    .prompt = g_strdup (prompt),
    .metadata = metadata != NULL ? json_object_ref (metadata) : NULL,
  };
  g_array_append_val (self->items, item);

  return TRUE;
}

/**
 * vard_reward_batch_get_count:
 * @self: a batch
 *
 * Returns: how many pictures there are
 */
guint
vard_reward_batch_get_count (VardRewardBatch *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_BATCH (self), 0);

  return self->items->len;
}

/**
 * vard_reward_batch_get_width:
 * @self: a batch
 * @index: which picture
 *
 * Returns: pixels in a row
 */
guint
vard_reward_batch_get_width (VardRewardBatch *self, guint index)
{
  RETURN_VAL_UNLESS_ITEM (0);

  return vard_reward_batch_get_item (self, index)->width;
}

/**
 * vard_reward_batch_get_height:
 * @self: a batch
 * @index: which picture
 *
 * Returns: rows
 */
guint
vard_reward_batch_get_height (VardRewardBatch *self, guint index)
{
  RETURN_VAL_UNLESS_ITEM (0);

  return vard_reward_batch_get_item (self, index)->height;
}

/**
 * vard_reward_batch_peek_pixels: (skip)
 * @self: a batch
 * @index: which picture
 * @n_bytes: (out) (optional): 3 x width x height
 *
 * What is to be kept after the score function returns is to be copied: the memory is used again.
 *
 * Returns: (transfer none): red, green and blue of each pixel, rows from the top
 */
const guint8 *
vard_reward_batch_peek_pixels (VardRewardBatch *self, guint index, gsize *n_bytes)
{
  RETURN_VAL_UNLESS_ITEM (NULL);

  return g_bytes_get_data (vard_reward_batch_get_item (self, index)->pixels, n_bytes);
}

/**
 * vard_reward_batch_get_pixels:
 * @self: a batch
 * @index: which picture
 *
 * In a reward's own process (isolate=true) the bytes change after the score function returns, even
 * when a reference is held: what is to be kept is to be copied.
 *
 * Returns: (transfer none): red, green and blue of each pixel, rows from the top
 */
GBytes *
vard_reward_batch_get_pixels (VardRewardBatch *self, guint index)
{
  RETURN_VAL_UNLESS_ITEM (NULL);

  return vard_reward_batch_get_item (self, index)->pixels;
}

/**
 * vard_reward_batch_get_prompt:
 * @self: a batch
 * @index: which picture
 *
 * Returns: (nullable): what the picture was made from
 */
const char *
vard_reward_batch_get_prompt (VardRewardBatch *self, guint index)
{
  RETURN_VAL_UNLESS_ITEM (NULL);

  return vard_reward_batch_get_item (self, index)->prompt;
}

/**
 * vard_reward_batch_get_metadata:
 * @self: a batch
 * @index: which picture
 *
 * Returns: (nullable) (transfer none): what else is known of the prompt
 */
JsonObject *
vard_reward_batch_get_metadata (VardRewardBatch *self, guint index)
{
  RETURN_VAL_UNLESS_ITEM (NULL);

  return vard_reward_batch_get_item (self, index)->metadata;
}

/**
 * vard_reward_batch_get_group:
 * @self: a batch
 * @index: which picture
 *
 * Returns: a number that pictures of one prompt share
 */
guint
vard_reward_batch_get_group (VardRewardBatch *self, guint index)
{
  RETURN_VAL_UNLESS_ITEM (0);

  return vard_reward_batch_get_item (self, index)->group;
}

/**
 * vard_reward_batch_get_cancellable:
 * @self: a batch
 *
 * Returns: (nullable) (transfer none): what a slow reward watches, to stop early
 */
GCancellable *
vard_reward_batch_get_cancellable (VardRewardBatch *self)
{
  g_return_val_if_fail (VARD_IS_REWARD_BATCH (self), NULL);

  return self->cancellable;
}

/**
 * vard_reward_batch_set_cancellable:
 * @self: a batch
 * @cancellable: (nullable): what a slow reward watches, to stop early
 */
void
vard_reward_batch_set_cancellable (VardRewardBatch *self, GCancellable *cancellable)
{
  g_return_if_fail (VARD_IS_REWARD_BATCH (self));

  g_set_object (&self->cancellable, cancellable);
}

/**
 * vard_reward_batch_set_score:
 * @self: a batch
 * @index: which picture
 * @score: its score; when it is not a finite number, the picture has failed
 */
void
vard_reward_batch_set_score (VardRewardBatch *self, guint index, double score)
{
  g_return_if_fail (VARD_IS_REWARD_BATCH (self));
  g_return_if_fail (index < self->items->len);

  VardRewardItem *item = vard_reward_batch_get_item (self, index);
  if (!isfinite (score))
    {
      vard_reward_batch_set_failed (self, index,
                                    isnan (score) ? "its score is not a number"
                                                  : "its score is infinite");
      return;
    }
  g_clear_pointer (&item->message, g_free);
  item->score = score;
  item->status = VARD_REWARD_STATUS_SCORED;
}

/**
 * vard_reward_batch_set_failed:
 * @self: a batch
 * @index: which picture
 * @message: (nullable): why it has no score
 */
void
vard_reward_batch_set_failed (VardRewardBatch *self, guint index, const char *message)
{
  g_return_if_fail (VARD_IS_REWARD_BATCH (self));
  g_return_if_fail (index < self->items->len);

  VardRewardItem *item = vard_reward_batch_get_item (self, index);
  g_free (item->message);
  item->message =
    g_strdup (message != NULL && message[0] != 0 ? message : "it failed without a reason");
  item->score = 0;
  item->status = VARD_REWARD_STATUS_FAILED;
}

/**
 * vard_reward_batch_get_score:
 * @self: a batch
 * @index: which picture
 * @score: (out) (optional): its score
 *
 * Returns: %FALSE, and @score is not written, when the picture has none
 */
gboolean
vard_reward_batch_get_score (VardRewardBatch *self, guint index, double *score)
{
  RETURN_VAL_UNLESS_ITEM (FALSE);

  const VardRewardItem *item = vard_reward_batch_get_item (self, index);
  if (item->status != VARD_REWARD_STATUS_SCORED)
    return FALSE;
  if (score != NULL)
    *score = item->score;

  return TRUE;
}

/**
 * vard_reward_batch_get_status:
 * @self: a batch
 * @index: which picture
 *
 * Returns: what became of it
 */
VardRewardStatus
vard_reward_batch_get_status (VardRewardBatch *self, guint index)
{
  RETURN_VAL_UNLESS_ITEM (VARD_REWARD_STATUS_UNSET);

  return vard_reward_batch_get_item (self, index)->status;
}

/**
 * vard_reward_batch_get_message:
 * @self: a batch
 * @index: which picture
 *
 * Returns: (nullable): why it failed
 */
const char *
vard_reward_batch_get_message (VardRewardBatch *self, guint index)
{
  RETURN_VAL_UNLESS_ITEM (NULL);

  return vard_reward_batch_get_item (self, index)->message;
}

/**
 * vard_reward_batch_reset:
 * @self: a batch
 *
 * Forgets scores and failures, so that another reward can score the same pictures.
 */
void
vard_reward_batch_reset (VardRewardBatch *self)
{
  g_return_if_fail (VARD_IS_REWARD_BATCH (self));

  for (guint i = 0; i < self->items->len; i++)
    {
      VardRewardItem *item = vard_reward_batch_get_item (self, i);

      g_clear_pointer (&item->message, g_free);
      item->status = VARD_REWARD_STATUS_UNSET;
      item->score = 0;
    }
}

static void
vard_reward_item_clear (gpointer data)
{
  VardRewardItem *item = data;

  g_bytes_unref (item->pixels);
  g_free (item->prompt);
  g_free (item->message);
  g_clear_pointer (&item->metadata, json_object_unref);
}

static void
vard_reward_batch_finalize (GObject *object)
{
  VardRewardBatch *self = VARD_REWARD_BATCH (object);

  g_array_unref (self->items);
  g_clear_object (&self->cancellable);
  G_OBJECT_CLASS (vard_reward_batch_parent_class)->finalize (object);
}

static void
vard_reward_batch_class_init (VardRewardBatchClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_reward_batch_finalize;
}

static void
vard_reward_batch_init (VardRewardBatch *self)
{
  self->items = g_array_new (FALSE, TRUE, sizeof (VardRewardItem));
  g_array_set_clear_func (self->items, vard_reward_item_clear);
}
