/* cpu-engine.h - the CPU engine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard-engine-sdk.h>

G_BEGIN_DECLS

#define VARD_TYPE_CPU_ENGINE (vard_cpu_engine_get_type ())
G_DECLARE_FINAL_TYPE (VardCpuEngine, vard_cpu_engine, VARD, CPU_ENGINE, VardEngine)

/* One line a kernel, the longest first: seconds, calls, GFLOP/s; empty unless the property profile
 * is set */
char *vard_cpu_engine_dup_profile (VardCpuEngine *self);

G_END_DECLS
