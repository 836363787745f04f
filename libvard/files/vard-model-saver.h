/* vard-model-saver.h - writes a complete model folder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* A component whose weights are written new, under the stem that files of its kind have */
typedef struct
{
  const char *component, *stem;
  VardModule *module;
} VardModelSaverPart;

/* Copies the model folder @from to the new folder @to, but the parts' weights from their modules.
 * The folder appears whole or not at all. */
gboolean vard_model_saver_save (const char *from,
                                const char *to,
                                const VardModelSaverPart *parts,
                                guint n_parts,
                                VardDType dtype,
                                GHashTable *metadata,
                                GError **error);
/* The same where there is no folder to copy: @configs has a text for each of the parts and then the
 * scheduler's, and
 * @tokenizer is a folder that is copied */
gboolean vard_model_saver_save_new (const char *to,
                                    const VardModelSaverPart *parts,
                                    guint n_parts,
                                    const char *const *configs,
                                    const char *tokenizer,
                                    VardDType dtype,
                                    GHashTable *metadata,
                                    GError **error);

G_END_DECLS
