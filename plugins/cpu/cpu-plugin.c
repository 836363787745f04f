/* cpu-plugin.c - registers the engine as a plugin
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-engine.h"

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "cpu", VARD_TYPE_CPU_ENGINE);
}

VARD_PLUGIN ("cpu", "0.1", "LGPL-2.1-or-later", "Computes on the CPU", provide);
