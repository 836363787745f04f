/* fuzz-config.c - any bytes as each of a model's configuration files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz-driver.h"

#include <math.h>
#include <string.h>

#include "models/vard-schedule-config.h"
#include "tiny-model.h"

/* wider ones are valid, and only take memory */
#define MAX_WIDTH 64

GBytes *
fuzz_target_get_seed (guint i)
{
  static const char *const seeds[] = { tiny_unet, tiny_vae, tiny_text, tiny_scheduler, tiny_index };

  return i < G_N_ELEMENTS (seeds) ? g_bytes_new_static (seeds[i], strlen (seeds[i])) : NULL;
}

static gboolean
is_small (const VardUnetConfig *config)
{
  for (guint i = 0; i < config->n_blocks; i++)
    if (config->width[i] > MAX_WIDTH || config->n_layers[i] > 3
        || config->n_transformer_layers[i] > 3 || config->context_width[i] > MAX_WIDTH)
      return FALSE;
  return config->time_width <= 4 * MAX_WIDTH && config->n_in <= MAX_WIDTH
         && config->n_out <= MAX_WIDTH && config->n_blocks > 0;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  const char *path = fuzz_driver_path (data, size);
  g_autoptr (VardConfigReader) first = vard_config_reader_new (path, NULL);
  g_autoptr (VardConfigReader) second = vard_config_reader_new (path, NULL);
  g_autoptr (GError) error = NULL;
  VardUnetConfig config;
  VardScheduleConfig schedule;

  if (first == NULL)
    return 0;
  if (vard_unet_config_read (&config, first, NULL) && is_small (&config))
    g_object_unref (vard_unet_new (&config));
  if (!vard_schedule_config_read (&schedule, second, &error))
    g_assert_nonnull (error);
  return 0;
}
