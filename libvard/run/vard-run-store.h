/* vard-run-store.h - lists the runs in a folder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "run/vard-run.h"

G_BEGIN_DECLS

#define VARD_TYPE_RUN_STORE (vard_run_store_get_type ())
G_DECLARE_FINAL_TYPE (VardRunStore, vard_run_store, VARD, RUN_STORE, GObject)

VardRunStore *vard_run_store_new (const char *folder);
const char *vard_run_store_get_folder (VardRunStore *self);
gboolean vard_run_store_refresh (VardRunStore *self, GError **error);
VardRun *vard_run_store_find (VardRunStore *self, const char *name);

G_END_DECLS
