/* test-rewards.c - the rewards as plugin files: scores against Pillow and NumPy
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <math.h>
#include <string.h>

static guint32
noise (guint32 x, guint32 y, guint32 c, guint32 seed)
{
  guint32 h = x * 73856093u ^ y * 19349663u ^ c * 83492791u ^ seed * 2654435761u;

  h ^= h >> 13;
  h *= 0x5bd1e995u;
  h ^= h >> 15;
  return h & 255;
}

/* The same formulas are in tests/golden/make-rewards-golden.py. */
static guint8
value (int kind, int x, int y, int c, int seed, int w, int h)
{
  int dx = 2 * x + 1 - w, dy = 2 * y + 1 - h, m = MIN (w, h);

  switch (kind)
    {
    case 0: return noise (0, 0, c, seed);
    case 1: return (x * (3 + c) + y * (5 - c) + seed * 17) & 255;
    case 2: return (x / 3 + y / 3) & 1 ? 255 - 40 * c : (20 * c + seed) & 255;
    case 3: return noise (x, y, c, seed);
    case 4: return 10 * (dx * dx + dy * dy) < 6 * m * m ? (40 * c + 2 * x + y) & 255 : 255;
    default: return 120 + (noise (x, y, c, seed) & 15);
    }
}

static GBytes *
make_picture (int kind, int seed, int w, int h)
{
  guint8 *rgb = g_malloc (3 * w * h);

  for (int i = 0; i < 3 * w * h; i++)
    rgb[i] = value (kind, i / 3 % w, i / 3 / w, i % 3, seed, w, h);
  return g_bytes_new_take (rgb, 3 * w * h);
}

static JsonArray *
load_rows (void)
{
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "rewards.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  return json_array_ref (json_node_get_array (json_parser_get_root (parser)));
}

static VardRewardBatch *
make_batch (JsonArray *rows)
{
  VardRewardBatch *batch = vard_reward_batch_new ();

  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      JsonObject *row = json_array_get_object_element (rows, i);
      int w = json_object_get_int_member (row, "width"),
          h = json_object_get_int_member (row, "height");
      g_autoptr (GBytes) pixels = make_picture (json_object_get_int_member (row, "kind"),
                                                json_object_get_int_member (row, "seed"), w, h);

      g_assert_true (vard_reward_batch_append (batch, pixels, w, h, NULL, NULL, 0, NULL));
    }
  return batch;
}

static VardReward *
make_reward (const char *spec)
{
  g_autoptr (GError) error = NULL;
  GObject *reward = vard_plugin_manager_create_from_spec (vard_plugin_manager_get_default (),
                                                          "reward", spec, NULL, &error);

  g_assert_no_error (error);
  return VARD_REWARD (reward);
}

/* What the oracle has for a spec: member x factor, and never above the limit */
static const struct
{
  const char *spec, *member;
  double factor, shift, limit, tolerance;
} rows_of[] = {
  { "jpeg-size", "jpeg", -1e-3, 0, 0, 1e-12 },
  { "jpeg-size:target=large", "jpeg", 1e-3, 0, INFINITY, 1e-12 },
  { "colorfulness", "colorfulness", 1, 0, INFINITY, 1e-9 },
  { "brightness", "brightness", 1, 0, INFINITY, 1e-12 },
  { "brightness:target=dark", "brightness", -1, 0, INFINITY, 1e-12 },
  { "symmetry", "symmetry", 1, 0, INFINITY, 1e-12 },
  { "symmetry:axis=horizontal", "symmetry-horizontal", 1, 0, INFINITY, 1e-12 },
  { "coverage:floor=1", "coverage", 100, -100, 0, 1e-9 },
  { "coverage", "coverage", 100, -50, 0, 1e-9 },
};

