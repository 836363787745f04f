/* fuzz-image.c - any bytes as a picture
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz-driver.h"

#include <vard.h>

GBytes *
fuzz_target_get_seed (guint i)
{
  g_autoptr (GBytes) rgb = g_bytes_new_take (g_malloc0 (9 * 7 * 3), 9 * 7 * 3);
  g_autoptr (VardImage) image = vard_image_new (9, 7, rgb, NULL);

  if (i > 0)
    return NULL;
  vard_image_set_text (image, "prompt", "red apple");
  return vard_image_encode_png (image, NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *data,
                        gsize         size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardImage) image = vard_image_new_from_file (fuzz_driver_path (data, size), &error);

  g_assert_true ((image == NULL) == (error != NULL));
  if (image)
    g_assert_cmpuint (g_bytes_get_size (vard_image_get_rgb (image)), ==,
                      (gsize) vard_image_get_width (image) * vard_image_get_height (image) * 3);
  return 0;
}
