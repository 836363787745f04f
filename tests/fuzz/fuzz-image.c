/* fuzz-image.c - any bytes as a picture
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz-driver.h"

#include <vard-internal.h>

/* larger ones are valid, and only take time */
#define MAX_SIDE 1024

GBytes *
fuzz_target_get_seed (guint i)
{
  g_autoptr (GBytes) rgb = g_bytes_new_take (g_malloc0 (9 * 7 * 3), 9 * 7 * 3);
  g_autoptr (VardImage) image = vard_image_new (9, 7, rgb, NULL);

  if (i > 1)
    return NULL;
  vard_image_set_text (image, "prompt", i == 0 ? "red apple" : "caf\u00e9");
  return vard_image_encode_png (image, NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;

  /* width and height of a PNG */
  if (size > 24
      && (data[16] || data[17] || data[18] * 256 > MAX_SIDE || data[20] || data[21]
          || data[22] * 256 > MAX_SIDE))
    return 0;

  g_autoptr (VardImage) image = vard_image_new_from_file (fuzz_driver_path (data, size), &error);

  g_assert_true ((image == NULL) == (error != NULL));
  if (image != NULL)
    g_assert_cmpuint (g_bytes_get_size (vard_image_get_rgb (image)), ==,
                      (gsize) vard_image_get_width (image) * vard_image_get_height (image) * 3);
  return 0;
}
