/* vard-clip-tokenizer.h - CLIP's byte-level byte-pair encoding
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_CLIP_TOKENIZER (vard_clip_tokenizer_get_type ())
G_DECLARE_FINAL_TYPE (VardClipTokenizer, vard_clip_tokenizer, VARD, CLIP_TOKENIZER, GObject)

/* Reads vocab.json and merges.txt, or tokenizer.json, and, where they are, tokenizer_config.json
 * and special_tokens_map.json of a folder */
VardClipTokenizer *vard_clip_tokenizer_new (const char *folder, GError **error);
/* what tokenizer_config.json says, or 0 */
guint vard_clip_tokenizer_get_max_length (VardClipTokenizer *self);
/* above every id it gives */
gint32 vard_clip_tokenizer_get_n_ids (VardClipTokenizer *self);
/* Start, text, end, padded to @n_ids; text that does not fit is cut before the end token. @n_valid
 * counts what is not padding; @n_cut (nullable) the tokens that were cut. Fails only on text that
 * is not UTF-8 or is huge. */
gboolean vard_clip_tokenizer_encode (VardClipTokenizer *self,
                                     const char *text,
                                     gint32 *ids,
                                     guint n_ids,
                                     guint *n_valid,
                                     guint *n_cut,
                                     GError **error);
/* Where the first word begins that does not fit whole into @n_ids; the text's length where all
 * fits, also for text that cannot be encoded */
gsize vard_clip_tokenizer_find_cut (VardClipTokenizer *self, const char *text, guint n_ids);

G_END_DECLS
