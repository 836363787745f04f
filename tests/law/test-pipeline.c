/* test-pipeline.c - sampling on a toy whose distribution is known
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "toy-model.h"

#include "base/vard-error.h"
#include "base/vard-random.h"
#include "diffusion/vard-pipeline-private.h"
#include "engine/vard-reference-engine.h"

#include <math.h>

#define SIZE 16

static VardPipeline *
new_pipeline (VardPrediction prediction)
{
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (VardModel) model = toy_model_new (4, 4, 1, prediction);

  return vard_pipeline_new (engine, model, NULL);
}

typedef struct
{
  const char *prompts[3];
  guint prompt_of[512];
  guint64 seeds[512];
  VardSampleRequest request;
} Request;

static void
request_init (Request *self, VardPipeline *pipeline, guint n, guint n_steps, double eta)
{
  *self = (Request) { .prompts = { "0.5", "0", NULL } };
  for (guint i = 0; i < n; i++)
    {
      self->prompt_of[i] = i % 2;
      self->seeds[i] = 100 + i;
    }
  self->request = (VardSampleRequest) {
    .n = n,
    .prompts = self->prompts,
    .prompt_of = self->prompt_of,
    .seeds = self->seeds,
    .sampler =
      vard_sampler_new_with_eta (vard_pipeline_peek_process (pipeline), n_steps, eta, NULL),
    .guidance_scale = 1,
  };
}

static VardTrajectory *
roll (VardPipeline *pipeline, const VardSampleRequest *request)
{
  g_autoptr (GError) error = NULL;
  VardTrajectory *trajectory = vard_pipeline_rollout (pipeline, request, NULL, NULL, NULL, &error);

  g_assert_no_error (error);

  return trajectory;
}

static double
max_difference (const float *a, const float *b, gsize n)
{
  double largest = 0;

  for (gsize i = 0; i < n; i++)
    largest = MAX (largest, fabs (a[i] - b[i]));

  return largest;
}

/* A picture is a function of its prompt and its seed: not of the batch, nor of its place in it */
static void
test_pipeline_seeds (void)
{
  g_autoptr (VardPipeline) pipeline = new_pipeline (VARD_PREDICTION_V);
  Request all, one;
  request_init (&all, pipeline, 7, 5, 1);
  all.request.batch = 3;
  g_autoptr (VardTrajectory) together = roll (pipeline, &all.request);

  for (guint i = 0; i < 7; i++)
    {
      request_init (&one, pipeline, 1, 5, 1);
      one.seeds[0] = 100 + i;
      one.prompt_of[0] = i % 2;
      g_autoptr (VardTrajectory) alone = roll (pipeline, &one.request);

      g_assert_cmpfloat (max_difference (alone->states, together->states + i * SIZE, SIZE), ==, 0);
      vard_sampler_free ((VardSampler *) one.request.sampler);
    }
  vard_sampler_free ((VardSampler *) all.request.sampler);
}

typedef struct
{
  const char *name;
  VardPrediction prediction;
  double eta, variance; /* of x_0 with 20 steps; tests/law/test-processes.c */
} DistributionRow;

static const DistributionRow distributions[] = {
  { "/pipeline/distribution/epsilon", VARD_PREDICTION_EPSILON, 1, 0.783 },
  { "/pipeline/distribution/flow", VARD_PREDICTION_VELOCITY, 1, 0.793 },
  { "/pipeline/distribution/flow-still", VARD_PREDICTION_VELOCITY, 0, 0.879 },
};

/* Exact score, 20 steps: the variance of x_0 is known, its mean nearly mu */
static void
test_pipeline_distribution (gconstpointer data)
{
  const DistributionRow *row = data;
  g_autoptr (VardPipeline) pipeline = new_pipeline (row->prediction);
  Request request;
  request_init (&request, pipeline, 512, 20, row->eta);
  request.request.batch = 128;
  g_autoptr (VardTrajectory) ends = roll (pipeline, &request.request);
  double sum[2] = { 0 }, squares[2] = { 0 };

  for (guint i = 0; i < 512; i++)
    for (guint k = 0; k < SIZE; k++)
      {
        float x = vard_trajectory_peek_state (ends, 0, i)[k];

        sum[i % 2] += x / (256 * SIZE);
        squares[i % 2] += x * x / (256 * SIZE);
      }
  g_assert_cmpfloat_with_epsilon (sum[1], 0, 0.05);
  g_assert_cmpfloat_with_epsilon (sum[0], 0.5, 0.06);
  g_assert_cmpfloat_with_epsilon (squares[1] - sum[1] * sum[1], row->variance, 0.06);
  vard_sampler_free ((VardSampler *) request.request.sampler);
}

/* One model in three spellings draws the same pictures */
static void
test_pipeline_predictions (void)
{
  g_autoptr (VardPipeline) epsilon = new_pipeline (VARD_PREDICTION_EPSILON);
  g_autoptr (VardPipeline) v = new_pipeline (VARD_PREDICTION_V);
  g_autoptr (VardPipeline) clean = new_pipeline (VARD_PREDICTION_CLEAN);
  Request a, b, c;
  request_init (&a, epsilon, 4, 10, 1);
  request_init (&b, v, 4, 10, 1);
  request_init (&c, clean, 4, 10, 1);
  g_autoptr (VardTrajectory) first = roll (epsilon, &a.request);
  g_autoptr (VardTrajectory) second = roll (v, &b.request);
  g_autoptr (VardTrajectory) third = roll (clean, &c.request);

  g_assert_cmpfloat (max_difference (first->states, second->states, 4 * SIZE), <, 1e-4);
  g_assert_cmpfloat (max_difference (first->states, third->states, 4 * SIZE), <, 1e-4);
  vard_sampler_free ((VardSampler *) a.request.sampler);
  vard_sampler_free ((VardSampler *) b.request.sampler);
  vard_sampler_free ((VardSampler *) c.request.sampler);
}

