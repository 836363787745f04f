/* test-clip-rewards.c - the rewards with a CLIP encoder: scores against transformers, and what they
 * refuse
 *
 * tests/golden/make-clip-golden.py made the models and the scores.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define TOLERANCE 1e-3

/* @DATA@ in a text is the folder of the tests' models */
static char *
fill_in (const char *text)
{
  g_autofree char *data = g_build_filename (g_getenv ("VARD_TEST_DATA"), "data", NULL);
  GString *filled = g_string_new (text);

  g_string_replace (filled, "@DATA@", data, 0);
  return g_string_free (filled, FALSE);
}

static JsonObject *
load_golden (void)
{
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "golden", "clip.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  return json_object_ref (json_node_get_object (json_parser_get_root (parser)));
}

static VardReward *
make_reward (const char *spec)
{
  g_autofree char *filled = fill_in (spec);
  g_autoptr (GError) error = NULL;
  GObject *reward = vard_plugin_manager_create_from_spec (vard_plugin_manager_get_default (),
                                                          "reward", filled, NULL, &error);

  g_assert_no_error (error);
  vard_reward_set_thread_bound (VARD_REWARD (reward), FALSE);
  vard_reward_set_label (VARD_REWARD (reward), "mine");
  return VARD_REWARD (reward);
}

/* a piece of a real picture: [file, left, top, width, height] */
static void
append_piece (VardRewardBatch *batch, JsonArray *piece, const char *prompt)
{
  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_DATA"), json_array_get_string_element (piece, 0), NULL);
  g_autoptr (VardImage) image = vard_image_new_from_file (path, NULL);
  gsize left = json_array_get_int_element (piece, 1), top = json_array_get_int_element (piece, 2);
  gsize width = json_array_get_int_element (piece, 3),
        height = json_array_get_int_element (piece, 4);
  guint8 *rgb = g_malloc (3 * width * height);
  g_autoptr (GBytes) bytes = g_bytes_new_take (rgb, 3 * width * height);

  for (gsize y = 0; y < height; y++)
    memcpy (rgb + 3 * width * y,
            vard_image_peek_pixels (image) + 3 * ((top + y) * vard_image_get_width (image) + left),
            3 * width);
  g_assert_true (vard_reward_batch_append (batch, bytes, width, height, prompt, NULL, 0, NULL));
}

/* every piece with every prompt */
static VardRewardBatch *
make_batch (JsonObject *golden)
{
  VardRewardBatch *batch = vard_reward_batch_new ();
  JsonArray *pieces = json_object_get_array_member (golden, "pieces");
  JsonArray *prompts = json_object_get_array_member (golden, "prompts");

  for (guint i = 0; i < json_array_get_length (pieces); i++)
    for (guint k = 0; k < json_array_get_length (prompts); k++)
      append_piece (batch, json_array_get_array_element (pieces, i),
                    json_array_get_string_element (prompts, k));
  return batch;
}

/* factor 0: the model's own scale */
typedef struct
{
  const char *name, *spec, *model, *member;
  double factor;
} Case;

/* clang-format off */
static const Case cases[] = {
  { "clip-score", "clip-score:model=@DATA@/tiny-clip", "tiny-clip", "cosines", 100 },
  { "clip-score/scale", "clip-score:model=@DATA@/tiny-clip,scale=2.5,batch-size=5,threads=1",
    "tiny-clip", "cosines", 2.5 },
  { "clip-score/reference", "clip-score:model=@DATA@/tiny-clip,engine=reference,scale=1",
    "tiny-clip", "cosines", 1 },
  { "pick-score", "pick-score:model=@DATA@/tiny-clip", "tiny-clip", "cosines", 0 },
  { "hps", "hps:model=@DATA@/tiny-open-clip,tokenizer=@DATA@/tiny-clip", "tiny-open-clip",
    "cosines", 1 },
  { "hps/checkpoint",
    "hps:model=@DATA@/tiny-open-clip,weights=@DATA@/tiny-open-clip/checkpoint.pt,"
    "tokenizer=@DATA@/tiny-clip",
    "tiny-open-clip", "cosines", 1 },
  { "aesthetic", "aesthetic:model=@DATA@/tiny-clip,predictor=@DATA@/tiny-clip/predictor.pth",
    "tiny-clip", "aesthetic", 1 },
  { "aesthetic/safetensors",
    "aesthetic:model=@DATA@/tiny-clip,predictor=@DATA@/tiny-clip/predictor.safetensors",
    "tiny-clip", "aesthetic", 1 },
};
/* clang-format on */

