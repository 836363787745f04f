/* test-fields.c - a table of members becomes properties, in a class and in its subclass
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

typedef enum
{
  SIDE_LEFT,
  SIDE_RIGHT
} Side;

static GType
side_get_type (void)
{
  static const GEnumValue values[] = {
    { SIDE_LEFT, "SIDE_LEFT", "left" },
    { SIDE_RIGHT, "SIDE_RIGHT", "right" },
    { 0 },
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("TestSide", values));
  return type;
}

typedef struct
{
  GObject parent_instance;
  double kl_weight;
  char *label;
} TestBase;
typedef struct
{
  GObjectClass parent_class;
} TestBaseClass;

static const VardField base_fields[] = {
  VARD_FIELD_DOUBLE (TestBase, kl_weight, "Price of a nat", 0, 10, 0.03),
  VARD_FIELD_STRING (TestBase, label, "Name in tables", "none"),
};

GType test_base_get_type (void);
G_DEFINE_TYPE (TestBase, test_base, G_TYPE_OBJECT)

static void
test_base_class_init (TestBaseClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), base_fields, G_N_ELEMENTS (base_fields));
}

static void
test_base_init (TestBase *self)
{
}

typedef struct
{
  TestBase parent_instance;
  gboolean on;
  gint shift;
  guint steps;
  guint64 seed;
  Side side;
  char **names;
  int by_hand;
} TestLeaf;
typedef struct
{
  TestBaseClass parent_class;
} TestLeafClass;

static const VardField leaf_fields[] = {
  VARD_FIELD_BOOLEAN (TestLeaf, on, "Whether", TRUE),
  VARD_FIELD_INT (TestLeaf, shift, "How far", -5, 5, -2),
  VARD_FIELD_UINT (TestLeaf, steps, "How often", 1, 1000, 20),
  VARD_FIELD_UINT64 (TestLeaf, seed, "Which", 0, G_MAXUINT64, G_MAXUINT64),
  VARD_FIELD_ENUM (TestLeaf, side, "Where", side_get_type, SIDE_RIGHT),
  VARD_FIELD_STRV (TestLeaf, names, "Who"),
};

GType test_leaf_get_type (void);
G_DEFINE_TYPE (TestLeaf, test_leaf, test_base_get_type ())

static void
test_leaf_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  g_assert_cmpuint (id, ==, 1);
  g_value_set_int (value, ((TestLeaf *) object)->by_hand);
}

static void
test_leaf_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  g_assert_cmpuint (id, ==, 1);
  ((TestLeaf *) object)->by_hand = g_value_get_int (value);
}

static void
test_leaf_class_init (TestLeafClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = test_leaf_get_property;
  object_class->set_property = test_leaf_set_property;
  vard_fields_install (object_class, leaf_fields, G_N_ELEMENTS (leaf_fields));
  g_object_class_install_property (object_class, 1,
                                   g_param_spec_int ("by-hand", NULL, NULL, 0, 9, 0,
                                                     G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
}

static void
test_leaf_init (TestLeaf *self)
{
}

static void
test_fields_defaults (void)
{
  TestLeaf *leaf = g_object_new (test_leaf_get_type (), NULL);

  g_assert_cmpfloat (leaf->parent_instance.kl_weight, ==, 0.03);
  g_assert_cmpstr (leaf->parent_instance.label, ==, "none");
  g_assert_true (leaf->on);
  g_assert_cmpint (leaf->shift, ==, -2);
  g_assert_cmpuint (leaf->steps, ==, 20);
  g_assert_cmpuint (leaf->seed, ==, G_MAXUINT64);
  g_assert_cmpint (leaf->side, ==, SIDE_RIGHT);
  g_assert_null (leaf->names);
  g_assert_finalize_object (G_OBJECT (leaf));
}

static void
test_fields_round_trip (void)
{
  const char *const names[] = { "a", "b", NULL };
  TestLeaf *leaf = g_object_new (test_leaf_get_type (), "kl-weight", 0.5, "label", "x", "on", FALSE,
                                 "shift", 3, "steps", 7u, "seed", (guint64) 42, "side", SIDE_LEFT,
                                 "names", names, "by-hand", 4, NULL);
  g_autofree char *label = NULL;
  g_auto (GStrv) got = NULL;
  double weight;
  gboolean on;
  gint shift, by_hand;
  guint steps;
  guint64 seed;
  Side side;

  g_object_set (leaf, "label", "other", NULL);
  g_object_get (leaf, "kl-weight", &weight, "label", &label, "on", &on, "shift", &shift, "steps",
                &steps, "seed", &seed, "side", &side, "names", &got, "by-hand", &by_hand, NULL);
  g_assert_cmpfloat (weight, ==, 0.5);
  g_assert_cmpstr (label, ==, "other");
  g_assert_false (on);
  g_assert_cmpint (shift, ==, 3);
  g_assert_cmpuint (steps, ==, 7);
  g_assert_cmpuint (seed, ==, 42);
  g_assert_cmpint (side, ==, SIDE_LEFT);
  g_assert_cmpstrv (got, names);
  g_assert_cmpint (by_hand, ==, 4);

  g_object_set (leaf, "label", NULL, "names", NULL, NULL);
  g_assert_null (leaf->parent_instance.label);
  g_assert_null (leaf->names);
  g_assert_finalize_object (G_OBJECT (leaf));
}

static void
count_notify (GObject *object, GParamSpec *pspec, gpointer count)
{
  *(guint *) count += 1;
}

static void
test_fields_notify (void)
{
  TestLeaf *leaf = g_object_new (test_leaf_get_type (), NULL);
  guint count = 0;

  g_signal_connect (leaf, "notify", G_CALLBACK (count_notify), &count);
  g_object_set (leaf, "steps", 20u, "label", "none", "kl-weight", 0.03, NULL);
  g_assert_cmpuint (count, ==, 0);
  g_object_set (leaf, "steps", 21u, "label", "one", "kl-weight", 0.04, NULL);
  g_assert_cmpuint (count, ==, 3);
  g_assert_finalize_object (G_OBJECT (leaf));
}

static void
test_fields_pspecs (void)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (test_leaf_get_type ());
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_CLASS (klass), "kl-weight");

  g_assert_true (pspec->owner_type == test_base_get_type ());
  g_assert_cmpstr (g_param_spec_get_nick (pspec), ==, "Kl weight");
  g_assert_cmpstr (g_param_spec_get_blurb (pspec), ==, "Price of a nat");
  g_assert_cmpfloat (G_PARAM_SPEC_DOUBLE (pspec)->maximum, ==, 10);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fields/defaults", test_fields_defaults);
  g_test_add_func ("/fields/round-trip", test_fields_round_trip);
  g_test_add_func ("/fields/notify", test_fields_notify);
  g_test_add_func ("/fields/pspecs", test_fields_pspecs);
  return g_test_run ();
}
