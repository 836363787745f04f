/* vard-solo-communicator.h - a communicator of one process, where each sum is the value itself
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "comm/vard-communicator.h"

G_BEGIN_DECLS

#define VARD_TYPE_SOLO_COMMUNICATOR (vard_solo_communicator_get_type ())
G_DECLARE_FINAL_TYPE (VardSoloCommunicator,
                      vard_solo_communicator,
                      VARD,
                      SOLO_COMMUNICATOR,
                      VardCommunicator)

VardCommunicator *vard_solo_communicator_new (void);

G_END_DECLS
