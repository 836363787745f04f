/* vard-forecast.h - forecasts what a run will cost without training it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "run/runner/vard-runner.h"

G_BEGIN_DECLS

#define VARD_TYPE_FORECAST (vard_forecast_get_type ())
G_DECLARE_FINAL_TYPE (VardForecast, vard_forecast, VARD, FORECAST, GObject)

VardForecast *vard_forecast_new (VardRunner *runner);
gboolean vard_forecast_measure (VardForecast *self,
                                const char *path,
                                GCancellable *cancellable,
                                GError **error);
void vard_forecast_measure_async (VardForecast *self,
                                  const char *path,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);
gboolean vard_forecast_measure_finish (VardForecast *self, GAsyncResult *result, GError **error);
gboolean vard_forecast_measure_time (VardForecast *self, GCancellable *cancellable, GError **error);

guint vard_forecast_get_count (VardForecast *self);
const char *vard_forecast_get_name (VardForecast *self, guint row);
const char *vard_forecast_get_label (VardForecast *self, guint row);
const char *vard_forecast_get_unit (VardForecast *self, guint row);
double vard_forecast_get_value (VardForecast *self, guint row);
const char *const *vard_forecast_get_remedies (VardForecast *self, guint row);
gboolean vard_forecast_lookup (VardForecast *self, const char *name, double *value);
JsonObject *vard_forecast_to_json (VardForecast *self);

G_END_DECLS
