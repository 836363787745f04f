/* vard-time-embedding.c - embeds a timestep: sines and cosines, then two linear layers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "models/vard-time-embedding.h"

#include "nn/vard-linear.h"

#include <math.h>

struct _VardTimeEmbedding
{
  VardModule parent_instance;

  gint64 n_waves;
  gboolean flip_sin_to_cos;
  VardTensor *frequencies; /* [1, n_waves / 2]: a fact, not a parameter */
  VardLinear *linear_1, *linear_2;
};

G_DEFINE_FINAL_TYPE (VardTimeEmbedding, vard_time_embedding, VARD_TYPE_MODULE)

VardTimeEmbedding *
vard_time_embedding_new (gint64 n_waves, gint64 width, gboolean flip_sin_to_cos, double freq_shift)
{
  VardTimeEmbedding *self = g_object_new (VARD_TYPE_TIME_EMBEDDING, NULL);
  VardModule *module = VARD_MODULE (self);
  gint64 half = n_waves / 2;
  VardShape shape = VARD_SHAPE (1, half);
  float *frequencies;

  self->n_waves = n_waves;
  self->flip_sin_to_cos = flip_sin_to_cos;
  self->frequencies = vard_tensor_new (VARD_DTYPE_F32, &shape);
  frequencies = vard_tensor_peek_f32 (self->frequencies);
  for (gint64 i = 0; i < half; i++)
    frequencies[i] = exp (-log (10000.0) * i / (half - freq_shift));
  self->linear_1 =
    vard_module_add_child (module, "linear_1",
                           vard_linear_new (n_waves, width, TRUE, VARD_LAYOUT_PLAIN));
  self->linear_2 = vard_module_add_child (module, "linear_2",
                                          vard_linear_new (width, width, TRUE, VARD_LAYOUT_PLAIN));

  return self;
}

/* [n] -> [n, n_waves]; an odd last column is zero */
static VardNode *
vard_time_embedding_record_waves (VardTimeEmbedding *self, VardNode *timesteps)
{
  VardGraph *graph = timesteps->graph;
  VardNode *column = vard_reshape (timesteps, VARD_SHAPE (timesteps->shape.dims[0], 1));
  /* a param, because equal params are one node however often the module is recorded */
  VardNode *angles = vard_mul (column, vard_param (graph, "time frequencies", self->frequencies));
  VardNode *waves[2] = { vard_sin (angles), vard_cos (angles) };

  if (self->flip_sin_to_cos)
    {
      waves[0] = vard_cos (angles);
      waves[1] = vard_sin (angles);
    }

  VardNode *both = vard_concat (waves, 2, 1);

  return self->n_waves % 2 ? vard_pad (both, 1, 0, 1) : both;
}

VardNode *
vard_time_embedding_record (VardTimeEmbedding *self, VardNode *timesteps)
{
  g_return_val_if_fail (VARD_IS_TIME_EMBEDDING (self), timesteps);

  VardGraph *graph = timesteps->graph;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *x =
    vard_linear_record (self->linear_1, vard_time_embedding_record_waves (self, timesteps));

  x = vard_linear_record (self->linear_2, vard_silu (x));
  vard_module_leave (VARD_MODULE (self), graph);

  return x;
}

static void
vard_time_embedding_finalize (GObject *object)
{
  g_clear_object (&VARD_TIME_EMBEDDING (object)->frequencies);
  G_OBJECT_CLASS (vard_time_embedding_parent_class)->finalize (object);
}

static void
vard_time_embedding_class_init (VardTimeEmbeddingClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_time_embedding_finalize;
}

static void
vard_time_embedding_init (VardTimeEmbedding *self)
{
}
