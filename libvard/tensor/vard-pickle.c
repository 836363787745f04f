/* vard-pickle.c - reads the tensors of a pickle of plain dictionaries
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-pickle-private.h"

#include "base/vard-error.h"

#include <string.h>

#define MAX_DEPTH 16
/* dictionaries may be shared, so that a short file could name more than there is memory for */
#define MAX_VISITS 1000000

void
vard_pickle_tensor_free (gpointer data)
{
  VardPickleTensor *self = data;

  if (self == NULL)
    return;
  g_free (self->name);
  g_free (self->storage);
  g_free (self);
}

void
vard_pickle_value_free (gpointer data)
{
  Value *self = data;

  g_free (self->text);
  g_clear_pointer (&self->items, g_ptr_array_unref);
  vard_pickle_tensor_free (self->tensor);
  g_free (self);
}

/* ---- tensors ---- */

static gboolean
vard_pickle_read_ints (const Value *value, guint *n, gint64 *numbers)
{
  if (value->kind != VALUE_LIST || value->items->len > VARD_MAX_DIMS)
    return FALSE;
  *n = value->items->len;
  for (guint i = 0; i < *n; i++)
    {
      const Value *item = value->items->pdata[i];

      if (item->kind != VALUE_INT || item->number < 0)
        return FALSE;
      numbers[i] = item->number;
    }

  return TRUE;
}

/* every element lies in the storage, and there are not more of them than it has */
static gboolean
vard_pickle_check_extent (const VardPickleTensor *self)
{
  gint64 last = self->offset, count = 1;

  for (guint i = 0; i < self->shape.n_dims; i++)
    {
      gint64 n = self->shape.dims[i], step;

      if (__builtin_mul_overflow (count, n, &count))
        return FALSE;
      if (__builtin_mul_overflow (MAX (n - 1, 0), self->strides[i], &step)
          || __builtin_add_overflow (last, step, &last))
        return FALSE;
    }

  return count == 0 || (last < self->n_stored && count <= self->n_stored);
}

/* arguments: storage, offset, size, strides, and two or three that say nothing of the contents */
VardPickleTensor *
vard_pickle_make_tensor (const GPtrArray *arguments)
{
  g_autofree VardPickleTensor *self = g_new0 (VardPickleTensor, 1);
  const Value *storage, *offset;
  guint n_strides;

  if (arguments->len < 4 || arguments->len > 7)
    return NULL;
  storage = arguments->pdata[0];
  offset = arguments->pdata[1];
  if (storage->kind != VALUE_STORAGE || offset->kind != VALUE_INT || offset->number < 0
      || !vard_pickle_read_ints (arguments->pdata[2], &self->shape.n_dims, self->shape.dims)
      || !vard_pickle_read_ints (arguments->pdata[3], &n_strides, self->strides)
      || n_strides != self->shape.n_dims)
    return NULL;
  self->type = storage->type;
  self->n_stored = storage->number;
  self->offset = offset->number;
  if (!vard_pickle_check_extent (self))
    return NULL;
  self->storage = g_strdup (storage->text);

  return g_steal_pointer (&self);
}

/* ---- dictionaries ---- */

typedef struct
{
  GPtrArray *tensors;
  GHashTable *names; /* a set */
  GString *name;
  guint n_visits;
} Walk;

static void
vard_pickle_add_tensor (Walk *walk, const VardPickleTensor *tensor)
{
  VardPickleTensor *copy = g_memdup2 (tensor, sizeof *tensor);

  copy->name = g_strdup (walk->name->str);
  copy->storage = g_strdup (tensor->storage);
  g_ptr_array_add (walk->tensors, copy);
  g_hash_table_add (walk->names, copy->name);
}

/* NULL, or what is wrong */
static const char *
walk_dict (Walk *walk, const Value *dict, guint depth)
{
  if (depth > MAX_DEPTH)
    return "its dictionaries are nested too deeply";
  for (guint i = 0; i + 1 < dict->items->len; i += 2)
    {
      const Value *key = dict->items->pdata[i], *value = dict->items->pdata[i + 1];
      gsize length = walk->name->len;
      const char *wrong = NULL;

      if (++walk->n_visits > MAX_VISITS)
        return "it has more than a million entries";
      if (key->kind != VALUE_TEXT)
        continue;
      g_string_append_printf (walk->name, length ? ".%s" : "%s", key->text);
      if (value->kind == VALUE_DICT)
        wrong = walk_dict (walk, value, depth + 1);
      else if (value->kind == VALUE_TENSOR && g_hash_table_contains (walk->names, walk->name->str))
        wrong = "two of its tensors have the same name";
      else if (value->kind == VALUE_TENSOR)
        vard_pickle_add_tensor (walk, value->tensor);
      g_string_truncate (walk->name, length);
      if (wrong != NULL)
        return wrong;
    }

  return NULL;
}

GPtrArray *
vard_pickle_read_tensors (const char *path, const guint8 *data, gsize size, GError **error)
{
  g_autoptr (GPtrArray) arena = g_ptr_array_new_with_free_func (vard_pickle_value_free);
  g_autoptr (GPtrArray) tensors = g_ptr_array_new_with_free_func (vard_pickle_tensor_free);
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GString) name = g_string_new (NULL);
  Walk walk = { tensors, names, name, 0 };
  Value *root = vard_pickle_build (path, data, size, arena, error);
  const char *wrong;

  if (root == NULL)
    return NULL;
  wrong = root->kind == VALUE_DICT ? walk_dict (&walk, root, 0) : "it is not a dictionary";
  if (wrong == NULL)
    return g_steal_pointer (&tensors);
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s", path, wrong);

  return NULL;
}
