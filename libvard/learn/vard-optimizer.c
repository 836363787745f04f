/* vard-optimizer.c - AdamW on flat tensors, with clipping of the gradient's norm (arXiv 1711.05101)
 *
 * It has two graphs, so the norm is known before anything is written. A gradient that is not finite
 * ends the training while the weights are still intact.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "learn/vard-optimizer.h"

#include "base/vard-error.h"

#include <math.h>

#define PIECE ((gint64) 16 << 20) /* floats */

struct _VardOptimizer
{
  VardParameterSet *set;
  VardTensor *mean, *square;      /* Adam's moments [count] */
  VardTensor *average;            /* [count] or NULL */
  VardCommunicator *communicator; /* NULL: gradients are not shared */
  double ema;
  guint64 n_updates;
  VardExecutable *norm;
  VardExecutable *update;
};

static VardTensor *
vard_optimizer_new_flat (VardParameterSet *set, GError **error)
{
  VardShape shape = VARD_SHAPE (set->count);
  g_autoptr (VardTensor) flat = vard_tensor_new (VARD_DTYPE_F32, &shape);

  return vard_engine_adopt (set->engine, flat, error) ? g_steal_pointer (&flat) : NULL;
}

/* Piece by piece: squares are values of their own, and those of a whole denoiser would be as large
 * as it is */
static VardNode *
vard_optimizer_sum_squares (VardNode *x)
{
  VardNode *sum = NULL;

  for (gint64 from = 0; from < x->shape.dims[0]; from += PIECE)
    {
      VardNode *piece = vard_slice (x, 0, from, MIN (PIECE, x->shape.dims[0] - from));
      VardNode *squared = vard_sum_all (vard_square (piece));

      sum = sum != NULL ? vard_add (sum, squared) : squared;
    }

  return sum;
}

static VardExecutable *
vard_optimizer_compile_norm (VardOptimizer *self, GError **error)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *gradient = vard_param (graph, "gradient", self->set->gradients);

  vard_graph_add_output (graph, "squared", vard_optimizer_sum_squares (gradient));

  return vard_engine_compile (self->set->engine, graph, error);
}

static VardNode *
vard_optimizer_number (VardGraph *graph, const char *name)
{
  return vard_input (graph, name, VARD_DTYPE_F32, VARD_SHAPE (1));
}

/* fraction x a + (1 - fraction) x b */
static VardNode *
vard_optimizer_blend (VardNode *fraction, VardNode *a, VardNode *b)
{
  return vard_add (vard_mul (fraction, a), vard_mul (vard_complement (fraction), b));
}

/* p <- decay p - step m / (sqrt (correction v) + epsilon) */
static VardExecutable *
vard_optimizer_compile_update (VardOptimizer *self, GError **error)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *weights = vard_param (graph, "weights", self->set->weights);
  VardNode *gradient = vard_param (graph, "gradient", self->set->gradients);
  VardNode *mean = vard_param (graph, "mean", self->mean);
  VardNode *square = vard_param (graph, "square", self->square);
  VardNode *clipped = vard_mul (vard_optimizer_number (graph, "clip"), gradient);
  VardNode *next_mean =
    vard_optimizer_blend (vard_optimizer_number (graph, "beta1"), mean, clipped);
  VardNode *next_square =
    vard_optimizer_blend (vard_optimizer_number (graph, "beta2"), square, vard_square (clipped));
  VardNode *root = vard_sqrt (vard_mul (vard_optimizer_number (graph, "correction"), next_square));
  VardNode *change = vard_div (vard_mul (vard_optimizer_number (graph, "step"), next_mean),
                               vard_add (root, vard_optimizer_number (graph, "epsilon")));
  VardNode *next = vard_sub (vard_mul (vard_optimizer_number (graph, "decay"), weights), change);

  vard_assign (weights, next);
  vard_assign (mean, next_mean);
  vard_assign (square, next_square);
  vard_assign (gradient, vard_fill (graph, 0, gradient->shape));
  if (self->average != NULL)
    {
      VardNode *average = vard_param (graph, "average", self->average);

      vard_assign (average,
                   vard_optimizer_blend (vard_optimizer_number (graph, "ema"), average, next));
    }

  return vard_engine_compile (self->set->engine, graph, error);
}