static void
test_golden (gconstpointer data)
{
  const Case *row = data;
  g_autoptr (JsonObject) golden = load_golden ();
  JsonObject *model = json_object_get_object_member (golden, row->model);
  JsonArray *expected = json_object_get_array_member (model, row->member);
  guint n_prompts = json_array_get_length (json_object_get_array_member (golden, "prompts"));
  double factor = row->factor != 0 ? row->factor : json_object_get_double_member (model, "scale");
  g_autoptr (VardRewardBatch) batch = make_batch (golden);
  g_autoptr (VardReward) reward = make_reward (row->spec);
  g_autoptr (GError) error = NULL;

  vard_reward_score_batch (reward, batch, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (vard_reward_batch_get_count (batch), ==, 24);
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      JsonArray *picture = json_array_get_array_element (expected, i / n_prompts);
      double score = NAN,
             wanted = json_array_get_double_element (picture, i % n_prompts
                                                                % json_array_get_length (picture));

      g_assert_true (vard_reward_batch_get_score (batch, i, &score));
      g_assert_cmpfloat_with_epsilon (score, factor * wanted, TOLERANCE);
    }
}

static void
test_check (gconstpointer data)
{
  g_autofree char *spec = g_strconcat (data, ",threads=1", NULL); /* the pictures are tiny */
  g_autoptr (VardReward) reward = make_reward (spec), other = make_reward (spec);
  g_autoptr (GPtrArray) findings = vard_reward_check (reward, other);

  g_assert_cmpuint (findings->len, ==, vard_reward_check_get_count ());
  for (guint i = 0; i < findings->len; i++)
    {
      const char *detail = vard_reward_finding_get_detail (findings->pdata[i]);

      g_test_message ("%s: %s", vard_reward_finding_get_name (findings->pdata[i]),
                      detail != NULL ? detail : "passed");
      g_assert_cmpint (vard_reward_finding_get_verdict (findings->pdata[i]), !=,
                       VARD_REWARD_VERDICT_FAILED);
    }
}

/* ---- bad input ---- */

static const struct
{
  const char *spec;
  int code;
  const char *message;
} bad[] = {
  { "clip-score", VARD_ERROR_USAGE,
    "the reward mine failed to prepare: no weights are given: set \"model\" to the folder of a "
    "CLIP model" },
  { "pick-score:model=", VARD_ERROR_USAGE,
    "the reward mine failed to prepare: no weights are given" },
  { "hps:model=/nowhere", VARD_ERROR_CONFIG,
    "the reward mine failed to prepare: /nowhere is not the folder of a CLIP model" },
  { "hps:model=@DATA@/tiny-open-clip", VARD_ERROR_CONFIG, "the reward mine failed to prepare: " },
  { "hps:model=@DATA@/tiny-clip,weights=@DATA@/tiny-clip/nothing.pt", VARD_ERROR_CONFIG,
    "nothing.pt" },
  { "clip-score:model=@DATA@/tiny-model", VARD_ERROR_CONFIG,
    "tiny-model is not the folder of a CLIP model" },
  { "clip-score:model=@DATA@/tiny-clip,engine=cqu", VARD_ERROR_USAGE,
    "there is no engine \"cqu\"; did you mean \"cpu\"?" },
  { "clip-score:model=@DATA@/tiny-clip,weights=@DATA@/tiny-open-clip/checkpoint.pt",
    VARD_ERROR_CONFIG, "has the shape" },
  { "aesthetic:model=@DATA@/tiny-clip", VARD_ERROR_USAGE,
    "no predictor is given: set \"predictor\" to its file" },
  { "aesthetic:predictor=@DATA@/tiny-clip/predictor.pth", VARD_ERROR_USAGE,
    "no weights are given: set \"model\"" },
  { "aesthetic:model=@DATA@/tiny-clip,predictor=@DATA@/views.pth", VARD_ERROR_CONFIG,
    "views.pth has no tensor layers.7.weight" },
  { "aesthetic:model=@DATA@/tiny-clip,predictor=@DATA@/tiny-clip/config.json", VARD_ERROR_CONFIG,
    "is not a PyTorch weight file" },
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (VardReward) reward = make_reward (bad[i].spec);
      g_autoptr (GError) error = NULL;

      g_assert_false (vard_reward_prepare (reward, NULL, &error));
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, bad[i].message));
      g_assert_true (g_str_has_prefix (error->message, "the reward mine failed to prepare: "));
      g_assert_cmpint (error->code, ==, bad[i].code);
    }
}

