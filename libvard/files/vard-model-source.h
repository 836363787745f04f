/* vard-model-source.h - locates the parts of a model in a folder or a single file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "files/vard-model-options.h"
#include "files/vard-single-file.h"
#include "files/vard-weights.h"

G_BEGIN_DECLS

typedef struct _VardModelSource VardModelSource;

VardModelSource *vard_model_source_new_folder (const char *path);
/* the tokenizer is looked for where @options (nullable) say, else beside the file */
VardModelSource *vard_model_source_new_file (const char *path,
                                             const VardModelOptions *options,
                                             GError **error);
void vard_model_source_free (VardModelSource *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardModelSource, vard_model_source_free)

const char *vard_model_source_get_path (VardModelSource *self);
/* NULL for a folder */
VardSingleFile *vard_model_source_peek_file (VardModelSource *self);
/* "unet", "vae", "text_encoder" or "scheduler" */
VardConfigReader *vard_model_source_open_config (VardModelSource *self,
                                                 const char *component,
                                                 GError **error);
char *vard_model_source_dup_config (VardModelSource *self, const char *component, GError **error);
/* the folder with vocab.json and merges.txt */
const char *vard_model_source_get_tokenizer (VardModelSource *self);

G_END_DECLS
