/* vard-schedule-config.h - scheduler/scheduler_config.json
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "files/vard-config-reader.h"
#include "process/vard-schedule.h"

G_BEGIN_DECLS

gboolean vard_schedule_config_read (VardScheduleConfig *self,
                                    VardConfigReader *reader,
                                    GError **error);

G_END_DECLS
