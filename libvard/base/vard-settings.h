/* vard-settings.h - the properties of an object as text and as JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib-object.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

GParamSpec **vard_settings_list (GObjectClass *klass, guint *n_settings);
GParamSpec *vard_settings_find (GObjectClass *klass, const char *name, GError **error);
const char *vard_settings_get_kind (GParamSpec *pspec);
char *vard_settings_describe_range (GParamSpec *pspec);
char *vard_settings_value_to_text (const GValue *value);
gboolean vard_settings_parse_text (GParamSpec *pspec,
                                   const char *text,
                                   GValue *value,
                                   GError **error);
gboolean vard_settings_set_text (GObject *object,
                                 const char *name,
                                 const char *text,
                                 GError **error);
char *vard_settings_dup_text (GObject *object, const char *name, GError **error);
gboolean vard_settings_apply_json (GObject *object, JsonObject *json, GError **error);
JsonObject *vard_settings_to_json (GObject *object);
gpointer vard_settings_copy (GObject *object);

G_END_DECLS
