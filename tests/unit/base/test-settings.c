/* test-settings.c - properties as text and JSON, and the sentences for wrong ones
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <string.h>

typedef enum
{
  TARGET_SMALL,
  TARGET_LARGE
} Target;

static GType
target_get_type (void)
{
  static const GEnumValue values[] = {
    { TARGET_SMALL, "TARGET_SMALL", "small" },
    { TARGET_LARGE, "TARGET_LARGE", "large" },
    { 0 },
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("TestTarget", values));
  return type;
}

typedef struct
{
  GObject parent_instance;
  gboolean on;
  gint shift;
  guint steps;
  guint64 seed;
  double kl_weight;
  char *label;
  char **names;
  Target target;
} TestThing;
typedef struct
{
  GObjectClass parent_class;
} TestThingClass;

static const VardField fields[] = {
  VARD_FIELD_BOOLEAN (TestThing, on, "Whether", TRUE),
  VARD_FIELD_INT (TestThing, shift, "How far", -5, 5, -2),
  VARD_FIELD_UINT (TestThing, steps, "How often", 1, G_MAXUINT, 20),
  VARD_FIELD_UINT64 (TestThing, seed, "Which", 0, G_MAXUINT64, 0),
  VARD_FIELD_DOUBLE (TestThing, kl_weight, "Price", 0, 10, 0.03),
  VARD_FIELD_STRING (TestThing, label, "Name", NULL),
  VARD_FIELD_STRV (TestThing, names, "Who"),
  VARD_FIELD_ENUM (TestThing, target, "Where", target_get_type, TARGET_SMALL),
};

GType test_thing_get_type (void);
G_DEFINE_TYPE (TestThing, test_thing, G_TYPE_OBJECT)

static void
test_thing_class_init (TestThingClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
test_thing_init (TestThing *self)
{
}

static const struct
{
  const char *name, *text, *message;
} rows[] = {
  { "on", "no", NULL },
  { "on", "maybe", "on is \"maybe\", but must be true or false" },
  { "shift", "-5", NULL },
  { "shift", "6", "shift is \"6\", but must be a whole number from -5 to 5" },
  { "steps", "4294967295", NULL },
  { "steps", "4294967296", "steps is \"4294967296\", but must be a whole number of at least 1" },
  { "steps", "0", "steps is \"0\", but must be a whole number of at least 1" },
  { "steps", "-1", "steps is \"-1\", but must be a whole number of at least 1" },
  { "steps", "5x", "steps is \"5x\", but must be a whole number of at least 1" },
  { "seed", "18446744073709551615", NULL },
  { "kl-weight", "1e-3", NULL },
  { "kl_weight", "0.5", NULL },
  { "kl-weight", "11", "kl-weight is \"11\", but must be a number from 0 to 10" },
  { "kl-weight", "nan", "kl-weight is \"nan\", but must be a number from 0 to 10" },
  { "kl-weight", "", "kl-weight is \"\", but must be a number from 0 to 10" },
  { "kl-weight", "0x1p-3", "kl-weight is \"0x1p-3\", but must be a number from 0 to 10" },
  { "label", "any, thing", NULL },
  { "label", "\xff", "label is \"?\", but must be text" },
  { "names", "a;b\\;c", NULL },
  { "target", "large", NULL },
  { "target", "larg", "target is \"larg\", but must be one of small, large (did you mean large?)" },
  { "kl-wieght", "1", "there is no property \"kl-wieght\"; did you mean \"kl-weight\"?" },
  { "zebra", "1",
    "there is no property \"zebra\" (there are: on, shift, steps, seed, kl-weight, label, names, "
    "target)" },
};

static void
test_settings_text (void)
{
  g_autoptr (GObject) thing = g_object_new (test_thing_get_type (), NULL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      gboolean ok = vard_settings_set_text (thing, rows[i].name, rows[i].text, &error);

      if (rows[i].message == NULL)
        {
          g_assert_no_error (error);
          g_autofree char *text = vard_settings_dup_text (thing, rows[i].name, &error);
          g_autoptr (GObject) twin = g_object_new (test_thing_get_type (), NULL);
          g_assert_true (vard_settings_set_text (twin, rows[i].name, text, &error));
          g_autofree char *again = vard_settings_dup_text (twin, rows[i].name, &error);
          g_assert_cmpstr (text, ==, again);
        }
      else
        {
          g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
          g_assert_cmpstr (error->message, ==, rows[i].message);
        }
      g_assert_true (ok == (rows[i].message == NULL));
    }
}

static JsonObject *
parse (const char *text)
{
  g_autoptr (JsonNode) node = json_from_string (text, NULL);

  return json_node_dup_object (node);
}

static void
test_settings_json_round_trip (void)
{
  g_autoptr (GObject) thing = g_object_new (test_thing_get_type (), NULL);
  g_autoptr (GObject) twin = g_object_new (test_thing_get_type (), NULL);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].message == NULL)
      g_assert_true (vard_settings_set_text (thing, rows[i].name, rows[i].text, NULL));
  g_object_set (thing, "kl-weight", 0.1 + 0.2, NULL);

  g_autoptr (JsonObject) json = vard_settings_to_json (thing);
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), json);
  g_autofree char *text = json_to_string (node, FALSE);
  g_autoptr (JsonObject) read = parse (text);
  g_assert_true (vard_settings_apply_json (twin, read, &error));
  g_assert_no_error (error);

  g_autoptr (JsonObject) again = vard_settings_to_json (twin);
  g_autoptr (JsonNode) other = json_node_init_object (json_node_alloc (), again);
  g_assert_true (json_node_equal (node, other));
  g_assert_cmpfloat (((TestThing *) twin)->kl_weight, ==, 0.1 + 0.2);
  g_assert_cmpuint (((TestThing *) twin)->seed, ==, G_MAXUINT64);
}

static void
test_settings_json_errors (void)
{
  const struct
  {
    const char *json, *message;
  } bad[] = {
    { "{\"steps\": 30, \"kl-weight\": \"0.1\"}",
      "kl-weight is \"0.1\", but must be a number from 0 to 10" },
    { "{\"steps\": 30.5}", "steps is \"30.5\", but must be a whole number of at least 1" },
    { "{\"steps\": true}", "steps is true, but must be a whole number of at least 1" },
    { "{\"on\": 1}", "on is 1, but must be true or false" },
    { "{\"steps\": 31, \"stepz\": 1}", "there is no property \"stepz\"; did you mean \"steps\"?" },
    { "{\"names\": [\"a\", 1]}", "item 1 of names must be a string" },
    { "{\"label\": {}}", "label is {}, but must be text" },
    { "{\"kl-weight\": null}", "kl-weight is null, but must be a number from 0 to 10" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GObject) thing = g_object_new (test_thing_get_type (), NULL);
      g_autoptr (JsonObject) json = parse (bad[i].json);
      g_autoptr (GError) error = NULL;

      g_assert_false (vard_settings_apply_json (thing, json, &error));
      g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
      g_assert_cmpstr (error->message, ==, bad[i].message);
      g_assert_cmpuint (((TestThing *) thing)->steps, ==, 20); /* all or none */
    }
}

static void
test_settings_json_numbers (void)
{
  g_autoptr (GObject) thing = g_object_new (test_thing_get_type (), NULL);
  g_autoptr (JsonObject) json = parse ("{\"steps\": 30.0, \"kl-weight\": 1, \"seed\": \"7\"}");
  g_autoptr (GError) error = NULL;

  g_assert_true (vard_settings_apply_json (thing, json, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (((TestThing *) thing)->steps, ==, 30);
  g_assert_cmpfloat (((TestThing *) thing)->kl_weight, ==, 1);
  g_assert_cmpuint (((TestThing *) thing)->seed, ==, 7);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/settings/text", test_settings_text);
  g_test_add_func ("/settings/json/round-trip", test_settings_json_round_trip);
  g_test_add_func ("/settings/json/errors", test_settings_json_errors);
  g_test_add_func ("/settings/json/numbers", test_settings_json_numbers);
  return g_test_run ();
}
