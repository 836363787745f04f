/* vard-plugin-cache.h - caches what vard knows about plugin files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "plugin/vard-plugin-private.h"

G_BEGIN_DECLS

typedef struct _VardPluginCache VardPluginCache;

char *vard_plugin_cache_dup_default_path (void);
VardPluginCache *vard_plugin_cache_new (void);
gboolean vard_plugin_cache_read (VardPluginCache *self,
                                 const char *text,
                                 gssize length,
                                 GError **error);
VardPluginCache *vard_plugin_cache_load (const char *path);
gboolean vard_plugin_cache_save (VardPluginCache *self, const char *path, GError **error);
gboolean vard_plugin_cache_recall (VardPluginCache *self, VardPlugin *plugin);
void vard_plugin_cache_store (VardPluginCache *self, VardPlugin *plugin);
gboolean vard_plugin_cache_is_changed (VardPluginCache *self);
void vard_plugin_cache_free (VardPluginCache *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardPluginCache, vard_plugin_cache_free)

G_END_DECLS
