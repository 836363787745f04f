/* vard-model-options.h - settings for reading a model that its files leave open
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a model's files may leave open. Zeroed: nothing is said. */
typedef struct
{
  const char *tokenizer; /* a folder with vocab.json and merges.txt, for a single file */
} VardModelOptions;

G_END_DECLS
