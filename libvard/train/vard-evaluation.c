/* vard-evaluation.c - pictures of fixed prompts and seeds, with their scores and metrics
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/vard-evaluation-private.h"

#include <math.h>

G_DEFINE_FINAL_TYPE (VardEvaluation, vard_evaluation, G_TYPE_OBJECT)

VardEvaluation *
vard_evaluation_new (const char *const *prompts,
                     guint n_prompts,
                     const guint64 *seeds,
                     guint n_seeds,
                     char **names)
{
  VardEvaluation *self = g_object_new (VARD_TYPE_EVALUATION, NULL);
  gsize n = (gsize) n_prompts * n_seeds;

  self->n_prompts = n_prompts;
  self->prompts = g_new0 (char *, n_prompts + 1);
  for (guint i = 0; i < n_prompts; i++)
    self->prompts[i] = g_strdup (prompts[i]);
  g_array_append_vals (self->seeds, seeds, n_seeds);
  self->names = g_strdupv (names);
  self->rewards = g_new (double, n);
  self->scores = g_new (double, n *g_strv_length (names));

  return self;
}

static guint
vard_evaluation_get_index (VardEvaluation *self, guint prompt, guint seed)
{
  return prompt * self->seeds->len + seed;
}

/* ---- measures ---- */

static double
vard_evaluation_measure_distance (VardEvaluation *self, guint a, guint b)
{
  VardImage *first = self->images->pdata[a], *second = self->images->pdata[b];
  gsize count = (gsize) vard_image_get_width (first) * vard_image_get_height (first) * 3;
  const guint8 *p = vard_image_peek_pixels (first), *q = vard_image_peek_pixels (second);
  guint64 sum = 0;

  for (gsize i = 0; i < count; i++)
    sum += (p[i] - q[i]) * (p[i] - q[i]);

  return sqrt ((double) sum / count);
}

double
vard_evaluation_measure_diversity (VardEvaluation *self)
{
  guint n_seeds = self->seeds->len;
  double sum = 0;

  for (guint p = 0; p < self->n_prompts; p++)
    for (guint a = 0; a < n_seeds; a++)
      for (guint b = 0; b < a; b++)
        sum += vard_evaluation_measure_distance (self, vard_evaluation_get_index (self, p, a),
                                                 vard_evaluation_get_index (self, p, b));

  return sum / (self->n_prompts * (n_seeds * (n_seeds - 1) / 2.0));
}

double
vard_evaluation_measure_across (VardEvaluation *self)
{
  guint n = self->n_prompts, n_seeds = self->seeds->len;
  double sum = 0;

  for (guint seed = 0; seed < n_seeds; seed++)
    for (guint a = 0; a < n; a++)
      for (guint b = 0; b < a; b++)
        sum += vard_evaluation_measure_distance (self, vard_evaluation_get_index (self, a, seed),
                                                 vard_evaluation_get_index (self, b, seed));

  return n > 1 ? sum / (n_seeds * (n * (n - 1) / 2.0)) : NAN;
}

static double
vard_evaluation_measure_sd (const float *values, guint n)
{
  double sum = 0, squares = 0;
  guint count = 0;

  for (guint i = 0; i < n; i++)
    if (isfinite (values[i]))
      {
        sum += values[i];
        squares += (double) values[i] * values[i];
        count++;
      }
  if (count < 2)
    return NAN;

  return sqrt (MAX (0.0, squares - sum * sum / count) / (count - 1));
}

double
vard_evaluation_measure_gain (VardEvaluation *self, const float *base)
{
  guint n_seeds = self->seeds->len, n_counted = 0;
  double sum = 0;

  for (guint p = 0; p < self->n_prompts; p++)
    {
      double gain = 0;
      guint n = 0;

      for (guint seed = 0; seed < n_seeds; seed++)
        {
          guint i = vard_evaluation_get_index (self, p, seed);

          if (!isfinite (self->rewards[i]) || !isfinite (base[i]))
            continue;
          gain += self->rewards[i] - base[i];
          n++;
        }
      if (n == 0)
        continue;
      sum += gain / n;
      n_counted++;
    }

  return sum / n_counted / vard_evaluation_measure_sd (base, self->n_prompts * n_seeds);
}

/* ---- what others read ---- */

/**
 * vard_evaluation_get_n_prompts:
 * @self: an evaluation
 *
 * Returns: its prompts
 */
guint
vard_evaluation_get_n_prompts (VardEvaluation *self)
{
  g_return_val_if_fail (VARD_IS_EVALUATION (self), 0);

  return self->n_prompts;
}

/**
 * vard_evaluation_get_n_seeds:
 * @self: an evaluation
 *
 * Returns: pictures per prompt
 */
