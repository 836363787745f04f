/* test-metrics.c - numbers keep their order, their bits and their names in JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <json-glib/json-glib.h>
#include <math.h>

static void
test_metrics_order (void)
{
  g_autoptr (VardMetrics) metrics = vard_metrics_new (7, 1.5);
  double value;

  vard_metrics_set (metrics, "b", 1);
  vard_metrics_set (metrics, "a", 2);
  vard_metrics_set (metrics, "b", 3);
  g_assert_cmpuint (vard_metrics_get_count (metrics), ==, 2);
  g_assert_cmpstr (vard_metrics_get_name (metrics, 0), ==, "b");
  g_assert_true (vard_metrics_lookup (metrics, "b", &value));
  g_assert_cmpfloat (value, ==, 3);
  g_assert_false (vard_metrics_lookup (metrics, "c", &value));
}

static void
test_metrics_prefixed (void)
{
  g_autoptr (VardMetrics) metrics = vard_metrics_new (7, 1.5);

  vard_metrics_set (metrics, "b", 1);
  vard_metrics_set (metrics, "a", 2);

  g_autoptr (VardMetrics) copy = vard_metrics_dup_prefixed (metrics, "evaluation/");
  g_autofree char *line = vard_metrics_to_json (copy);

  g_assert_cmpstr (line, ==, "{\"step\":7,\"time\":1.5,\"evaluation/b\":1.0,\"evaluation/a\":2.0}");
}

static void
test_metrics_json (void)
{
  static const double values[] = { 0.1, 1.0 / 3, -1e-300, 6.02214076e23, 0.0300000000000000001 };
  g_autoptr (VardMetrics) metrics = vard_metrics_new (G_MAXUINT32 + 5ull, 0.25);

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autofree char *name = g_strdup_printf ("n\"\\/%u", i);

      vard_metrics_set (metrics, name, values[i]);
    }
  vard_metrics_set (metrics, "nan", NAN);
  vard_metrics_set (metrics, "inf", -INFINITY);

  g_autofree char *line = vard_metrics_to_json (metrics);
  g_autoptr (JsonNode) node = json_from_string (line, NULL);

  g_assert_nonnull (node);

  JsonObject *object = json_node_get_object (node);

  g_assert_cmpint (json_object_get_int_member (object, "step"), ==, G_MAXUINT32 + 5ll);
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autofree char *name = g_strdup_printf ("n\"\\/%u", i);

      g_assert_cmpfloat (json_object_get_double_member (object, name), ==, values[i]);
    }
  g_assert_true (json_object_get_null_member (object, "nan"));
  g_assert_true (json_object_get_null_member (object, "inf"));
  g_assert_nonnull (strstr (line, "\"time\":0.25,"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics/order", test_metrics_order);
  g_test_add_func ("/metrics/prefixed", test_metrics_prefixed);
  g_test_add_func ("/metrics/json", test_metrics_json);
  return g_test_run ();
}
