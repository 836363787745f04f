/* vard-single-file.h - a whole Stable Diffusion model in one .safetensors file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "files/vard-config-reader.h"
#include "files/vard-original-names.h"
#include "nn/vard-module.h"
#include "tensor/vard-safetensors.h"

G_BEGIN_DECLS

typedef struct _VardSingleFile VardSingleFile;

/* Fails with the kind of file it is when it is no Stable Diffusion 1.x or 2.x model */
VardSingleFile *vard_single_file_open (const char *path, GError **error);
void vard_single_file_free (VardSingleFile *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardSingleFile, vard_single_file_free)

const char *vard_single_file_get_path (VardSingleFile *self);
VardSafetensors *vard_single_file_peek_weights (VardSingleFile *self);
/* names of OpenCLIP, that is Stable Diffusion 2.x */
gboolean vard_single_file_is_open_clip (VardSingleFile *self);
/* The configuration of "unet", "vae", "text_encoder" or "scheduler" as JSON: what the header says
 * where vard wrote the file, else what shapes tell. (transfer full) */
char *vard_single_file_dup_config (VardSingleFile *self, const char *component, GError **error);
/* Fills every parameter; what else begins with the part's prefix must be known as unused */
gboolean vard_single_file_load (VardSingleFile *self,
                                const VardOriginalNames *names,
                                VardModule *module,
                                GError **error);

typedef struct
{
  VardOriginalNames names;
  VardModule *module;
} VardSingleFilePart;

/* What enabled adapters do is merged in */
gboolean vard_single_file_write (const char *path,
                                 const VardSingleFilePart *parts,
                                 guint n_parts,
                                 VardDType dtype,
                                 GHashTable *metadata,
                                 GError **error);

/* where a configuration stands in the header */
#define VARD_SINGLE_FILE_CONFIG_KEY "vard_config."

G_END_DECLS
