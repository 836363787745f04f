/* fake-threads.h - runs the blocks of a kernel that was compiled for the host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "simt.h"

typedef void (*FakeKernel) (const void *args);

extern Simt fake_simt;

/* FALSE (0): threads of a block waited for each other in a way that a device would not survive */
int fake_run_grid (FakeKernel kernel, const void *args, SimtIndex grid, SimtIndex block);
