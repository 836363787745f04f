/* judge-answer.h - finds the score in a language model's answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

G_BEGIN_DECLS

gboolean judge_read_last_number (const char *text, double maximum, double *score, GError **error);
gboolean judge_read_json (const char *text, const char *field, double *score, GError **error);
/* Of the tokens at the place of the answer; yes and no are the ends of the scale */
gboolean judge_read_odds (JsonObject *answer,
                          double minimum,
                          double maximum,
                          double *score,
                          GError **error);
char *judge_dup_content (JsonObject *answer, GError **error);

G_END_DECLS
