/* vard-safetensors-header.h - parses and checks the JSON header of a weight file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-tensor.h"

G_BEGIN_DECLS

typedef struct
{
  char *name;
  const char *dtype; /* the file's spelling, static */
  VardShape shape;
  guint64 begin, end; /* bytes from the start of the data */
} VardSafetensorsRecord;

void vard_safetensors_record_free (VardSafetensorsRecord *self);
gsize vard_safetensors_dtype_size (const char *dtype);

/* Records in order of their place in the file. @path is for messages; @n_data is what follows the
 * header. */
GPtrArray *vard_safetensors_parse_header (const char *path,
                                          const char *json,
                                          gsize length,
                                          guint64 n_data,
                                          GHashTable *metadata,
                                          GError **error);

G_END_DECLS