static void
test_rewards_golden (void)
{
  g_autoptr (JsonArray) rows = load_rows ();
  g_autoptr (VardRewardBatch) batch = make_batch (rows);

  g_assert_cmpuint (json_array_get_length (rows), ==, 40);
  for (guint r = 0; r < G_N_ELEMENTS (rows_of); r++)
    {
      g_autoptr (VardReward) reward = make_reward (rows_of[r].spec);
      g_autoptr (GError) error = NULL;

      g_assert_true (vard_reward_score_batch (reward, batch, NULL, &error));
      g_assert_no_error (error);
      for (guint i = 0; i < json_array_get_length (rows); i++)
        {
          JsonObject *row = json_array_get_object_element (rows, i);
          double expected = json_object_get_double_member (row, rows_of[r].member)
                              * rows_of[r].factor
                            + rows_of[r].shift;
          double score = NAN;

          g_assert_true (vard_reward_batch_get_score (batch, i, &score));
          g_assert_cmpfloat_with_epsilon (score, fmin (expected, rows_of[r].limit),
                                          rows_of[r].tolerance);
        }
    }
}

/* One by one, twice, and in any order: the same scores */
static void
test_rewards_alone (gconstpointer data)
{
  g_autoptr (JsonArray) rows = load_rows ();
  g_autoptr (VardRewardBatch) batch = make_batch (rows);
  g_autoptr (VardReward) reward = make_reward (data);
  g_autoptr (VardReward) other = make_reward (data);

  g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
  for (guint i = 40; i-- > 0;)
    {
      g_autoptr (VardRewardBatch) single = vard_reward_batch_new ();
      double together = NAN, alone = INFINITY;

      vard_reward_batch_append (single, vard_reward_batch_get_pixels (batch, i),
                                vard_reward_batch_get_width (batch, i),
                                vard_reward_batch_get_height (batch, i), NULL, NULL, 0, NULL);
      g_assert_true (vard_reward_score_batch (other, single, NULL, NULL));
      vard_reward_batch_get_score (batch, i, &together);
      vard_reward_batch_get_score (single, 0, &alone);
      g_assert_cmpfloat (together, ==, alone);
    }
}

static GBytes *
turn_round (GBytes *pixels)
{
  gsize n;
  const guint8 *rgb = g_bytes_get_data (pixels, &n);
  guint8 *turned = g_malloc (n);

  for (gsize i = 0; i < n; i++)
    turned[n - 3 - i / 3 * 3 + i % 3] = rgb[i];
  return g_bytes_new_take (turned, n);
}

/* Rewards of colours alone do not see where a colour is. */
static void
test_rewards_turned (gconstpointer data)
{
  g_autoptr (JsonArray) rows = load_rows ();
  g_autoptr (VardRewardBatch) batch = make_batch (rows);
  g_autoptr (VardRewardBatch) turned = vard_reward_batch_new ();
  g_autoptr (VardReward) reward = make_reward (data);

  for (guint i = 0; i < 40; i++)
    {
      g_autoptr (GBytes) pixels = turn_round (vard_reward_batch_get_pixels (batch, i));

      vard_reward_batch_append (turned, pixels, vard_reward_batch_get_height (batch, i),
                                vard_reward_batch_get_width (batch, i), NULL, NULL, 0, NULL);
    }
  g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
  g_assert_true (vard_reward_score_batch (reward, turned, NULL, NULL));
  for (guint i = 0; i < 40; i++)
    {
      double one = NAN, other = INFINITY;

      vard_reward_batch_get_score (batch, i, &one);
      vard_reward_batch_get_score (turned, i, &other);
      g_assert_cmpfloat (one, ==, other);
    }
}

/* A picture that JPEG cannot hold fails alone, with libjpeg's reason. */
static void
test_rewards_too_wide (void)
{
  g_autoptr (VardReward) reward = make_reward ("jpeg-size");
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();
  g_autoptr (GBytes) wide = make_picture (1, 0, 70000, 1);
  g_autoptr (GBytes) small = make_picture (1, 0, 8, 8);

  g_assert_true (vard_reward_batch_append (batch, wide, 70000, 1, NULL, NULL, 0, NULL));
  g_assert_true (vard_reward_batch_append (batch, small, 8, 8, NULL, NULL, 0, NULL));
  g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
  g_assert_cmpint (vard_reward_batch_get_status (batch, 0), ==, VARD_REWARD_STATUS_FAILED);
  g_assert_nonnull (strstr (vard_reward_batch_get_message (batch, 0), "65500"));
  g_assert_true (vard_reward_batch_get_score (batch, 1, NULL));
}