guint
vard_evaluation_get_n_seeds (VardEvaluation *self)
{
  g_return_val_if_fail (VARD_IS_EVALUATION (self), 0);

  return self->seeds->len;
}

/**
 * vard_evaluation_get_prompt:
 * @self: an evaluation
 * @prompt: which one
 *
 * Returns: (transfer none): the prompt
 */
const char *
vard_evaluation_get_prompt (VardEvaluation *self, guint prompt)
{
  g_return_val_if_fail (VARD_IS_EVALUATION (self), NULL);
  g_return_val_if_fail (prompt < self->n_prompts, NULL);

  return self->prompts[prompt];
}

/**
 * vard_evaluation_get_seed:
 * @self: an evaluation
 * @seed: which one
 *
 * Returns: the seed
 */
guint64
vard_evaluation_get_seed (VardEvaluation *self, guint seed)
{
  g_return_val_if_fail (VARD_IS_EVALUATION (self), 0);
  g_return_val_if_fail (seed < self->seeds->len, 0);

  return g_array_index (self->seeds, guint64, seed);
}

/**
 * vard_evaluation_get_image:
 * @self: an evaluation
 * @prompt: which prompt
 * @seed: which of its seeds
 *
 * Returns: (transfer none): the picture
 */
VardImage *
vard_evaluation_get_image (VardEvaluation *self, guint prompt, guint seed)
{
  g_return_val_if_fail (VARD_IS_EVALUATION (self), NULL);
  g_return_val_if_fail (prompt < self->n_prompts && seed < self->seeds->len, NULL);

  return self->images->pdata[vard_evaluation_get_index (self, prompt, seed)];
}

/**
 * vard_evaluation_get_reward:
 * @self: an evaluation
 * @prompt: which prompt
 * @seed: which of its seeds
 *
 * Returns: the sum of weight times whitened score, NaN where a reward had none
 */
double
vard_evaluation_get_reward (VardEvaluation *self, guint prompt, guint seed)
{
  g_return_val_if_fail (VARD_IS_EVALUATION (self), NAN);
  g_return_val_if_fail (prompt < self->n_prompts && seed < self->seeds->len, NAN);

  return self->rewards[vard_evaluation_get_index (self, prompt, seed)];
}

/**
 * vard_evaluation_dup_score_names:
 * @self: an evaluation
 *
 * Returns: (transfer full) (array zero-terminated=1): the labels of the rewards
 */
char **
vard_evaluation_dup_score_names (VardEvaluation *self)
{
  g_return_val_if_fail (VARD_IS_EVALUATION (self), NULL);

  return g_strdupv (self->names);
}

/**
 * vard_evaluation_get_score:
 * @self: an evaluation
 * @name: a reward's label
 * @prompt: which prompt
 * @seed: which of its seeds
 *
 * Returns: what the reward said, NaN where it said nothing or has another name
 */
double
vard_evaluation_get_score (VardEvaluation *self, const char *name, guint prompt, guint seed)
{
  g_return_val_if_fail (VARD_IS_EVALUATION (self), NAN);
  g_return_val_if_fail (name != NULL, NAN);
  g_return_val_if_fail (prompt < self->n_prompts && seed < self->seeds->len, NAN);

  for (guint i = 0; self->names[i] != NULL; i++)
    if (g_str_equal (self->names[i], name))
      return self->scores[i * self->images->len + vard_evaluation_get_index (self, prompt, seed)];

  return NAN;
}

/**
 * vard_evaluation_peek_metrics:
 * @self: an evaluation
 *
 * Rewards, diversity and KL; after the first evaluation also the gain over it.
 *
 * Returns: (transfer none): the numbers
 */
VardMetrics *
vard_evaluation_peek_metrics (VardEvaluation *self)
{
  g_return_val_if_fail (VARD_IS_EVALUATION (self), NULL);

  return self->metrics;
}

static void
vard_evaluation_finalize (GObject *object)
{
  VardEvaluation *self = VARD_EVALUATION (object);

  g_clear_pointer (&self->prompts, g_strfreev);
  g_clear_pointer (&self->names, g_strfreev);
  g_clear_pointer (&self->seeds, g_array_unref);
  g_clear_pointer (&self->images, g_ptr_array_unref);
  g_clear_pointer (&self->rewards, g_free);
  g_clear_pointer (&self->scores, g_free);
  g_clear_pointer (&self->metrics, vard_metrics_unref);

  G_OBJECT_CLASS (vard_evaluation_parent_class)->finalize (object);
}

static void
vard_evaluation_class_init (VardEvaluationClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_evaluation_finalize;
}

static void
vard_evaluation_init (VardEvaluation *self)
{
  self->seeds = g_array_new (FALSE, FALSE, sizeof (guint64));
  self->images = g_ptr_array_new_with_free_func (g_object_unref);
}
