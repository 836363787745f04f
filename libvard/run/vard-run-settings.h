/* vard-run-settings.h - the request for a run: model, rewards, prompts, and the trainer's settings
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train/vard-trainer-settings.h"
#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define VARD_TYPE_RUN_SETTINGS (vard_run_settings_get_type ())
G_DECLARE_FINAL_TYPE (VardRunSettings, vard_run_settings, VARD, RUN_SETTINGS, GObject)

VardRunSettings *vard_run_settings_new (void);
VardTrainerSettings *vard_run_settings_get_trainer (VardRunSettings *self);
const char *vard_run_settings_get_model (VardRunSettings *self);
const char *const *vard_run_settings_get_rewards (VardRunSettings *self);
char *vard_run_settings_dup_prompts (VardRunSettings *self);
char *vard_run_settings_dup_evaluation_set (VardRunSettings *self);
guint vard_run_settings_get_keep_checkpoints (VardRunSettings *self);

gboolean vard_run_settings_set (VardRunSettings *self,
                                const char *name,
                                const char *text,
                                GError **error);
gboolean vard_run_settings_load_file (VardRunSettings *self, const char *path, GError **error);
gboolean vard_run_settings_apply_json (VardRunSettings *self, JsonObject *json, GError **error);
JsonObject *vard_run_settings_to_json (VardRunSettings *self);
gboolean vard_run_settings_check (VardRunSettings *self, GError **error);
gboolean vard_run_settings_check_change (VardRunSettings *self, const char *name, GError **error);

G_END_DECLS
