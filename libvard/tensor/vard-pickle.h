/* vard-pickle.h - the tensors that a pickle of plain dictionaries names
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-shape.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  VARD_PICKLE_F32,
  VARD_PICKLE_F16,
  VARD_PICKLE_BF16,
  VARD_PICKLE_F64,
  VARD_PICKLE_I64,
  VARD_PICKLE_I32,
  VARD_PICKLE_I16,
  VARD_PICKLE_I8,
  VARD_PICKLE_U8,
  VARD_PICKLE_BOOL,
} VardPickleType;

/* A tensor is a view of a storage, whose bytes are elsewhere */
typedef struct
{
  char *name;    /* keys on the way to it, joined by '.' */
  char *storage; /* the storage's key */
  VardPickleType type;
  gint64 n_stored; /* elements of the storage */
  gint64 offset;   /* the first one, in elements */
  VardShape shape;
  gint64 strides[VARD_MAX_DIMS]; /* in elements */
} VardPickleTensor;

/* Nothing is ever called or imported: of the pickle language the words for data alone are known,
 * and of names those of a tensor, a storage and an ordered dictionary, which stand for data here.
 * What is no tensor is passed over. Every tensor lies within its storage and is no larger than it.
 * (transfer full) (element-type VardPickleTensor) */
GPtrArray *vard_pickle_read_tensors (const char *path,
                                     const guint8 *data,
                                     gsize size,
                                     GError **error);

G_END_DECLS
