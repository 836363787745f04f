/* vard-safetensors.h - weight files: read in place, written beside and renamed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-tensor.h"

G_BEGIN_DECLS

#define VARD_TYPE_SAFETENSORS (vard_safetensors_get_type ())
G_DECLARE_FINAL_TYPE (VardSafetensors, vard_safetensors, VARD, SAFETENSORS, GObject)

/* A .safetensors file, or all shards that a .safetensors.index.json names. The header is checked
 * wholly here; the data stays in the file (mapped) until it is looked up. */
VardSafetensors *vard_safetensors_open (const char *path, GError **error);
const char *vard_safetensors_get_path (VardSafetensors *self);
/* in the order of the file(s); NULL-terminated, owned by the reader */
const char *const *vard_safetensors_peek_names (VardSafetensors *self);
gboolean vard_safetensors_contains (VardSafetensors *self, const char *name);
gboolean vard_safetensors_get_shape (VardSafetensors *self, const char *name, VardShape *shape);
/* A read-only view of the mapped file, or a copy where the data is unaligned or of a type that only
 * files know (f64 becomes f32, bool becomes u8); (transfer full) */
VardTensor *vard_safetensors_lookup (VardSafetensors *self, const char *name, GError **error);
/* F64 elements bit by bit, as I64: no digit is lost. Anything but F64 is an error. */
VardTensor *vard_safetensors_lookup_doubles (VardSafetensors *self,
                                             const char *name,
                                             GError **error);
/* string to string, of all shards */
GHashTable *vard_safetensors_peek_metadata (VardSafetensors *self);

/* What to write under a name. @prepare, where it is set, makes what the file keeps (another layout,
 * merged weights, a copy from a device) when its turn comes, so that a large model is never held
 * twice; @shape is then what it returns. NULL with an error: the file is not written. */
typedef struct _VardSafetensorsEntry VardSafetensorsEntry;

struct _VardSafetensorsEntry
{
  const char *name;
  VardTensor *tensor;   /* in the host's memory; may be NULL with @prepare */
  VardDType dtype;      /* in the file */
  gboolean has_doubles; /* the I64 elements are the bits of doubles: F64 in the file */
  VardShape shape;      /* in the file; with @prepare only */
  VardTensor *(*prepare) (const VardSafetensorsEntry *self, GError **error);
  gpointer data;
};

/* @metadata: string to string, or NULL; "format": "pt" is added where it says nothing. The file
 * appears whole under its name or not at all. */
gboolean vard_safetensors_write (const char *path,
                                 const VardSafetensorsEntry *entries,
                                 guint n_entries,
                                 GHashTable *metadata,
                                 GError **error);

G_END_DECLS