/* For this model guidance by 2 away from mu 0 is the prompt of twice the mu */
static void
test_pipeline_guidance (void)
{
  g_autoptr (VardPipeline) pipeline = new_pipeline (VARD_PREDICTION_V);
  Request guided, plain;
  request_init (&guided, pipeline, 4, 10, 0);
  request_init (&plain, pipeline, 4, 10, 0);
  guided.request.guidance_scale = 2;
  plain.prompts[0] = "1";
  g_autoptr (VardTrajectory) first = roll (pipeline, &guided.request);
  g_autoptr (VardTrajectory) second = roll (pipeline, &plain.request);

  g_assert_cmpfloat (max_difference (first->states, second->states, 4 * SIZE), <, 1e-4);
  vard_sampler_free ((VardSampler *) guided.request.sampler);
  vard_sampler_free ((VardSampler *) plain.request.sampler);
}

/* Noise from outside takes the place of the seed's; states are kept in order; a rollout may begin
 * in the middle */
static void
test_pipeline_given_noise (void)
{
  enum
  {
    N_STEPS = 6
  };
  g_autoptr (VardPipeline) pipeline = new_pipeline (VARD_PREDICTION_V);
  float initial[2 * SIZE], steps[N_STEPS * 2 * SIZE];
  Request request;
  request_init (&request, pipeline, 2, N_STEPS, 1);
  request.request.keep_states = TRUE;
  g_autoptr (VardTrajectory) own = roll (pipeline, &request.request);

  for (guint i = 0; i < 2; i++)
    {
      guint64 key = vard_random_derive_key (100 + i, "picture", 0);

      vard_random_fill_normal (key, 0, initial + i * SIZE, SIZE);
      for (guint k = 0; k < N_STEPS; k++)
        vard_random_fill_normal (key, k + 1, steps + (k * 2 + i) * SIZE, SIZE);
    }
  request.request.initial_noise = initial;
  request.request.step_noise = steps;
  g_autoptr (VardTrajectory) given = roll (pipeline, &request.request);

  g_assert_cmpuint (own->n_states, ==, N_STEPS + 1);
  g_assert_cmpfloat (max_difference (own->states, given->states, (N_STEPS + 1) * 2 * SIZE), ==, 0);
  g_assert_cmpfloat (max_difference (own->states, initial, 2 * SIZE), ==, 0);

  request.request.first_step = 3;
  request.request.step_noise = NULL;
  request.request.initial_noise = vard_trajectory_peek_state (own, 3, 0);
  g_autoptr (VardTrajectory) rest = roll (pipeline, &request.request);

  g_assert_cmpfloat (max_difference (vard_trajectory_peek_state (own, N_STEPS, 0),
                                     vard_trajectory_peek_state (rest, N_STEPS, 0), 2 * SIZE),
                     ==, 0);
  vard_sampler_free ((VardSampler *) request.request.sampler);
}

/* ---- what scripts call ---- */

static void
on_progress (VardPipeline *pipeline, double fraction, double *last)
{
  g_assert_cmpfloat (fraction, >, *last);
  *last = fraction;
}

static void
test_pipeline_sample (void)
{
  g_autoptr (VardPipeline) pipeline = new_pipeline (VARD_PREDICTION_V);
  g_autoptr (GError) error = NULL;
  guint64 seeds[2] = { 1, 2 };
  double last = 0;

  g_signal_connect (pipeline, "progress", G_CALLBACK (on_progress), &last);
  g_autoptr (GPtrArray) images = vard_pipeline_sample (pipeline,
                                                       (const char *[]) { "-3", "3", NULL }, seeds,
                                                       2, 5, 1, 1, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (images->len, ==, 4);
  g_assert_cmpfloat_with_epsilon (last, 1, 1e-9);
  /* grey is 0.5 + 0.25 x: the first prompt's pictures are dark, the second's light */
  g_assert_cmpint (vard_image_peek_pixels (images->pdata[1])[20], <, 100);
  g_assert_cmpint (vard_image_peek_pixels (images->pdata[2])[20], >, 155);
}

static void
test_pipeline_refusals (void)
{
  g_autoptr (VardPipeline) pipeline = new_pipeline (VARD_PREDICTION_V);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) steps = NULL, cancelled = NULL;
  const char *prompts[] = { "0", NULL };
  guint64 seed = 1;

  g_assert_null (vard_pipeline_sample (pipeline, prompts, &seed, 1, 0, 1, 1, NULL, &steps));
  g_assert_error (steps, VARD_ERROR, VARD_ERROR_USAGE);
  g_cancellable_cancel (cancellable);
  g_assert_null (
    vard_pipeline_sample (pipeline, prompts, &seed, 1, 5, 1, 1, cancellable, &cancelled));
  g_assert_error (cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pipeline/seeds", test_pipeline_seeds);
  for (guint i = 0; i < G_N_ELEMENTS (distributions); i++)
    g_test_add_data_func (distributions[i].name, &distributions[i], test_pipeline_distribution);
  g_test_add_func ("/pipeline/predictions", test_pipeline_predictions);
  g_test_add_func ("/pipeline/guidance", test_pipeline_guidance);
  g_test_add_func ("/pipeline/given-noise", test_pipeline_given_noise);
  g_test_add_func ("/pipeline/sample", test_pipeline_sample);
  g_test_add_func ("/pipeline/refusals", test_pipeline_refusals);
  return g_test_run ();
}
