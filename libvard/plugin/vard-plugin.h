/* vard-plugin.h - one plugin file: what it is, what it offers, or why it cannot be used
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "plugin/vard-plugin-feature.h"

G_BEGIN_DECLS

/**
 * VardPluginState:
 * @VARD_PLUGIN_STATE_READY: its features can be used
 * @VARD_PLUGIN_STATE_UNAVAILABLE: a library that it needs is missing
 * @VARD_PLUGIN_STATE_REFUSED: not a plugin, made for another version, or a name is taken already
 * @VARD_PLUGIN_STATE_CRASHED: it ended the process that looked at it
 * @VARD_PLUGIN_STATE_TOO_SLOW: it did not answer in time
 */
typedef enum
{
  VARD_PLUGIN_STATE_READY,
  VARD_PLUGIN_STATE_UNAVAILABLE,
  VARD_PLUGIN_STATE_REFUSED,
  VARD_PLUGIN_STATE_CRASHED,
  VARD_PLUGIN_STATE_TOO_SLOW,
} VardPluginState;

#define VARD_TYPE_PLUGIN_STATE (vard_plugin_state_get_type ())
GType vard_plugin_state_get_type (void);

/* Not G_DECLARE_FINAL_TYPE: VARD_PLUGIN() is what a plugin file says of itself. */
#define VARD_TYPE_PLUGIN (vard_plugin_get_type ())
#define VARD_IS_PLUGIN(object) (G_TYPE_CHECK_INSTANCE_TYPE ((object), VARD_TYPE_PLUGIN))
typedef struct _VardPlugin VardPlugin;
typedef struct
{
  GObjectClass parent_class;
} VardPluginClass;
GType vard_plugin_get_type (void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardPlugin, g_object_unref)

const char *vard_plugin_get_path (VardPlugin *self);
const char *vard_plugin_get_name (VardPlugin *self);
const char *vard_plugin_get_version (VardPlugin *self);
const char *vard_plugin_get_licence (VardPlugin *self);
const char *vard_plugin_get_summary (VardPlugin *self);
VardPluginState vard_plugin_get_state (VardPlugin *self);
const char *vard_plugin_get_state_name (VardPlugin *self);
const char *vard_plugin_get_reason (VardPlugin *self);
guint vard_plugin_get_n_features (VardPlugin *self);
VardPluginFeature *vard_plugin_get_feature (VardPlugin *self, guint index);

G_END_DECLS
