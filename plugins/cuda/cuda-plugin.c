/* cuda-plugin.c - registers the engine as a plugin
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-engine.h"

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "cuda", VARD_TYPE_CUDA_ENGINE);
}

VARD_PLUGIN ("cuda", "0.1", "LGPL-2.1-or-later", "Computes on an NVIDIA GPU", provide);
