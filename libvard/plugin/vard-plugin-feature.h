/* vard-plugin-feature.h - a feature that a plugin provides, with its settings
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define VARD_TYPE_PLUGIN_PROPERTY (vard_plugin_property_get_type ())
G_DECLARE_FINAL_TYPE (VardPluginProperty, vard_plugin_property, VARD, PLUGIN_PROPERTY, GObject)

const char *vard_plugin_property_get_name (VardPluginProperty *self);
const char *vard_plugin_property_get_nick (VardPluginProperty *self);
const char *vard_plugin_property_get_blurb (VardPluginProperty *self);
const char *vard_plugin_property_get_kind (VardPluginProperty *self);
const char *vard_plugin_property_get_default (VardPluginProperty *self);
const char *vard_plugin_property_get_range (VardPluginProperty *self);
const char *const *vard_plugin_property_get_choices (VardPluginProperty *self);
gboolean vard_plugin_property_get_limits (VardPluginProperty *self,
                                          double *minimum,
                                          double *maximum);

#define VARD_TYPE_PLUGIN_FEATURE (vard_plugin_feature_get_type ())
G_DECLARE_FINAL_TYPE (VardPluginFeature, vard_plugin_feature, VARD, PLUGIN_FEATURE, GObject)

const char *vard_plugin_feature_get_kind (VardPluginFeature *self);
const char *vard_plugin_feature_get_name (VardPluginFeature *self);
const char *vard_plugin_feature_get_type_name (VardPluginFeature *self);
guint vard_plugin_feature_get_n_properties (VardPluginFeature *self);
VardPluginProperty *vard_plugin_feature_get_property (VardPluginFeature *self, guint index);

VardPluginFeature *vard_plugin_feature_new_from_type (const char *name, GType type, GError **error);
VardPluginFeature *vard_plugin_feature_new_from_json (JsonObject *json, GError **error);
JsonObject *vard_plugin_feature_to_json (VardPluginFeature *self);

G_END_DECLS
