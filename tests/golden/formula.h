/* formula.h - weights and inputs that both sides compute, from a tensor's name and an element's
 * number
 *
 * make-models-golden.py has the other side.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard-internal.h>

#include "tensor/vard-safetensors.h"

#include <math.h>

static inline double
uniform (guint32 seed, guint64 i)
{
  guint32 x = i * 2654435761u + seed;

  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  x ^= x >> 16;
  return (x >> 8) * 0x1p-23 - 1;
}

static inline guint32
seed_of (const char *name)
{
  guint32 seed = 2166136261u;

  for (const char *p = name; *p; p++)
    seed = (seed ^ (guint8) *p) * 16777619u;
  return seed;
}

static inline VardTensor *
make_values (const char *name, VardShape shape)
{
  VardTensor *tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);
  float *values = vard_tensor_peek_f32 (tensor);
  double bound = shape.n_dims > 1 ? sqrt (3.0 / vard_shape_get_span (&shape, 1, shape.n_dims))
                                  : 0.2;
  gboolean is_norm = shape.n_dims == 1 && g_str_has_suffix (name, "weight");

  for (gint64 i = 0; i < vard_shape_get_count (&shape); i++)
    {
      double u = uniform (seed_of (name), i);

      values[i] = is_norm ? 1 + 0.3 * u : bound * u;
    }
  return tensor;
}

static inline float *
make_noise (const char *name, gsize n)
{
  float *values = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    values[i] = uniform (seed_of (name), i);
  return values;
}

/* a weight file of the tensors PyTorch listed, where @old_part of their names may be spelled
 * @new_part */
static inline void
write_weights (JsonObject *tensors, const char *path, const char *old_part, const char *new_part)
{
  g_autoptr (GList) names = json_object_get_members (tensors);
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (VardSafetensorsEntry));
  g_autoptr (GError) error = NULL;

  for (GList *l = names; l != NULL; l = l->next)
    {
      JsonArray *dims = json_object_get_array_member (tensors, l->data);
      g_autoptr (GString) name = g_string_new (l->data);
      VardShape shape = { .n_dims = json_array_get_length (dims) };

      for (guint i = 0; i < shape.n_dims; i++)
        shape.dims[i] = json_array_get_int_element (dims, i);
      if (old_part != NULL)
        g_string_replace (name, old_part, new_part, 0);

      VardSafetensorsEntry entry = { .name = g_intern_string (name->str),
                                     .dtype = VARD_DTYPE_F32,
                                     .tensor = make_values (l->data, shape) };

      g_array_append_val (entries, entry);
    }
  vard_safetensors_write (path, (VardSafetensorsEntry *) entries->data, entries->len, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < entries->len; i++)
    g_object_unref (g_array_index (entries, VardSafetensorsEntry, i).tensor);
}
