/* vard-engine.h - what computes graphs, as a program that uses the library sees it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

#define VARD_TYPE_ENGINE (vard_engine_get_type ())
G_DECLARE_DERIVABLE_TYPE (VardEngine, vard_engine, VARD, ENGINE, GObject)

char *vard_engine_describe (VardEngine *self);

G_END_DECLS
