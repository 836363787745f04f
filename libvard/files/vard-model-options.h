/* vard-model-options.h - settings for reading a model that its files leave open
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Settings that a model's files may leave open. A zeroed structure sets none. */
typedef struct
{
  const char *tokenizer; /* a folder with vocab.json and merges.txt, for a single file */
} VardModelOptions;

G_END_DECLS
