/* fake-communicator.h - several ranks as threads of one process
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "comm/vard-communicator.h"

G_BEGIN_DECLS

#define FAKE_TYPE_COMMUNICATOR (fake_communicator_get_type ())
G_DECLARE_FINAL_TYPE (FakeCommunicator, fake_communicator, FAKE, COMMUNICATOR, VardCommunicator)

/* (element-type VardCommunicator): the ranks of one run, each for a thread of its own. Sums are
 * added in rank order. Ranks that meet in different calls all get an error. */
GPtrArray *fake_communicators_new (guint size);

G_END_DECLS
