/* lora-fixture.h - a small model and adapters for it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <math.h>

#include "tiny-model.h"

#include <string.h>

typedef struct
{
  char *folder;
  VardModel *model;
  VardModule *unet;
  char *file;
} Fixture;

static inline void
fixture_set_up (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->folder = tiny_model_make ();
  self->model = vard_model_load (self->folder, &error);
  g_assert_no_error (error);
  self->unet = vard_model_peek_denoiser (self->model);
  self->file = g_build_filename (self->folder, "lora.safetensors", NULL);
}

static inline void
fixture_tear_down (Fixture *self, gconstpointer data)
{
  g_assert_finalize_object (self->model);
  tiny_model_remove (self->folder);
  g_free (self->file);
}

static inline void
fill_up (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  VardTensor *up = vard_lora_peek_up (lora)->tensor;

  vard_random_fill_normal (vard_random_derive_key (9, path, 0), 0, vard_tensor_peek_f32 (up),
                           vard_tensor_get_count (up));
}

static inline void
count_lora (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  ++*(guint *) data;
}

static inline void
attach (Fixture *self, const char *const *targets, guint rank, double alpha)
{
  g_autoptr (GError) error = NULL;

  vard_lora_attach (self->unet, targets, rank, alpha, 3, &error);
  g_assert_no_error (error);
}

static inline void
assert_near (const float *a, const float *b, double tolerance)
{
  for (guint i = 0; i < TINY_N; i++)
    g_assert_cmpfloat (fabs (a[i] - b[i]), <=, tolerance * (1 + fabs (b[i])));
}

static inline gboolean
is_same (const float *a, const float *b)
{
  return memcmp (a, b, TINY_N * sizeof *a) == 0;
}

static inline VardTensor *
make_tensor (VardShape shape, guint64 key)
{
  VardTensor *tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);

  vard_random_fill_normal (key, 0, vard_tensor_peek_f32 (tensor), vard_tensor_get_count (tensor));
  return tensor;
}

static inline char *
read_all (const char *path, gsize *size)
{
  char *bytes = NULL;

  g_file_get_contents (path, &bytes, size, NULL);
  return bytes;
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
