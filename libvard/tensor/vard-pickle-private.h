/* vard-pickle-private.h - the values that a pickle builds
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-pickle.h"

G_BEGIN_DECLS

typedef enum
{
  VALUE_NOTHING, /* None, and what is read past: floats */
  VALUE_MARK,    /* where a group on the stack begins */
  VALUE_INT,     /* also booleans */
  VALUE_TEXT,
  VALUE_LIST,        /* also tuples */
  VALUE_DICT,        /* items: key, value, key, value */
  VALUE_MAKE_DICT,   /* stands for collections.OrderedDict */
  VALUE_MAKE_TENSOR, /* stands for torch._utils._rebuild_tensor_v2 */
  VALUE_TYPE,        /* stands for torch.FloatStorage and the like */
  VALUE_STORAGE,
  VALUE_TENSOR,
} ValueKind;

typedef struct _Value Value;

struct _Value
{
  ValueKind kind;
  gint64 number;            /* of an int; elements of a storage */
  VardPickleType type;      /* of a type or storage */
  char *text;               /* of a text; key of a storage */
  GPtrArray *items;         /* not owned */
  VardPickleTensor *tensor; /* without a name */
};

/* The value of a whole pickle. All values live in @arena. */
Value *vard_pickle_build (const char *path,
                          const guint8 *data,
                          gsize size,
                          GPtrArray *arena,
                          GError **error);
void vard_pickle_value_free (gpointer value);
/* The tensor that the arguments of _rebuild_tensor_v2 describe, or NULL */
VardPickleTensor *vard_pickle_make_tensor (const GPtrArray *arguments);
void vard_pickle_tensor_free (gpointer tensor);

G_END_DECLS