static gboolean
vard_optimizer_read_piece (VardOptimizer *self,
                           VardTensor *from,
                           gint64 first,
                           gint64 n,
                           float *values,
                           GError **error)
{
  return vard_engine_read (self->set->engine, vard_tensor_peek_buffer (from),
                           vard_tensor_get_offset (from) + first * sizeof (float), values,
                           n * sizeof (float), error);
}

static gboolean
vard_optimizer_write_piece (VardOptimizer *self,
                            VardTensor *to,
                            gint64 first,
                            gint64 n,
                            const float *values,
                            GError **error)
{
  return vard_engine_write (self->set->engine, vard_tensor_peek_buffer (to),
                            vard_tensor_get_offset (to) + first * sizeof (float), values,
                            n * sizeof (float), error);
}

/* What the weights hold into the average, and with @is_exchange what that held into the weights;
 * piece by piece, since there may be no room for another copy */
static gboolean
vard_optimizer_move_weights (VardOptimizer *self, gboolean is_exchange, GError **error)
{
  gint64 count = self->set->count, longest = MIN (count, PIECE);
  g_autofree float *weights = g_new (float, longest), *average = g_new (float, longest);

  for (gint64 first = 0; first < count; first += PIECE)
    {
      gint64 n = MIN (PIECE, count - first);

      if (!vard_optimizer_read_piece (self, self->set->weights, first, n, weights, error)
          || (is_exchange
              && (!vard_optimizer_read_piece (self, self->average, first, n, average, error)
                  || !vard_optimizer_write_piece (self, self->set->weights, first, n, average,
                                                  error)))
          || !vard_optimizer_write_piece (self, self->average, first, n, weights, error))
        return FALSE;
    }

  return TRUE;
}

VardOptimizer *
vard_optimizer_new (VardParameterSet *set, double ema, GError **error)
{
  g_autoptr (VardOptimizer) self = g_new0 (VardOptimizer, 1);

  self->set = set;
  self->ema = ema;
  self->mean = vard_optimizer_new_flat (set, error);
  self->square = self->mean != NULL ? vard_optimizer_new_flat (set, error) : NULL;
  if (self->square == NULL)
    return NULL;
  if (ema > 0)
    {
      self->average = vard_optimizer_new_flat (set, error);
      if (self->average == NULL || !vard_optimizer_move_weights (self, FALSE, error))
        return NULL;
    }
  self->norm = vard_optimizer_compile_norm (self, error);
  self->update = self->norm != NULL ? vard_optimizer_compile_update (self, error) : NULL;

  return self->update != NULL ? g_steal_pointer (&self) : NULL;
}

void
vard_optimizer_free (VardOptimizer *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->norm);
  g_clear_object (&self->update);
  g_clear_object (&self->mean);
  g_clear_object (&self->square);
  g_clear_object (&self->average);
  g_clear_object (&self->communicator);
  g_free (self);
}

void
vard_optimizer_set_communicator (VardOptimizer *self, VardCommunicator *communicator)
{
  g_set_object (&self->communicator, communicator);
}

/* A device's gradients go through the host, piece by piece */
static gboolean
vard_optimizer_sum_staged (VardOptimizer *self, GError **error)
{
  gint64 count = self->set->count, longest = MIN (count, PIECE);
  g_autoptr (VardBuffer) stage = vard_buffer_new (longest * sizeof (float));
  float *values = (float *) stage->data;

  for (gint64 first = 0; first < count; first += PIECE)
    {
      gint64 n = MIN (PIECE, count - first);

      if (!vard_optimizer_read_piece (self, self->set->gradients, first, n, values, error)
          || !vard_communicator_all_reduce (self->communicator, stage, 0, n, error)
          || !vard_optimizer_write_piece (self, self->set->gradients, first, n, values, error))
        return FALSE;
    }

  return TRUE;
}

