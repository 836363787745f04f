/* vard-single-file-private.h - between the file and the guess of its configuration
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "files/vard-single-file.h"

G_BEGIN_DECLS

struct _VardSingleFile
{
  char *path;
  VardSafetensors *weights;
  gboolean is_open_clip;
};

G_END_DECLS
