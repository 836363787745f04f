/* cli-pictures.h - draws pictures from prompts and seeds, and writes them with their settings
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cli.h"

/* Writes a PNG a picture into a folder, and grid.png when asked; prints their names.
 * @prompts: those of the request, NULL-terminated */
gboolean cli_pictures_make (VardSampling *sampling,
                            const char *const *prompts,
                            const char *folder,
                            gboolean with_grid,
                            GCancellable *cancellable,
                            GError **error);