/* Before the norm is measured: it is clipped by the norm of the sum, which is that of one rank with
 * all states */
static gboolean
vard_optimizer_sum_gradients (VardOptimizer *self, GError **error)
{
  VardTensor *gradients = self->set->gradients;

  if (self->communicator == NULL || vard_communicator_get_size (self->communicator) == 1)
    return TRUE;
  if (!vard_tensor_peek_buffer (gradients)->is_host)
    return vard_optimizer_sum_staged (self, error);

  return vard_communicator_all_reduce (self->communicator, vard_tensor_peek_buffer (gradients),
                                       vard_tensor_get_offset (gradients), self->set->count, error);
}

static gboolean
vard_optimizer_measure_norm (VardOptimizer *self,
                             double *norm,
                             GCancellable *cancellable,
                             GError **error)
{
  float squared;

  if (!vard_executable_run (self->norm, cancellable, error)
      || !vard_executable_get_output (self->norm, "squared", &squared, sizeof squared, error))
    return FALSE;
  if (!isfinite (squared))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_DIVERGED,
                   "the squared norm of the gradient is %g after %" G_GUINT64_FORMAT " updates",
                   squared, self->n_updates);
      return FALSE;
    }
  *norm = sqrt (squared);

  return TRUE;
}

static gboolean
vard_optimizer_set_numbers (VardOptimizer *self,
                            const VardOptimizerNumbers *numbers,
                            double norm,
                            GError **error)
{
  double t = self->n_updates + 1.0;
  double clip = norm > numbers->clip_norm ? numbers->clip_norm / norm : 1.0;
  const struct
  {
    const char *name;
    double value;
  } inputs[] = {
    { "clip", clip },
    { "beta1", numbers->beta1 },
    { "beta2", numbers->beta2 },
    { "step", numbers->learning_rate / (1 - pow (numbers->beta1, t)) },
    { "correction", 1 / (1 - pow (numbers->beta2, t)) },
    { "epsilon", numbers->epsilon },
    { "decay", 1 - numbers->learning_rate * numbers->weight_decay },
    /* a young average follows closely: it would only show old weights */
    { "ema", MIN (self->ema, (1 + t) / (10 + t)) },
  };

  for (guint i = 0; i < G_N_ELEMENTS (inputs) - (self->average != NULL ? 0 : 1); i++)
    {
      float value = (float) inputs[i].value;

      if (!vard_executable_set_input (self->update, inputs[i].name, &value, sizeof value, error))
        return FALSE;
    }

  return TRUE;
}

gboolean
vard_optimizer_update (VardOptimizer *self,
                       const VardOptimizerNumbers *numbers,
                       double *norm,
                       GCancellable *cancellable,
                       GError **error)
{
  if (!vard_optimizer_sum_gradients (self, error)
      || !vard_optimizer_measure_norm (self, norm, cancellable, error)
      || !vard_optimizer_set_numbers (self, numbers, *norm, error)
      || !vard_executable_run (self->update, cancellable, error))
    return FALSE;
  self->n_updates++;

  return TRUE;
}

guint64
vard_optimizer_get_n_updates (VardOptimizer *self)
{
  return self->n_updates;
}

void
vard_optimizer_set_n_updates (VardOptimizer *self, guint64 n_updates)
{
  self->n_updates = n_updates;
}

VardTensor *
vard_optimizer_peek_mean (VardOptimizer *self)
{
  return self->mean;
}

VardTensor *
vard_optimizer_peek_square (VardOptimizer *self)
{
  return self->square;
}

VardTensor *
vard_optimizer_peek_average (VardOptimizer *self)
{
  return self->average;
}

gsize
vard_optimizer_count_bytes (VardOptimizer *self)
{
  return vard_tensor_get_n_bytes (self->set->gradients) * (self->average != NULL ? 4 : 3);
}

gboolean
vard_optimizer_swap_average (VardOptimizer *self, GError **error)
{
  return self->average == NULL || vard_optimizer_move_weights (self, TRUE, error);
}
