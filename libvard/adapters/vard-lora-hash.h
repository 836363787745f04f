/* vard-lora-hash.h - the two hashes by which kohya's programs identify a LoRA file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* @model_hash: SHA-256 of all that follows the header, hexadecimal. @legacy_hash: the first eight
 * digits of that of 64 KiB at 1 MiB, nothing's where the file is shorter. Either may be NULL. */
gboolean vard_lora_hash_file (const char *path,
                              char **model_hash,
                              char **legacy_hash,
                              GError **error);

G_END_DECLS
