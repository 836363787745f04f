/* vard-plugin-module.h - opens a plugin file and reads its descriptor
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gmodule.h>

#include "plugin/vard-plugin.h"

G_BEGIN_DECLS

/* The major number must be equal, and a plugin's minor number may not be above the library's. */
#define VARD_PLUGIN_ABI_MAJOR 1
#define VARD_PLUGIN_ABI_MINOR 0

/* A plugin file exports one of these under the name vard_plugin; VARD_PLUGIN() writes it. */
typedef struct
{
  guint32 abi_major;
  guint32 abi_minor;
  guint32 size;  /* of this struct, when the plugin was compiled */
  guint32 flags; /* none yet: 0 */
  const char *name;
  const char *version;
  const char *licence; /* an SPDX expression */
  const char *summary;
  void (*provide) (VardPlugin *plugin); /* names its features; opens no file and no device */
  gpointer reserved[8];
} VardPluginDescriptor;

#define VARD_PLUGIN(name_, version_, licence_, summary_, provide_) \
  G_MODULE_EXPORT extern const VardPluginDescriptor vard_plugin;   \
  const VardPluginDescriptor vard_plugin = {                       \
    .abi_major = VARD_PLUGIN_ABI_MAJOR,                            \
    .abi_minor = VARD_PLUGIN_ABI_MINOR,                            \
    .size = sizeof (VardPluginDescriptor),                         \
    .name = name_,                                                 \
    .version = version_,                                           \
    .licence = licence_,                                           \
    .summary = summary_,                                           \
    .provide = provide_,                                           \
  }

/* Called by a plugin's provide(): one feature, whose kind follows from the type's base class
 * (VardReward: "reward", VardEngine: "engine"). */
void vard_plugin_provide (VardPlugin *plugin, const char *feature, GType type);

/* Opens a plugin file for good and calls its provide(); FALSE with what is wrong in words, and the
 * state that this means. `stage` is told where it got to, for a process that may not survive. */
typedef void (*VardPluginStageFunc) (const char *stage, gpointer data);

gboolean vard_plugin_module_open (VardPlugin *plugin,
                                  VardPluginStageFunc stage,
                                  gpointer data,
                                  VardPluginState *state,
                                  GError **error);

G_END_DECLS
