/* test-two-slots.c - a model with two named inputs samples, is guided, trains and resumes as one
 * with a single input does
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "toy-run.h"
#include "two-slot-model.h"

#include "base/vard-error.h"
#include "base/vard-random.h"
#include "diffusion/vard-guidance.h"
#include "diffusion/vard-pipeline-private.h"
#include "engine/vard-reference-engine.h"

#include <glib/gstdio.h>
#include <math.h>

#define STATE 16 /* numbers of a latent */
#define N_SLOTS 2

/* ---- a set-up ---- */

typedef struct
{
  VardEngine *engine;
  VardModel *model;
  VardPipeline *pipeline;
  VardSampler *sampler;
} Bench;

static void
bench_init (Bench *bench)
{
  bench->engine = vard_reference_engine_new ();
  bench->model = two_slot_model_new ();
  bench->pipeline = vard_pipeline_new (bench->engine, bench->model, NULL);
  bench->sampler =
    vard_sampler_new_with_eta (vard_pipeline_peek_process (bench->pipeline), 10, 0, NULL);
}

static void
bench_clear (Bench *bench)
{
  g_clear_pointer (&bench->sampler, vard_sampler_free);
  g_clear_object (&bench->pipeline);
  g_clear_object (&bench->model);
  g_clear_object (&bench->engine);
}

/* three pictures of fixed seeds, two at once */
static float *
bench_sample (Bench *bench, const char *prompt, double guidance_scale, const char *negative)
{
  VardSampleRequest request = {
    .n = 3,
    .prompts = (const char *[]) { prompt, NULL },
    .prompt_of = (guint[]) { 0, 0, 0 },
    .seeds = (guint64[]) { 4, 5, 6 },
    .sampler = bench->sampler,
    .batch = 2,
    .guidance_scale = guidance_scale,
    .negative_prompt = negative,
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (VardTrajectory) end =
    vard_pipeline_rollout (bench->pipeline, &request, NULL, NULL, NULL, &error);

  g_assert_no_error (error);

  return g_memdup2 (end->states, 3 * STATE * sizeof (float));
}

/* the smallest and the largest difference */
static void
compare (const float *a, const float *b, double *least, double *most)
{
  *least = INFINITY;
  *most = -INFINITY;
  for (guint i = 0; i < 3 * STATE; i++)
    {
      *least = MIN (*least, (double) a[i] - b[i]);
      *most = MAX (*most, (double) a[i] - b[i]);
    }
}

/* ---- encoding ---- */

static void
test_two_slots_encode (void)
{
  Bench bench;
  g_autoptr (GError) error = NULL;

  bench_init (&bench);

  const VardCondition *condition = vard_pipeline_encode (bench.pipeline, "0.5 0.25", NULL, &error);

  g_assert_no_error (error);

  const float *context = vard_condition_peek_values (condition, 0);
  const float *pooled = vard_condition_peek_values (condition, 1);

  g_assert_cmpfloat (context[2], ==, 1);
  g_assert_cmpfloat (pooled[1], ==, -0.5);
  g_assert_cmpfloat (pooled[3], ==, 4);
  g_assert_cmpfloat (vard_condition_peek_summary (condition)[1], ==, 0.25);
  g_assert_true (vard_pipeline_encode (bench.pipeline, "0.5 0.25", NULL, NULL) == condition);

  g_assert_null (vard_pipeline_encode (bench.pipeline, "0.5", NULL, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "0.5"));
  bench_clear (&bench);
}

/* The pictures' size is an input of encoding: another size, another condition */
static void
test_two_slots_size (void)
{
  Bench bench;

  bench_init (&bench);

  const VardCondition *condition = vard_pipeline_encode (bench.pipeline, "1 2", NULL, NULL);

  g_assert_cmpfloat (((float *) vard_condition_peek_values (condition, 1))[3], ==, 4);
  g_assert_true (vard_model_set_size (bench.model, 4, 8, NULL));
  condition = vard_pipeline_encode (bench.pipeline, "1 2", NULL, NULL);
  g_assert_cmpfloat (((float *) vard_condition_peek_values (condition, 1))[3], ==, 8);
  bench_clear (&bench);
}

/* ---- sampling ---- */

/* The mean of the pictures is the sum of both numbers, so one of either slot moves them alike */
static void
test_two_slots_samples (void)
{
  Bench bench;
  double least, most, own;

  bench_init (&bench);

  g_autofree float *plain = bench_sample (&bench, "0.1 0.2", 1, NULL);
  g_autofree float *context = bench_sample (&bench, "0.6 0.2", 1, NULL);
  g_autofree float *pooled = bench_sample (&bench, "0.1 0.7", 1, NULL);

  compare (context, plain, &least, &most);
  g_assert_cmpfloat (least, >, 0.4);
  g_assert_cmpfloat (most - least, <, 1e-5);
  own = most;
  compare (pooled, plain, &least, &most);
  g_assert_cmpfloat_with_epsilon (most, own, 1e-5);
  g_assert_cmpfloat (most - least, <, 1e-5);
  bench_clear (&bench);
}

/* The prediction is linear in the prompt's numbers, so guidance by s away from a negative prompt is
 * a prompt of its own: s times the prompt less (s - 1) times the negative one, in each slot */
static void
test_two_slots_guidance (void)
{
  static const struct
  {
    const char *prompt, *negative, *same;
  } rows[] = {
    { "0.2 0.1", NULL, "0.6 0.3" },
    { "0.2 0", "0.3 0", "0 0" },
    { "0 0.2", "0 -0.1", "0 0.8" },
    { "0.1 -0.2", "0.2 0.3", "-0.1 -1.2" },
  };
  Bench bench;

  bench_init (&bench);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree float *guided = bench_sample (&bench, rows[i].prompt, 3, rows[i].negative);
      g_autofree float *same = bench_sample (&bench, rows[i].same, 1, NULL);
      double least, most;

      compare (guided, same, &least, &most);
      g_assert_cmpfloat (MAX (most, -least), <, 1e-5);
    }
  bench_clear (&bench);
}

