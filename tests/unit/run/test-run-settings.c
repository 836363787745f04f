/* test-run-settings.c - one flat list of names, in text, in a file and in JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "run/vard-folder.h"

#include <glib/gstdio.h>
#include <string.h>

static void
test_run_settings_names (void)
{
  g_autoptr (VardRunSettings) settings = vard_run_settings_new ();
  g_autoptr (GError) error = NULL, unknown = NULL, range = NULL;
  guint steps;

  g_assert_true (vard_run_settings_set (settings, "model", "somewhere", &error));
  g_assert_true (vard_run_settings_set (settings, "steps", "7", &error));
  g_assert_true (vard_run_settings_set (settings, "rewards", "a;b:key=1,other=2", &error));
  g_assert_no_error (error);
  g_object_get (vard_run_settings_get_trainer (settings), "steps", &steps, NULL);
  g_assert_cmpuint (steps, ==, 7);
  g_assert_cmpstr (vard_run_settings_get_rewards (settings)[1], ==, "b:key=1,other=2");

  g_assert_false (vard_run_settings_set (settings, "kl-wieght", "1", &unknown));
  g_assert_error (unknown, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (unknown->message, "kl-weight"));
  g_assert_false (vard_run_settings_set (settings, "kl-weight", "-1", &range));
  g_assert_error (range, VARD_ERROR, VARD_ERROR_USAGE);
}

/* Every setting, at a value that is not its default where that is easy, comes back the same */
static void
test_run_settings_json (void)
{
  g_autoptr (VardRunSettings) settings = vard_run_settings_new ();
  g_autoptr (VardRunSettings) back = vard_run_settings_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_run_settings_set (settings, "model", "m", &error));
  g_assert_true (vard_run_settings_set (settings, "rewards", "x", &error));
  g_assert_true (vard_run_settings_set (settings, "seed", "18446744073709551615", &error));
  g_assert_true (vard_run_settings_set (settings, "adam-epsilon", "1e-9", &error));
  g_assert_true (vard_run_settings_set (settings, "weights", "full", &error));

  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, vard_run_settings_to_json (settings));

  g_autofree char *text = vard_json_to_text (node, TRUE);
  g_autoptr (JsonNode) read = json_from_string (text, &error);

  g_assert_no_error (error);
  g_assert_true (vard_run_settings_apply_json (back, json_node_get_object (read), &error));
  g_assert_no_error (error);

  g_autoptr (JsonObject) again = vard_run_settings_to_json (back);
  g_autoptr (JsonNode) other = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (other, again);
  g_assert_true (json_node_equal (node, other));
}

/* A file with one wrong value changes nothing */
static void
test_run_settings_whole (void)
{
  g_autoptr (VardRunSettings) settings = vard_run_settings_new ();
  g_autoptr (JsonNode) node =
    json_from_string ("{\"model\": \"m\", \"steps\": 3, \"kl-weight\": -1}", NULL);
  g_autoptr (JsonObject) before = vard_run_settings_to_json (settings);
  g_autoptr (GError) error = NULL;

  g_assert_false (vard_run_settings_apply_json (settings, json_node_get_object (node), &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_cmpstr (vard_run_settings_get_model (settings), ==, NULL);

  g_autoptr (JsonObject) after = vard_run_settings_to_json (settings);

  g_assert_true (json_object_equal (before, after));
}

static void
test_run_settings_paths (void)
{
  g_autofree char *folder = g_dir_make_tmp ("vard-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "c.json", NULL);
  g_autofree char *model = g_build_filename (folder, "there", NULL);
  g_autofree char *list = g_build_filename (model, "prompts.txt", NULL);
  g_autoptr (VardRunSettings) settings = vard_run_settings_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, "{\"model\": \"there\"}", -1, NULL));
  g_assert_true (vard_run_settings_load_file (settings, path, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (vard_run_settings_get_model (settings), ==, model);

  g_autofree char *prompts = vard_run_settings_dup_prompts (settings);

  g_assert_cmpstr (prompts, ==, list);
  g_assert_true (vard_folder_remove (folder, NULL));
}

static void
test_run_settings_change (void)
{
  g_autoptr (VardRunSettings) settings = vard_run_settings_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_run_settings_check_change (settings, "steps", NULL));
  g_assert_false (vard_run_settings_check_change (settings, "seed", &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
}

/* The run trains with an algorithm that there is, and names no setting of another one */
static void
test_run_settings_algorithm (void)
{
  g_autoptr (VardRunSettings) settings = vard_run_settings_new ();
  g_autoptr (GError) error = NULL, unknown = NULL, change = NULL;

  g_assert_true (vard_run_settings_set (settings, "model", "m", &error));
  g_assert_true (vard_run_settings_set (settings, "rewards", "x", &error));
  g_assert_true (vard_run_settings_check (settings, &error));
  g_assert_no_error (error);
  g_assert_false (vard_run_settings_check_change (settings, "algorithm", &change));
  g_assert_nonnull (strstr (change->message, "algorithm"));

  g_assert_true (vard_run_settings_set (settings, "algorithm", "vadr", &error));
  g_assert_false (vard_run_settings_check (settings, &unknown));
  g_assert_error (unknown, VARD_ERROR, VARD_ERROR_USAGE);
  g_assert_nonnull (strstr (unknown->message, "did you mean \"vard\"?"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/run-settings/names", test_run_settings_names);
  g_test_add_func ("/run-settings/json", test_run_settings_json);
  g_test_add_func ("/run-settings/whole", test_run_settings_whole);
  g_test_add_func ("/run-settings/paths", test_run_settings_paths);
  g_test_add_func ("/run-settings/change", test_run_settings_change);
  g_test_add_func ("/run-settings/algorithm", test_run_settings_algorithm);
  return g_test_run ();
}
