/* judge-answer.h - finds the score in what a language model said
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

G_BEGIN_DECLS

gboolean judge_read_last_number (const char  *text,
                                 double       maximum,
                                 double      *score,
                                 GError     **error);
gboolean judge_read_json        (const char  *text,
                                 const char  *field,
                                 double      *score,
                                 GError     **error);
char    *judge_dup_content      (JsonObject  *answer,
                                 GError     **error);

G_END_DECLS
