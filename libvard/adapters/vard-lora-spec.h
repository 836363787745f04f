/* vard-lora-spec.h - FILE[:STRENGTH], how people name a LoRA file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean vard_lora_spec_parse (const char *spec, char **path, double *strength, GError **error);

G_END_DECLS
