/* vard-plugin-manager.h - lists all plugin files and creates objects of their features
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "plugin/vard-plugin.h"
#include "plugin/vard-plugin-spec.h"

G_BEGIN_DECLS

#define VARD_TYPE_PLUGIN_MANAGER (vard_plugin_manager_get_type ())
G_DECLARE_FINAL_TYPE (VardPluginManager, vard_plugin_manager, VARD, PLUGIN_MANAGER, GObject)

VardPluginManager *vard_plugin_manager_get_default (void);
VardPluginManager *vard_plugin_manager_new (const char *const *folders, const char *cache_path);
char **vard_plugin_manager_dup_folders (VardPluginManager *self);
void vard_plugin_manager_rescan (VardPluginManager *self, gboolean forget);
guint vard_plugin_manager_get_n_plugins (VardPluginManager *self);
VardPlugin *vard_plugin_manager_get_plugin (VardPluginManager *self, guint index);
GPtrArray *vard_plugin_manager_list_features (VardPluginManager *self, const char *kind);
VardPluginFeature *vard_plugin_manager_find (VardPluginManager *self,
                                             const char *kind,
                                             const char *name,
                                             GError **error);
VardPlugin *vard_plugin_manager_find_plugin (VardPluginManager *self, VardPluginFeature *feature);
GObject *vard_plugin_manager_create (VardPluginManager *self,
                                     const char *kind,
                                     const char *name,
                                     GError **error);
GObject *vard_plugin_manager_create_from_spec (VardPluginManager *self,
                                               const char *kind,
                                               const char *spec,
                                               VardPluginSpec **parsed,
                                               GError **error);

G_END_DECLS
