/* vard-forecast-kinds.h - the rows that a forecast can have
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  const char *name, *label, *unit;
  const char *remedies[4]; /* up to NULL; the algorithm may add its own */
} VardForecastKind;

/* There has to be one of that name */
const VardForecastKind *vard_forecast_find_kind (const char *name);

G_END_DECLS