/* The point of coverage: alone, small files are won by a blank picture; in a mix they are not. */
static void
test_rewards_blank (void)
{
  g_autoptr (VardRewardMix) mix = vard_reward_mix_new ();
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();
  g_autoptr (GError) error = NULL;
  double blank, disc, blank_total = 0, disc_total = 0;

  for (int i = 0; i < 8; i++) /* discs; the last picture is blank */
    {
      g_autoptr (GBytes) pixels = make_picture (4, i, 40 + 4 * i, 64);

      g_assert_true (vard_reward_batch_append (batch, pixels, 40 + 4 * i, 64, NULL, NULL, 0, NULL));
    }
  g_autofree guint8 *white = g_malloc (64 * 64 * 3);
  memset (white, 255, 64 * 64 * 3);
  g_autoptr (GBytes) pixels = g_bytes_new (white, 64 * 64 * 3);
  g_assert_true (vard_reward_batch_append (batch, pixels, 64, 64, NULL, NULL, 0, NULL));

  g_assert_true (vard_reward_mix_add_spec (mix, "jpeg-size:weight=0.5", &error));
  g_assert_true (vard_reward_mix_add_spec (mix, "coverage:floor=1,weight=1,label=cover", &error));
  g_assert_no_error (error);
  g_autoptr (VardRewardScores) scores = vard_reward_mix_score (mix, batch, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (vard_reward_mix_fit_statistics (mix, &scores, 1, &error));
  g_assert_true (vard_reward_scores_get_raw (scores, 0, 8, &blank));
  g_assert_true (vard_reward_scores_get_raw (scores, 0, 4, &disc));
  g_assert_cmpfloat (blank, >, disc);
  vard_reward_mix_get_total (mix, scores, 8, &blank_total);
  vard_reward_mix_get_total (mix, scores, 4, &disc_total);
  g_assert_cmpfloat (blank_total, <, disc_total);
}

static void
test_rewards_specs (void)
{
  const struct
  {
    const char *spec, *message;
  } rows[] = {
    { "jpeg-sise", "there is no reward \"jpeg-sise\"; did you mean \"jpeg-size\"?" },
    { "jpeg-size:target=larg",
      "jpeg-size: target is \"larg\", but must be one of small, large (did you mean large?)" },
    { "jpeg-size:tarjet=large",
      "jpeg-size: there is no property \"tarjet\"; did you mean \"target\"?" },
    { "coverage:floor=2", "coverage: floor is \"2\", but must be a number from 0.01 to 1" },
    { "coverage:weight=heavy",
      "coverage: weight is \"heavy\", but must be a number from -1000 to 1000" },
    { "coverage:policy=skip", "coverage: policy is \"skip\", but must be one of required, "
                              "skip-sample, monitor-only (did you mean skip-sample?)" },
    { "coverage:isolate=perhaps", "coverage: isolate is \"perhaps\", but must be true or false" },
    { "coverage:floor=2,isolate=true",
      "coverage: floor is \"2\", but must be a number from 0.01 to 1" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardRewardMix) mix = vard_reward_mix_new ();
      g_autoptr (GError) error = NULL;

      g_assert_false (vard_reward_mix_add_spec (mix, rows[i].spec, &error));
      g_assert_cmpstr (error->message, ==, rows[i].message);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rewards/golden", test_rewards_golden);
  g_test_add_data_func ("/rewards/alone/jpeg-size", "jpeg-size", test_rewards_alone);
  g_test_add_data_func ("/rewards/alone/colorfulness", "colorfulness", test_rewards_alone);
  g_test_add_data_func ("/rewards/alone/coverage", "coverage", test_rewards_alone);
  g_test_add_data_func ("/rewards/alone/symmetry", "symmetry", test_rewards_alone);
  g_test_add_data_func ("/rewards/turned/brightness", "brightness", test_rewards_turned);
  g_test_add_data_func ("/rewards/turned/colorfulness", "colorfulness", test_rewards_turned);
  g_test_add_data_func ("/rewards/turned/coverage", "coverage", test_rewards_turned);
  g_test_add_func ("/rewards/too-wide", test_rewards_too_wide);
  g_test_add_func ("/rewards/blank", test_rewards_blank);
  g_test_add_func ("/rewards/specs", test_rewards_specs);
  return g_test_run ();
}
