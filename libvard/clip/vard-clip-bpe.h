/* vard-clip-bpe.h - the byte-pair vocabulary of CLIP's tokenizer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _VardClipBpe VardClipBpe;

VardClipBpe *vard_clip_bpe_new (const char *vocabulary_path,
                                const char *merges_path,
                                GError **error);
/* tokenizer.json, which newer transformers write in place of the two */
VardClipBpe *vard_clip_bpe_new_from_json (const char *path, GError **error);
void vard_clip_bpe_free (VardClipBpe *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardClipBpe, vard_clip_bpe_free)

/* -1 where there is no such token */
gint32 vard_clip_bpe_lookup (VardClipBpe *self, const char *token);
gint32 vard_clip_bpe_get_n_ids (VardClipBpe *self);
/* appends the ids of one word's bytes; @unknown stands for bytes the vocabulary lacks */
void vard_clip_bpe_encode (VardClipBpe *self,
                           const char *word,
                           gsize length,
                           gint32 unknown,
                           GArray *ids);

G_END_DECLS
