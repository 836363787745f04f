/* aesthetic-predictor.h - the small network after the encoder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

G_BEGIN_DECLS

typedef struct
{
  guint n;         /* features of a picture */
  double *weights; /* [n] */
  double bias;
} AestheticPredictor;

/* A .safetensors or a .pth file with the tensors layers.0, 2, 4, 6 and 7 */
AestheticPredictor *aesthetic_predictor_new (const char *path, GError **error);
void aesthetic_predictor_free (AestheticPredictor *self);
double aesthetic_predictor_predict (const AestheticPredictor *self, const float *features);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AestheticPredictor, aesthetic_predictor_free)

G_END_DECLS
