/* vard.h - the one header users include
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/vard-error.h"
#include "base/vard-fields.h"
#include "base/vard-random.h"
#include "base/vard-settings.h"
#include "base/vard-suggest.h"
#include "base/vard-trace.h"
#include "comm/vard-communicator.h"
#include "comm/vard-solo-communicator.h"
#include "track/vard-jsonl-tracker.h"
#include "track/vard-metrics.h"
#include "track/vard-tracker.h"
#include "tensor/vard-tensor.h"
#include "graph/vard-graph.h"
#include "graph/vard-ops.h"
#include "engine/vard-engine.h"
#include "engine/vard-executable.h"
#include "engine/vard-reference-engine.h"
#include "train/vard-trainer-settings.h"
#include "run/vard-run.h"
#include "plugin/vard-plugin-feature.h"
#include "plugin/vard-plugin-manager.h"
#include "plugin/vard-plugin-module.h"
#include "plugin/vard-plugin-spec.h"
#include "plugin/vard-plugin.h"
#include "run/vard-run-store.h"