/* ---- gradients ---- */

typedef struct
{
  VardGraph *graph;
  VardNode *slots[2][N_SLOTS];  /* with the prompt, and without */
  float values[2][N_SLOTS][12]; /* two prompts, one negative prompt */
  gsize n[2][N_SLOTS];
  VardNode *loss;
} Slopes;

static void
slopes_fill (Slopes *self, VardModel *model)
{
  for (guint k = 0; k < 2; k++)
    for (guint i = 0; i < N_SLOTS; i++)
      {
        const VardConditionLayout *layout = &vard_model_peek_info (model)->condition;

        self->n[k][i] = (k == 0 ? 2 : 1) * vard_condition_layout_get_size (layout, i)
                        / sizeof (float);
        vard_random_fill_normal (20 + k, i, self->values[k][i], self->n[k][i]);
      }
}

/* the sum of squares of a guided prediction for two prompts, with every slot as an input */
static void
slopes_record (Slopes *self, VardModel *model)
{
  static const char *const names[2][N_SLOTS] = { { "a", "b" }, { "null-a", "null-b" } };
  const VardConditionLayout *layout = &vard_model_peek_info (model)->condition;
  VardGuidanceInputs inputs = { NULL };
  float x[2 * STATE];
  const float t[] = { 300, 700 }, scale = 1.5f;

  self->graph = vard_graph_new ();
  vard_random_fill_normal (1, 0, x, G_N_ELEMENTS (x));
  inputs.latents = vard_constant_f32 (self->graph, VARD_SHAPE (2, 4, 4, 1), x);
  inputs.timesteps = vard_constant_f32 (self->graph, VARD_SHAPE (2), t);
  inputs.scale = vard_constant_f32 (self->graph, VARD_SHAPE (1, 1, 1, 1), &scale);
  for (guint k = 0; k < 2; k++)
    for (guint i = 0; i < N_SLOTS; i++)
      {
        VardShape shape = layout->slots[i].shape;

        memmove (shape.dims + 1, shape.dims, shape.n_dims++ * sizeof *shape.dims);
        shape.dims[0] = k == 0 ? 2 : 1;
        self->slots[k][i] = vard_input (self->graph, names[k][i], VARD_DTYPE_F32, shape);
        (k == 0 ? inputs.condition : inputs.null_condition)[i] = self->slots[k][i];
        vard_graph_add_output (self->graph, names[k][i], self->slots[k][i]);
      }
  self->loss = vard_sum_all (vard_square (vard_guidance_record (model, &inputs)));
  vard_graph_add_output (self->graph, "loss", self->loss);
}

