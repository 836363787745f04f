/* vard-latents-file.h - latents in safetensors files, as other tools lay them out
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "models/vard-model-class.h"
#include "tensor/vard-safetensors.h"

G_BEGIN_DECLS

/* Files have [n, channels, height, width], graphs [n, height, width, channels]. Returns the tensor
 * @name, of exactly @n latents, as floats in the graph's layout; NULL with an error that names both
 * counts where it has another one. */
float *vard_latents_read (VardSafetensors *file,
                          const char *name,
                          gint64 n,
                          const VardModelInfo *info,
                          GError **error);
/* Writes @n latents of the graph's layout as the tensor "latents" of a new file */
gboolean vard_latents_write (const char *path,
                             const float *latents,
                             guint n,
                             const VardModelInfo *info,
                             GError **error);

G_END_DECLS
