/* vard-run-record.h - run.json and resumes.jsonl: the request for a run, and its resumes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine-buffers.h"
#include "models/vard-model-class.h"
#include "run/vard-run-settings.h"
#include "run/vard-run.h"

G_BEGIN_DECLS

/* (transfer full) */
JsonObject *vard_run_record_new (VardRunSettings *settings, VardEngine *engine, VardModel *model);
/* Whether a run's base model is this one */
gboolean vard_run_record_check_model (VardRun *run, VardModel *model, GError **error);
/* Appends a line to resumes.jsonl: the changes to the run's settings, by a resume or, if @request
 * is given, by a request while it trains */
gboolean vard_run_record_resume (VardRun *run,
                                 VardRunSettings *settings,
                                 guint64 step,
                                 const char *request,
                                 GError **error);

G_END_DECLS
