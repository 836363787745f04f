/* vard-suggest.h - finds the known name nearest to a mistyped one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

const char *vard_suggest (const char *word, const char *const *candidates);
void vard_suggest_error (const char *kind,
                         const char *word,
                         const char *const *candidates,
                         GError **error);

G_END_DECLS