/* asked for before anything is loaded; and one picture without a prompt fails alone */
static void
test_prompts (void)
{
  static const char *const names[] = { "clip-score", "pick-score", "hps" };
  g_autoptr (VardReward) reward = make_reward ("clip-score:model=@DATA@/tiny-clip");
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();
  g_autoptr (JsonObject) golden = load_golden ();
  JsonArray *piece =
    json_array_get_array_element (json_object_get_array_member (golden, "pieces"), 1);
  g_autofree char *huge = g_strnfill (2000000, 'a');
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (VardReward) other = make_reward (names[i]);

      g_assert_false (vard_reward_check_needs (other, FALSE, NULL, 1, &error));
      g_assert_cmpstr (error->message, ==,
                       "the reward mine needs a prompt with each picture, but there are none");
      g_clear_error (&error);
      g_assert_true (vard_reward_check_needs (other, TRUE, NULL, 1, NULL));
    }
  append_piece (batch, piece, "a red apple");
  append_piece (batch, piece, NULL);
  append_piece (batch, piece, huge);
  append_piece (batch, piece, "");
  g_assert_true (vard_reward_score_batch (reward, batch, NULL, &error));
  g_assert_true (vard_reward_batch_get_score (batch, 0, NULL));
  g_assert_cmpstr (vard_reward_batch_get_message (batch, 1), ==,
                   "the picture has no prompt to compare it with");
  g_assert_nonnull (strstr (vard_reward_batch_get_message (batch, 2), "2000000 bytes"));
  g_assert_true (vard_reward_batch_get_score (batch, 3, NULL));
}

static void
test_cancelled (void)
{
  g_autoptr (VardReward) reward =
    make_reward ("aesthetic:model=@DATA@/tiny-clip,predictor=@DATA@/tiny-clip/predictor.pth");
  g_autoptr (JsonObject) golden = load_golden ();
  g_autoptr (VardRewardBatch) batch = make_batch (golden);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_reward_prepare (reward, NULL, NULL));
  g_cancellable_cancel (cancellable);
  g_assert_false (vard_reward_score_batch (reward, batch, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* ---- sharing ---- */

static guint
count (const char *text, const char *part)
{
  guint n = 0;

  for (const char *at = strstr (text, part); at != NULL; at = strstr (at + 1, part))
    n++;
  return n;
}

/* three rewards out of three plugin files read the encoder of pictures once, and that of texts
 * once */
static void
test_loaded_once (void)
{
  static const char *const specs[] = {
    "aesthetic:model=@DATA@/tiny-clip,predictor=@DATA@/tiny-clip/predictor.pth",
    "clip-score:model=@DATA@/../data/tiny-clip",
    "pick-score:model=@DATA@/tiny-clip/",
    "hps:model=@DATA@/tiny-open-clip,tokenizer=@DATA@/tiny-clip",
  };
  g_autofree char *folder = g_dir_make_tmp ("vard-clip-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "trace.json", NULL), *text = NULL;
  VardReward *rewards[G_N_ELEMENTS (specs)];
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_trace_open (path, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (specs); i++)
    {
      rewards[i] = make_reward (specs[i]);
      vard_reward_prepare (rewards[i], NULL, &error);
      g_assert_no_error (error);
    }
  vard_trace_close ();
  for (guint i = 0; i < G_N_ELEMENTS (specs); i++)
    g_object_unref (rewards[i]);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpuint (count (text, "load-vision"), ==, 2);
  g_assert_cmpuint (count (text, "load-text"), ==, 2);
  g_remove (path);
  g_rmdir (folder);
}

/* two rewards that share an encoder, in two threads at once */
static gpointer
score_often (gpointer reward)
{
  g_autoptr (JsonObject) golden = load_golden ();
  g_autoptr (VardRewardBatch) batch = make_batch (golden);
  double first = 0, score = 0;

  for (guint i = 0; i < 10; i++)
    {
      g_assert_true (vard_reward_score_batch (reward, batch, NULL, NULL));
      g_assert_true (vard_reward_batch_get_score (batch, 7, &score));
      if (i == 0)
        first = score;
      g_assert_cmpfloat (first, ==, score);
    }
  return NULL;
}

static void
test_shared_threads (void)
{
  g_autoptr (VardReward) one = make_reward ("clip-score:model=@DATA@/tiny-clip");
  g_autoptr (VardReward) two =
    make_reward ("aesthetic:model=@DATA@/tiny-clip,predictor=@DATA@/tiny-clip/predictor.pth");
  GThread *threads[] = { g_thread_new ("one", score_often, one),
                         g_thread_new ("two", score_often, two) };

  for (guint i = 0; i < 2; i++)
    g_thread_join (threads[i]);
}

int
main (int argc, char **argv)
{
  static const guint checked[] = { 0, 3, 4, 6 };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/clip-rewards/golden/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_golden);
    }
  for (guint i = 0; i < G_N_ELEMENTS (checked); i++)
    {
      g_autofree char *path = g_strconcat ("/clip-rewards/check/", cases[checked[i]].name, NULL);

      g_test_add_data_func (path, cases[checked[i]].spec, test_check);
    }
  g_test_add_func ("/clip-rewards/bad", test_bad);
  g_test_add_func ("/clip-rewards/prompts", test_prompts);
  g_test_add_func ("/clip-rewards/cancelled", test_cancelled);
  g_test_add_func ("/clip-rewards/loaded-once", test_loaded_once);
  g_test_add_func ("/clip-rewards/shared-threads", test_shared_threads);
  return g_test_run ();
}