static double
slopes_run (Slopes *self, VardExecutable *executable)
{
  float loss;

  for (guint k = 0; k < 2; k++)
    for (guint i = 0; i < N_SLOTS; i++)
      vard_executable_set_input (executable,
                                 ((const VardSourceAttrs *) self->slots[k][i]->attrs)->name,
                                 self->values[k][i], self->n[k][i] * sizeof (float), NULL);
  g_assert_true (vard_executable_run (executable, NULL, NULL));
  g_assert_true (vard_executable_get_output (executable, "loss", &loss, sizeof loss, NULL));

  return loss;
}

/* numbers of a slot that the prediction reads have a slope */
static void
slopes_check (Slopes *self, VardExecutable *executable, guint k, guint i, const char *name)
{
  float gradient[12];
  double largest = 0;

  slopes_run (self, executable);
  g_assert_true (
    vard_executable_get_output (executable, name, gradient, self->n[k][i] * sizeof (float), NULL));
  for (gsize at = 0; at < self->n[k][i]; at++)
    {
      float *value = &self->values[k][i][at], before = *value;

      *value = before + 1e-2f;

      double up = slopes_run (self, executable);

      *value = before - 1e-2f;

      double slope = (up - slopes_run (self, executable)) / 2e-2;

      *value = before;
      largest = MAX (largest, fabs (slope));
      g_assert_cmpfloat_with_epsilon (gradient[at], slope, 2e-2 + 2e-3 * fabs (slope));
    }
  g_assert_cmpfloat (largest, >, 0.5);
}

static void
test_two_slots_gradients (void)
{
  static const char *const names[2][N_SLOTS] = { { "da", "db" }, { "dnull-a", "dnull-b" } };
  g_autoptr (VardEngine) engine = vard_reference_engine_new ();
  g_autoptr (VardModel) model = two_slot_model_new ();
  g_autoptr (GError) error = NULL;
  Slopes slopes = { NULL };
  VardNode *gradients[2 * N_SLOTS];

  for (guint i = 0; i < N_SLOTS; i++)
    {
      VardTensor *weight = two_slot_model_peek_weight (TWO_SLOT_MODEL (model), i)->tensor;

      vard_random_fill_normal (9, i, vard_tensor_peek_f32 (weight), vard_tensor_get_count (weight));
    }
  slopes_fill (&slopes, model);
  slopes_record (&slopes, model);
  vard_vjp (&slopes.loss, NULL, 1, slopes.slots[0], 2 * N_SLOTS, gradients);
  for (guint k = 0; k < 2; k++)
    for (guint i = 0; i < N_SLOTS; i++)
      vard_graph_add_output (slopes.graph, names[k][i], gradients[k * N_SLOTS + i]);

  g_autoptr (VardExecutable) executable = vard_engine_compile (engine, slopes.graph, &error);

  g_assert_no_error (error);
  for (guint k = 0; k < 2; k++)
    for (guint i = 0; i < N_SLOTS; i++)
      slopes_check (&slopes, executable, k, i, names[k][i]);
  vard_graph_unref (slopes.graph);
}

/* ---- training ---- */

static void
start (ToyRun *run, VardTrainerSettings *settings, const char *first, const char *second)
{
  toy_run_init_model (run, two_slot_model_new (), (const char *[]) { first, second, NULL },
                      settings, 2);
}

static double
measure_weight (ToyRun *run, guint slot)
{
  VardTensor *weight = two_slot_model_peek_weight (TWO_SLOT_MODEL (run->model), slot)->tensor;
  double most = 0;

  for (gint64 i = 0; i < vard_tensor_get_count (weight); i++)
    most = MAX (most, fabs ((double) vard_tensor_peek_f32 (weight)[i]));

  return most;
}

static void
keep_gain (VardTrainer *trainer, guint64 step, VardEvaluation *evaluation, double *gain)
{
  if (step > 0)
    *gain = toy_run_lookup (vard_evaluation_peek_metrics (evaluation), "reward/gain-sd");
}

