/* vard-plugin-module.c - opens a plugin file and reads its descriptor
 *
 * Called in a child process to learn what a file is, and in the host only when a feature of a file
 * known to be good is used. A module is never closed: its types are registered for ever.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/vard-plugin-module.h"

#include "base/vard-error.h"
#include "plugin/vard-plugin-private.h"

#include <dlfcn.h>
#include <string.h>

/* The loader's "libfoo.so.1: cannot open shared object file: ..." names what is missing; the same
 * sentence with the plugin's own path means the file itself. */
static VardPluginState
vard_plugin_module_judge (const char *path, const char *text)
{
  gboolean missing = strstr (text, "cannot open shared object file") != NULL;

  return missing && !g_str_has_prefix (text, path) ? VARD_PLUGIN_STATE_UNAVAILABLE
                                                   : VARD_PLUGIN_STATE_REFUSED;
}

static gboolean
vard_plugin_module_check (const VardPluginDescriptor *descriptor, GError **error)
{
  if (descriptor->abi_major != VARD_PLUGIN_ABI_MAJOR
      || descriptor->abi_minor > VARD_PLUGIN_ABI_MINOR)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN,
                   "it was built for plugin interface %u.%u, but this is %u.%u: rebuild it",
                   descriptor->abi_major, descriptor->abi_minor, VARD_PLUGIN_ABI_MAJOR,
                   VARD_PLUGIN_ABI_MINOR);
      return FALSE;
    }
  if (descriptor->size < sizeof *descriptor)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN,
                   "its descriptor has %u bytes, but must have %" G_GSIZE_FORMAT, descriptor->size,
                   sizeof *descriptor);
      return FALSE;
    }
  if (descriptor->name == NULL || descriptor->version == NULL || descriptor->licence == NULL
      || descriptor->summary == NULL || descriptor->provide == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN,
                   "its descriptor lacks a name, version, licence, summary or function");
      return FALSE;
    }

  return TRUE;
}

static const VardPluginDescriptor *
vard_plugin_module_find (const char *path,
                         VardPluginStageFunc stage,
                         gpointer data,
                         VardPluginState *state,
                         GError **error)
{
  *state = VARD_PLUGIN_STATE_REFUSED;
  stage ("opening the file", data);

  void *handle = dlopen (path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == NULL)
    {
      const char *text = dlerror ();

      *state = vard_plugin_module_judge (path, text);
      g_set_error (error, VARD_ERROR, VARD_ERROR_PLUGIN, "it cannot be opened: %s", text);
      return NULL;
    }

  stage ("reading its descriptor", data);
  const VardPluginDescriptor *descriptor = dlsym (handle, "vard_plugin");
  if (descriptor == NULL)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_PLUGIN,
                           "it has no symbol \"vard_plugin\": it is a library but not a plugin");
      return NULL;
    }

  return vard_plugin_module_check (descriptor, error) ? descriptor : NULL;
}

/**
 * vard_plugin_module_open: (skip)
 * @plugin: a plugin whose file is known
 * @stage: (nullable): told how far the call got, for a process that may not survive it
 * @data: what @stage is called with
 * @state: (out): what the failure means for the plugin's state
 * @error: return location for an error
 *
 * Opens a plugin file for good and calls its provide().
 *
 * Returns: %FALSE when the file is no plugin, has another ABI, or lacks a library
 */
gboolean
vard_plugin_module_open (VardPlugin *plugin,
                         VardPluginStageFunc stage,
                         gpointer data,
                         VardPluginState *state,
                         GError **error)
{
  const VardPluginDescriptor *descriptor =
    vard_plugin_module_find (vard_plugin_get_path (plugin), stage, data, state, error);

  if (descriptor == NULL)
    return FALSE;

  stage ("naming its features", data);
  vard_plugin_describe (plugin, descriptor->name, descriptor->version, descriptor->licence,
                        descriptor->summary);
  descriptor->provide (plugin);
  if (vard_plugin_get_complaint (plugin) != NULL)
    {
      g_set_error_literal (error, VARD_ERROR, VARD_ERROR_PLUGIN,
                           vard_plugin_get_complaint (plugin));
      return FALSE;
    }
  *state = VARD_PLUGIN_STATE_READY;

  return TRUE;
}
