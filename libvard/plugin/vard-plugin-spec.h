/* vard-plugin-spec.h - parses "NAME:key=value,..." from a command line or settings file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

#define VARD_TYPE_PLUGIN_SPEC (vard_plugin_spec_get_type ())
typedef struct _VardPluginSpec VardPluginSpec;
GType vard_plugin_spec_get_type (void);

VardPluginSpec *vard_plugin_spec_parse (const char *text, GError **error);
VardPluginSpec *vard_plugin_spec_copy (VardPluginSpec *self);
void vard_plugin_spec_free (VardPluginSpec *self);
const char *vard_plugin_spec_get_name (VardPluginSpec *self);
const char *vard_plugin_spec_get_value (VardPluginSpec *self, const char *key);
char *vard_plugin_spec_to_string (VardPluginSpec *self);
gboolean vard_plugin_spec_apply (VardPluginSpec *self, GObject *object, GError **error);
gboolean vard_plugin_spec_is_reserved (const char *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardPluginSpec, vard_plugin_spec_free)

G_END_DECLS