/* Rewards rise, and what the policy learns it learns through both slots; a slot that is zero in
 * every prompt teaches its layer nothing */
static void
test_two_slots_trains (gconstpointer data)
{
  double guidance = GPOINTER_TO_UINT (data), gain = 0;
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  ToyRun run;

  g_object_set (settings, "steps", 12, "guidance-scale", guidance, "learning-rate", 0.05,
                "value-fit-updates", 80, "value-gradient-quantile", 0.9, NULL);
  start (&run, settings, "0.2 0.3", "0.3 0.1");
  g_signal_connect (run.trainer, "evaluation", G_CALLBACK (keep_gain), &gain);
  toy_run_go (&run);
  g_assert_cmpfloat (gain, >, 0.5);
  g_assert_cmpfloat (measure_weight (&run, 0), >, 0.01);
  g_assert_cmpfloat (measure_weight (&run, 1), >, 0.01);
  toy_run_clear (&run);

  g_object_set (settings, "steps", 2, NULL);
  start (&run, settings, "0.2 0", "0.3 0");
  toy_run_go (&run);
  g_assert_cmpfloat (measure_weight (&run, 0), >, 0);
  g_assert_cmpfloat (measure_weight (&run, 1), ==, 0);
  toy_run_clear (&run);
}

static float *
dup_weights (ToyRun *run, gsize *size)
{
  VardParameterSet *sets[] = { run->trainer->training->set,
                               vard_value_fit_peek_parameters (toy_run_peek_vard (run)->value) };
  GByteArray *all = g_byte_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    g_byte_array_append (all, vard_tensor_peek_data (sets[i]->weights),
                         vard_tensor_get_n_bytes (sets[i]->weights));
  *size = all->len;

  return (float *) g_byte_array_free (all, FALSE);
}

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);

  for (const char *name = g_dir_read_name (dir); name != NULL; name = g_dir_read_name (dir))
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      g_unlink (file);
    }
  g_rmdir (path);
}

/* After the pool, amid the value fit and after a step: the same weights as without the break */
static void
test_two_slots_resume (gconstpointer data)
{
  guint n_units = GPOINTER_TO_UINT (data);
  g_autoptr (VardTrainerSettings) settings = toy_run_settings ();
  g_autofree char *folder = g_dir_make_tmp ("vard-state-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;
  ToyRun run;
  gsize size, size_again;

  g_object_set (settings, "guidance-scale", 2.0, "value-refresh", TRUE, NULL);
  start (&run, settings, "0.2 0.3", "0.3 0.1");
  toy_run_go (&run);

  g_autofree float *expected = dup_weights (&run, &size);

  toy_run_clear (&run);
  start (&run, settings, "0.2 0.3", "0.3 0.1");
  for (guint i = 0; i < n_units; i++)
    g_assert_true (vard_trainer_advance (run.trainer, NULL, NULL));
  g_assert_true (vard_trainer_save_state (run.trainer, folder, &error));
  toy_run_clear (&run);

  start (&run, settings, "0.2 0.3", "0.3 0.1");
  vard_trainer_load_state (run.trainer, folder, &error);
  g_assert_no_error (error);
  toy_run_go (&run);

  g_autofree float *found = dup_weights (&run, &size_again);

  g_assert_cmpmem (expected, size, found, size_again);
  toy_run_clear (&run);
  remove_folder (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/two-slots/encode", test_two_slots_encode);
  g_test_add_func ("/two-slots/size", test_two_slots_size);
  g_test_add_func ("/two-slots/samples", test_two_slots_samples);
  g_test_add_func ("/two-slots/guidance", test_two_slots_guidance);
  g_test_add_func ("/two-slots/gradients", test_two_slots_gradients);
  g_test_add_data_func ("/two-slots/trains/plain", GUINT_TO_POINTER (1), test_two_slots_trains);
  g_test_add_data_func ("/two-slots/trains/guided", GUINT_TO_POINTER (2), test_two_slots_trains);
  g_test_add_data_func ("/two-slots/resume/pool", GUINT_TO_POINTER (3), test_two_slots_resume);
  g_test_add_data_func ("/two-slots/resume/step", GUINT_TO_POINTER (12), test_two_slots_resume);

  return g_test_run ();
}
