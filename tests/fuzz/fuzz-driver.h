/* fuzz-driver.h - what a fuzz target is
 *
 * A target is one function over bytes, under the name libFuzzer calls, so that it can be linked
 * with -fsanitize=fuzzer instead of the driver. The driver runs it over seeds and their mutations
 * for a second.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);
/* a valid input to begin from, i = 0, 1, ...; NULL after the last */
GBytes *fuzz_target_get_seed (guint i);

/* a path under which the bytes can be opened until the next call; in memory */
const char *fuzz_driver_path (const guint8 *data, gsize size);
