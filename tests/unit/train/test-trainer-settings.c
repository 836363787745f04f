/* test-trainer-settings.c - defaults, copies and refusals of the trainer's settings
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

static void
test_trainer_settings_defaults (void)
{
  g_autoptr (VardTrainerSettings) settings = vard_trainer_settings_new ();
  VardTrainedWeights weights;
  double kl_weight;
  guint pool_size;

  g_object_get (settings, "weights", &weights, "kl-weight", &kl_weight, "pool-size", &pool_size,
                NULL);
  g_assert_cmpint (weights, ==, VARD_TRAINED_WEIGHTS_LORA);
  g_assert_cmpfloat (kl_weight, ==, 0.03);
  g_assert_cmpuint (pool_size, ==, 512);
}

static void
test_trainer_settings_copy (void)
{
  g_autoptr (VardTrainerSettings) settings = vard_trainer_settings_new ();
  const char *targets[] = { "to_k", NULL };

  g_object_set (settings, "seed", G_MAXUINT64, "gamma", 0.9, "value-refresh", TRUE, "weights",
                VARD_TRAINED_WEIGHTS_FULL, "lora-targets", targets, NULL);
  g_autoptr (VardTrainerSettings) copy = vard_trainer_settings_copy (settings);
  g_autoptr (JsonObject) a = vard_settings_to_json (G_OBJECT (settings));
  g_autoptr (JsonObject) b = vard_settings_to_json (G_OBJECT (copy));
  g_autoptr (JsonNode) node_a = json_node_init_object (json_node_alloc (), a);
  g_autoptr (JsonNode) node_b = json_node_init_object (json_node_alloc (), b);

  g_assert_true (json_node_equal (node_a, node_b));
}

static void
test_trainer_settings_text (void)
{
  g_autoptr (VardTrainerSettings) settings = vard_trainer_settings_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_settings_set_text (G_OBJECT (settings), "weights", "full", NULL));
  g_assert_false (vard_settings_set_text (G_OBJECT (settings), "kl-weight", "-1", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
}

/* The settings of an algorithm are an object of their own; the trainer's pass on to it */
static void
test_trainer_settings_algorithm (void)
{
  g_autoptr (VardTrainerSettings) settings = vard_trainer_settings_new ();
  g_auto (GStrv) names = vard_trainer_settings_dup_algorithms (settings);
  GObject *own = vard_trainer_settings_get_algorithm_settings (settings, NULL);
  double kl_weight;
  guint n, n_own;

  g_assert_cmpstr (vard_trainer_settings_get_algorithm (settings), ==, "vard");
  g_assert_cmpstr (names[0], ==, "vard");
  g_assert_true (own == vard_trainer_settings_get_algorithm_settings (settings, "vard"));
  g_assert_null (vard_trainer_settings_get_algorithm_settings (settings, "other"));

  g_object_set (settings, "kl-weight", 0.5, NULL);
  g_object_get (own, "kl-weight", &kl_weight, NULL);
  g_assert_cmpfloat (kl_weight, ==, 0.5);
  g_object_set (own, "kl-weight", 0.25, NULL);
  g_object_get (settings, "kl-weight", &kl_weight, NULL);
  g_assert_cmpfloat (kl_weight, ==, 0.25);

  g_autoptr (VardTrainerSettings) copy = vard_trainer_settings_copy (settings);

  g_assert_true (vard_trainer_settings_get_algorithm_settings (copy, NULL) != own);
  g_object_get (copy, "kl-weight", &kl_weight, NULL);
  g_assert_cmpfloat (kl_weight, ==, 0.25);

  /* and yet a name is listed once */
  g_autofree GParamSpec **listed = vard_settings_list (G_OBJECT_GET_CLASS (settings), &n);
  g_autofree GParamSpec **listed_own = vard_settings_list (G_OBJECT_GET_CLASS (own), &n_own);

  g_assert_cmpuint (n_own, >, 10);
  for (guint i = 0; i < n; i++)
    for (guint k = 0; k < n_own; k++)
      g_assert_cmpstr (listed[i]->name, !=, listed_own[k]->name);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trainer-settings/defaults", test_trainer_settings_defaults);
  g_test_add_func ("/trainer-settings/copy", test_trainer_settings_copy);
  g_test_add_func ("/trainer-settings/text", test_trainer_settings_text);
  g_test_add_func ("/trainer-settings/algorithm", test_trainer_settings_algorithm);
  return g_test_run ();
}
