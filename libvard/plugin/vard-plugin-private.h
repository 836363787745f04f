/* vard-plugin-private.h - how the manager, the probe and the cache fill in a plugin
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "plugin/vard-plugin.h"

G_BEGIN_DECLS

/* A file is the same file while these are equal. */
typedef struct
{
  guint64 size;
  gint64 mtime; /* nanoseconds */
} VardPluginStamp;

VardPlugin *vard_plugin_new (const char *path);
gboolean vard_plugin_read_stamp (const char *path, VardPluginStamp *stamp);
const VardPluginStamp *vard_plugin_get_stamp (VardPlugin *self);
void vard_plugin_set_stamp (VardPlugin *self, const VardPluginStamp *stamp);
void vard_plugin_set_problem (VardPlugin *self, VardPluginState state, const char *format, ...)
  G_GNUC_PRINTF (3, 4);
void vard_plugin_set_note (VardPlugin *self, const char *note);
void vard_plugin_describe (VardPlugin *self,
                           const char *name,
                           const char *version,
                           const char *licence,
                           const char *summary);
JsonObject *vard_plugin_to_json (VardPlugin *self);
gboolean vard_plugin_read_json (VardPlugin *self, JsonObject *json, GError **error);
gboolean vard_plugin_is_loaded (VardPlugin *self);
void vard_plugin_set_loaded (VardPlugin *self);
GType vard_plugin_find_type (VardPlugin *self, const char *feature);
const char *vard_plugin_get_complaint (VardPlugin *self);

/* A setting by its class's word for it, with something before its name */
VardPluginProperty *vard_plugin_property_new_from_pspec (GParamSpec *pspec, const char *prefix);

/* Folders to look in, their files in the order of their names, and clashes among plugins */
char **vard_plugin_folders_from_environment (void);
GPtrArray *vard_plugin_folders_list_files (const char *folder);
VardPlugin *vard_plugin_list_find_path (GPtrArray *plugins, const char *path);
char *vard_plugin_list_find_clash (GPtrArray *plugins, VardPlugin *plugin);

/* A program of the library: what the environment variable says, else beside the library as in a
 * build folder, else in libexec */
char *vard_plugin_find_helper (const char *name, const char *variable);

/* Looks at a file in a child process; the plugin's state says how that went. */
void vard_plugin_probe (VardPlugin *self, guint seconds);
/* The other side of it, in the child; lines of JSON go to fd */
void vard_plugin_probe_serve (const char *path, int fd);

G_END_DECLS
