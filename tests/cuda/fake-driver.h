/* fake-driver.h - what the fake libraries share: a queue that is recorded while a stream is
 * captured
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <stddef.h>

typedef int (*FakeCall) (const void *data);

/* Calls at once, or remembers the call and a copy of its data in the graph being captured; what the
 * call returns */
int fake_submit (FakeCall call, const void *data, size_t size);
