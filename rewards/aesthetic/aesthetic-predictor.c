/* aesthetic-predictor.c - the small network after the encoder
 *
 * Between its five linear layers is nothing but dropout, which is for training alone. So they are
 * one linear layer, and their product is taken once, from the last to the first: a row of weights
 * and a number.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "aesthetic-predictor.h"

#include <math.h>

static VardTensor *
aesthetic_look_up (VardSafetensors *safetensors,
                   VardPth *pth,
                   const char *layer,
                   const char *kind,
                   GError **error)
{
  g_autofree char *name = g_strdup_printf ("layers.%s.%s", layer, kind);
  g_autoptr (VardTensor) stored = pth != NULL ? vard_pth_lookup (pth, name, error)
                                              : vard_safetensors_lookup (safetensors, name, error);

  return stored != NULL ? vard_tensor_convert (stored, VARD_DTYPE_F32) : NULL;
}

/* row [n_out] x weight [n_out, n_in] becomes the row, row x bias is added to the bias */
static gboolean
aesthetic_predictor_add_layer (AestheticPredictor *self, VardTensor *weight, VardTensor *bias)
{
  const VardShape *shape = vard_tensor_peek_shape (weight);

  if (shape->n_dims != 2 || shape->dims[0] != self->n || shape->dims[1] < 1
      || vard_tensor_get_count (bias) != self->n)
    return FALSE;
  guint n_in = shape->dims[1];
  double *row = g_new0 (double, n_in);

  for (guint i = 0; i < self->n; i++)
    {
      for (guint k = 0; k < n_in; k++)
        row[k] += self->weights[i] * vard_tensor_peek_f32 (weight)[(gsize) i * n_in + k];
      self->bias += self->weights[i] * vard_tensor_peek_f32 (bias)[i];
    }
  g_free (self->weights);
  self->weights = row;
  self->n = n_in;

  return TRUE;
}

static gboolean
aesthetic_predictor_read (AestheticPredictor *self,
                          const char *path,
                          VardSafetensors *safetensors,
                          VardPth *pth,
                          GError **error)
{
  static const char *const layers[] = { "7", "6", "4", "2", "0" };

  for (guint i = 0; i < G_N_ELEMENTS (layers); i++)
    {
      g_autoptr (VardTensor) weight =
        aesthetic_look_up (safetensors, pth, layers[i], "weight", error);
      g_autoptr (VardTensor) bias =
        weight != NULL ? aesthetic_look_up (safetensors, pth, layers[i], "bias", error) : NULL;

      if (bias == NULL)
        return FALSE;
      if (!aesthetic_predictor_add_layer (self, weight, bias))
        {
          g_autofree char *shape = vard_shape_to_string (vard_tensor_peek_shape (weight));
          g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                       "%s: layers.%s.weight has the shape %s, but the next layers take %u values",
                       path, layers[i], shape, self->n);
          return FALSE;
        }
    }
  double sum = self->bias;
  for (guint k = 0; k < self->n; k++)
    sum += self->weights[k];
  if (isfinite (sum))
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s has weights that are not finite", path);

  return FALSE;
}

AestheticPredictor *
aesthetic_predictor_new (const char *path, GError **error)
{
  g_autoptr (AestheticPredictor) self = g_new0 (AestheticPredictor, 1);
  g_autoptr (VardSafetensors) safetensors = NULL;
  g_autoptr (VardPth) pth = NULL;

  if (g_str_has_suffix (path, ".safetensors"))
    safetensors = vard_safetensors_open (path, error);
  else
    pth = vard_pth_open (path, error);
  self->n = 1;
  self->weights = g_new (double, 1);
  self->weights[0] = 1;
  if ((safetensors == NULL && pth == NULL)
      || !aesthetic_predictor_read (self, path, safetensors, pth, error))
    return NULL;

  return g_steal_pointer (&self);
}

void
aesthetic_predictor_free (AestheticPredictor *self)
{
  if (self == NULL)
    return;
  g_free (self->weights);
  g_free (self);
}

double
aesthetic_predictor_predict (const AestheticPredictor *self, const float *features)
{
  double sum = self->bias;

  for (guint k = 0; k < self->n; k++)
    sum += self->weights[k] * features[k];
  return sum;
}
