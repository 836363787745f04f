/* vard-weights.h - between a tree of parameters and a weight file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"
#include "tensor/vard-safetensors.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* Another spelling of names: @part of a path, "" for its beginning, is replaced. Ends with { NULL
 * }. */
typedef struct
{
  const char *part;
  const char *replacement;
} VardWeightAlias;

/* The weight file of a component's folder: plain or fp16, whole or sharded. Pickles are refused
 * with the way out. */
char *vard_weights_find (const char *folder, const char *stem, GError **error);
/* Fills every parameter that is not optional, converted to f32. Every name must be there in one of
 * its spellings with the right shape, finite, and no other tensor may be left over but those whose
 * names end in one of @ignored (nullable, NULL-terminated). */
gboolean vard_weights_load (VardModule *module,
                            const char *path,
                            const VardWeightAlias *aliases,
                            const char *const *ignored,
                            GError **error);
/* Writes every parameter that is not optional under its own name; what enabled adapters do is
 * merged in. */
gboolean vard_weights_save (VardModule *module,
                            const char *path,
                            VardDType dtype,
                            GHashTable *metadata,
                            GError **error);

/* One tensor of a file into a parameter, with its layout and type; errors name both shapes */
gboolean vard_weights_read (VardSafetensors *file,
                            const char *name,
                            VardParameter *parameter,
                            GError **error);

/* The same from @piece of @n_pieces equal pieces of the tensor's rows */
gboolean vard_weights_read_piece (VardSafetensors *file,
                                  const char *name,
                                  VardParameter *parameter,
                                  guint piece,
                                  guint n_pieces,
                                  GError **error);
/* The same from a tensor that is read already; @file and @name are for messages */
gboolean vard_weights_fill (const char *file,
                            const char *name,
                            VardTensor *stored,
                            VardParameter *parameter,
                            guint piece,
                            guint n_pieces,
                            GError **error);
/* One parameter as files keep it, with what its enabled adapter does */
VardSafetensorsEntry vard_weights_make_entry (const char *name,
                                              VardParameter *parameter,
                                              VardDType dtype);
/* a weight with its enabled adapter merged in, or the tensor itself */
VardTensor *vard_weights_dup_merged (VardParameter *parameter);

G_END_DECLS
