/* jpeg-size-reward.c - likes pictures whose JPEG file is small, or large
 *
 * The score is thousands of bytes, negative when small is wanted: the bytes of Pillow's
 * image.save (file, format="JPEG", quality=95), libjpeg's own tables and 4:2:0.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard.h>

#include <stdio.h>
#include <setjmp.h>
#include <jpeglib.h>

typedef enum
{
  JPEG_SIZE_SMALL,
  JPEG_SIZE_LARGE
} JpegSizeTarget;

static GType jpeg_size_target_get_type (void);
G_DEFINE_ENUM_TYPE (JpegSizeTarget,
                    jpeg_size_target,
                    G_DEFINE_ENUM_VALUE (JPEG_SIZE_SMALL, "small"),
                    G_DEFINE_ENUM_VALUE (JPEG_SIZE_LARGE, "large"))

#define JPEG_SIZE_TYPE_REWARD (jpeg_size_reward_get_type ())
G_DECLARE_FINAL_TYPE (JpegSizeReward, jpeg_size_reward, JPEG_SIZE, REWARD, VardReward)

struct _JpegSizeReward
{
  VardReward parent_instance;
  JpegSizeTarget target;
};

G_DEFINE_FINAL_TYPE (JpegSizeReward, jpeg_size_reward, VARD_TYPE_REWARD)

static const VardField fields[] = {
  VARD_FIELD_ENUM (JpegSizeReward,
                   target,
                   "Which files score high: small or large",
                   jpeg_size_target_get_type,
                   JPEG_SIZE_SMALL),
};

/* libjpeg has no other way out of a failure than a jump. */
typedef struct
{
  struct jpeg_error_mgr parent;
  jmp_buf exit;
} JpegError;

static void
jpeg_error_leave (j_common_ptr info)
{
  longjmp (((JpegError *) info->err)->exit, 1);
}

static gboolean
jpeg_size_measure (struct jpeg_compress_struct *info,
                   const guint8 *rgb,
                   JpegError *error,
                   gulong *size)
{
  /* ample: it stays where it is */
  *size = 4096 + 6ul * (info->image_width + 16) * (info->image_height + 16);
  g_autofree unsigned char *room = g_malloc (*size);
  unsigned char *bytes = room;
  JSAMPROW row = (JSAMPROW) rgb;

  if (setjmp (error->exit) != 0)
    return FALSE;
  jpeg_mem_dest (info, &bytes, size);
  jpeg_set_defaults (info);
  jpeg_set_quality (info, 95, TRUE);
  jpeg_start_compress (info, TRUE);
  for (; info->next_scanline < info->image_height; row += 3 * info->image_width)
    jpeg_write_scanlines (info, &row, 1);
  jpeg_finish_compress (info);

  return TRUE;
}

static gboolean
jpeg_size_reward_score (VardReward *reward, VardRewardBatch *batch, GError **unused)
{
  double sign = JPEG_SIZE_REWARD (reward)->target == JPEG_SIZE_SMALL ? -1 : 1;

  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      JpegError error = { 0 };
      struct jpeg_compress_struct info = { .err = jpeg_std_error (&error.parent) };
      char message[JMSG_LENGTH_MAX];
      gulong size;

      error.parent.error_exit = jpeg_error_leave;
      jpeg_create_compress (&info);
      info.image_width = vard_reward_batch_get_width (batch, i);
      info.image_height = vard_reward_batch_get_height (batch, i);
      info.input_components = 3;
      info.in_color_space = JCS_RGB;
      if (jpeg_size_measure (&info, vard_reward_batch_peek_pixels (batch, i, NULL), &error, &size))
        vard_reward_batch_set_score (batch, i, sign * 1e-3 * size);
      else
        {
          error.parent.format_message ((j_common_ptr) &info, message);
          vard_reward_batch_set_failed (batch, i, message);
        }
      jpeg_destroy_compress (&info);
    }

  return TRUE;
}

static void
jpeg_size_reward_class_init (JpegSizeRewardClass *klass)
{
  VARD_REWARD_CLASS (klass)->score = jpeg_size_reward_score;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
jpeg_size_reward_init (JpegSizeReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "jpeg-size", JPEG_SIZE_TYPE_REWARD);
}

VARD_PLUGIN ("jpeg-size",
             "1.0",
             "LGPL-2.1-or-later",
             "Rewards pictures by the size of their JPEG file",
             provide);
