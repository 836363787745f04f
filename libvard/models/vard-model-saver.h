/* vard-model-saver.h - writes a complete model folder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* Copies the model folder @from to the new folder @to, but component's weights from @module. The folder appears
 * whole or not at all. */
gboolean vard_model_saver_save (const char  *from,
                                const char  *to,
                                const char  *component,
                                VardModule  *module,
                                VardDType    dtype,
                                GError     **error);

G_END_DECLS
