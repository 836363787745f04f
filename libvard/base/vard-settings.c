/* vard-settings.c - the properties of an object as text and as JSON
 *
 * A class's GParamSpecs say everything: names, types, ranges, defaults. Settings are those which
 * can be read and written and hold a truth value, a number, a text, a list of texts or a choice.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-settings.h"

#include "base/vard-error.h"
#include "base/vard-suggest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A property that passes on to another object's is a setting of that object alone */
static gboolean
vard_settings_is_passed_on (GParamSpec *pspec)
{
  GParamSpec *target = g_param_spec_get_redirect_target (pspec);

  return target != NULL && !g_type_is_a (pspec->owner_type, target->owner_type);
}

/**
 * vard_settings_get_kind:
 * @pspec: a property
 *
 * Returns: (nullable): "boolean", "integer", "number", "text", "list" or "choice"; %NULL when the
 *   property is not a setting
 */
const char *
vard_settings_get_kind (GParamSpec *pspec)
{
  g_return_val_if_fail (G_IS_PARAM_SPEC (pspec), NULL);

  if ((pspec->flags & G_PARAM_READWRITE) != G_PARAM_READWRITE
      || (pspec->flags & G_PARAM_CONSTRUCT_ONLY) != 0 || vard_settings_is_passed_on (pspec))
    return NULL;

  switch (G_TYPE_FUNDAMENTAL (pspec->value_type))
    {
    case G_TYPE_BOOLEAN: return "boolean";
    case G_TYPE_INT:
    case G_TYPE_UINT:
    case G_TYPE_INT64:
    case G_TYPE_UINT64: return "integer";
    case G_TYPE_FLOAT:
    case G_TYPE_DOUBLE: return "number";
    case G_TYPE_STRING: return "text";
    case G_TYPE_ENUM: return "choice";
    case G_TYPE_BOXED: return pspec->value_type == G_TYPE_STRV ? "list" : NULL;
    default: return NULL;
    }
}

/**
 * vard_settings_list:
 * @klass: an object class
 * @n_settings: (out): how many
 *
 * Returns: (array length=n_settings) (transfer container): its settings, in the order of their
 * tables
 */
GParamSpec **
vard_settings_list (GObjectClass *klass, guint *n_settings)
{
  g_return_val_if_fail (G_IS_OBJECT_CLASS (klass) && n_settings != NULL, NULL);

  guint n, n_kept = 0;
  GParamSpec **all = g_object_class_list_properties (klass, &n);

  for (guint i = 0; i < n; i++)
    if (vard_settings_get_kind (all[i]) != NULL)
      all[n_kept++] = all[i];
  *n_settings = n_kept;

  return all;
}

static void
vard_settings_set_unknown (GObjectClass *klass, const char *name, GError **error)
{
  guint n;
  g_autofree GParamSpec **settings = vard_settings_list (klass, &n);
  g_autofree const char **names = g_new0 (const char *, n + 1);

  for (guint i = 0; i < n; i++)
    names[i] = settings[i]->name;
  vard_suggest_error ("property", name, names, error);
}

/**
 * vard_settings_find:
 * @klass: an object class
 * @name: name of a setting
 * @error: return location
 *
 * Returns: (transfer none): the setting; a %VARD_ERROR_USAGE with the nearest name when there is
 * none
 */
GParamSpec *
vard_settings_find (GObjectClass *klass, const char *name, GError **error)
{
  g_return_val_if_fail (G_IS_OBJECT_CLASS (klass) && name != NULL, NULL);

  GParamSpec *pspec = g_object_class_find_property (klass, name);
  if (pspec == NULL || vard_settings_get_kind (pspec) == NULL)
    {
      vard_settings_set_unknown (klass, name, error);
      return NULL;
    }

  return pspec;
}

/* The shortest decimal form that reads back as the same number */
static char *
vard_settings_print_double (double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  for (int digits = 6; digits <= 17; digits++)
    {
      char format[8];

      g_snprintf (format, sizeof format, "%%.%dg", digits);
      g_ascii_formatd (text, sizeof text, format, value);
      if (g_ascii_strtod (text, NULL) == value)
        break;
    }

  return g_strdup (text);
}

static char *
vard_settings_describe_double (double minimum, double maximum, double limit)
{
  g_autofree char *low = vard_settings_print_double (minimum);
  g_autofree char *high = vard_settings_print_double (maximum);

  if (minimum <= -limit && maximum >= limit)
    return g_strdup ("a number");
  if (maximum >= limit)
    return g_strdup_printf ("a number of at least %s", low);
  if (minimum <= -limit)
    return g_strdup_printf ("a number of at most %s", high);

  return g_strdup_printf ("a number from %s to %s", low, high);
}

static char *
vard_settings_describe_uint (guint64 minimum, guint64 maximum, guint64 limit)
{
  if (maximum == limit)
    return g_strdup_printf ("a whole number of at least %" G_GUINT64_FORMAT, minimum);
  return g_strdup_printf ("a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                          minimum, maximum);
}

static char *
vard_settings_describe_int (gint64 minimum, gint64 maximum, gint64 limit)
{
  if (maximum == limit && minimum < -limit)
    return g_strdup ("a whole number");
  if (maximum == limit)
    return g_strdup_printf ("a whole number of at least %" G_GINT64_FORMAT, minimum);

  return g_strdup_printf ("a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, minimum,
                          maximum);
}

static char *
vard_settings_describe_enum (GEnumClass *klass)
{
  GString *text = g_string_new ("one of ");

  for (guint i = 0; i < klass->n_values; i++)
    g_string_append_printf (text, "%s%s", i == 0 ? "" : ", ", klass->values[i].value_nick);
  return g_string_free (text, FALSE);
}

/**
 * vard_settings_describe_range:
 * @pspec: a setting
 *
 * Returns: what it takes, as words: "a number from 0 to 10", "one of small, large"
 */
char *
vard_settings_describe_range (GParamSpec *pspec)
{
  g_return_val_if_fail (G_IS_PARAM_SPEC (pspec), NULL);

  if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    return g_strdup ("true or false");
  if (G_IS_PARAM_SPEC_DOUBLE (pspec))
    return vard_settings_describe_double (G_PARAM_SPEC_DOUBLE (pspec)->minimum,
                                          G_PARAM_SPEC_DOUBLE (pspec)->maximum, G_MAXDOUBLE);
  if (G_IS_PARAM_SPEC_FLOAT (pspec))
    return vard_settings_describe_double (G_PARAM_SPEC_FLOAT (pspec)->minimum,
                                          G_PARAM_SPEC_FLOAT (pspec)->maximum, G_MAXFLOAT);
  if (G_IS_PARAM_SPEC_UINT (pspec))
    return vard_settings_describe_uint (G_PARAM_SPEC_UINT (pspec)->minimum,
                                        G_PARAM_SPEC_UINT (pspec)->maximum, G_MAXUINT);
  if (G_IS_PARAM_SPEC_UINT64 (pspec))
    return vard_settings_describe_uint (G_PARAM_SPEC_UINT64 (pspec)->minimum,
                                        G_PARAM_SPEC_UINT64 (pspec)->maximum, G_MAXUINT64);
  if (G_IS_PARAM_SPEC_INT (pspec))
    return vard_settings_describe_int (G_PARAM_SPEC_INT (pspec)->minimum,
                                       G_PARAM_SPEC_INT (pspec)->maximum, G_MAXINT);
  if (G_IS_PARAM_SPEC_INT64 (pspec))
    return vard_settings_describe_int (G_PARAM_SPEC_INT64 (pspec)->minimum,
                                       G_PARAM_SPEC_INT64 (pspec)->maximum, G_MAXINT64);
  if (G_IS_PARAM_SPEC_ENUM (pspec))
    return vard_settings_describe_enum (G_PARAM_SPEC_ENUM (pspec)->enum_class);
  if (pspec->value_type == G_TYPE_STRV)
    return g_strdup ("texts with ';' between them");

  return g_strdup ("text");
}

static char *
vard_settings_join (const char *const *list)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; list != NULL && list[i] != NULL; i++)
    {
      if (i > 0)
        g_string_append_c (text, ';');
      for (const char *p = list[i]; *p != 0; p++)
        {
          if (*p == ';' || *p == '\\')
            g_string_append_c (text, '\\');
          g_string_append_c (text, *p);
        }
    }

  return g_string_free (text, FALSE);
}

static char **
vard_settings_split (const char *text)
{
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();
  g_autoptr (GString) item = g_string_new (NULL);

  for (const char *p = text; *p != 0; p++)
    {
      if (*p == ';')
        {
          g_strv_builder_add (list, item->str);
          g_string_truncate (item, 0);
          continue;
        }
      if (*p == '\\' && (p[1] == ';' || p[1] == '\\'))
        p++;
      g_string_append_c (item, *p);
    }
  if (item->len > 0)
    g_strv_builder_add (list, item->str);

  return g_strv_builder_end (list);
}

/**
 * vard_settings_value_to_text:
 * @value: the value of a setting
 *
 * Returns: its text, which vard_settings_parse_text() reads back to the same value
 */
char *
vard_settings_value_to_text (const GValue *value)
{
  g_return_val_if_fail (G_IS_VALUE (value), NULL);

  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value)))
    {
    case G_TYPE_BOOLEAN: return g_strdup (g_value_get_boolean (value) ? "true" : "false");
    case G_TYPE_INT: return g_strdup_printf ("%d", g_value_get_int (value));
    case G_TYPE_UINT: return g_strdup_printf ("%u", g_value_get_uint (value));
    case G_TYPE_INT64: return g_strdup_printf ("%" G_GINT64_FORMAT, g_value_get_int64 (value));
    case G_TYPE_UINT64: return g_strdup_printf ("%" G_GUINT64_FORMAT, g_value_get_uint64 (value));
    case G_TYPE_FLOAT: return vard_settings_print_double (g_value_get_float (value));
    case G_TYPE_DOUBLE: return vard_settings_print_double (g_value_get_double (value));
    case G_TYPE_STRING:
      return g_strdup (g_value_get_string (value) != NULL ? g_value_get_string (value) : "");
    case G_TYPE_ENUM:
      {
        g_autoptr (GTypeClass) klass = g_type_class_ref (G_VALUE_TYPE (value));
        const GEnumValue *item = g_enum_get_value ((GEnumClass *) klass, g_value_get_enum (value));

        return g_strdup (item != NULL ? item->value_nick : "");
      }
    default:
      return G_VALUE_HOLDS (value, G_TYPE_STRV) ? vard_settings_join (g_value_get_boxed (value))
                                                : g_strdup ("");
    }
}

static gboolean
vard_settings_fail (GParamSpec *pspec, const char *text, GError **error)
{
  g_autofree char *range = vard_settings_describe_range (pspec);
  const char *near = NULL;

  if (G_IS_PARAM_SPEC_ENUM (pspec))
    {
      GEnumClass *klass = G_PARAM_SPEC_ENUM (pspec)->enum_class;
      g_autofree const char **nicks = g_new0 (const char *, klass->n_values + 1);

      for (guint i = 0; i < klass->n_values; i++)
        nicks[i] = klass->values[i].value_nick;
      near = vard_suggest (text, nicks);
    }
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "%s is \"%s\", but must be %s%s%s%s",
               pspec->name, text, range, near != NULL ? " (did you mean " : "",
               near != NULL ? near : "", near != NULL ? "?)" : "");

  return FALSE;
}

static gboolean
vard_settings_parse_boolean (const char *text, gboolean *out)
{
  const char *const words[][2] = { { "false", "true" },
                                   { "no", "yes" },
                                   { "off", "on" },
                                   { "0", "1" } };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    for (guint j = 0; j < 2; j++)
      if (g_ascii_strcasecmp (text, words[i][j]) == 0)
        {
          *out = j == 1;
          return TRUE;
        }

  return FALSE;
}

static gboolean
vard_settings_parse_double (const char *text, double *out)
{
  char *end;

  if (text[0] == 0 || g_ascii_isspace (text[0]) || strpbrk (text, "xX") != NULL)
    return FALSE;
  *out = g_ascii_strtod (text, &end);

  return *end == 0 && !isnan (*out);
}

static gboolean
vard_settings_parse_scalar (const char *text, GValue *value)
{
  gboolean truth;
  gint64 integer;
  guint64 natural;
  double number;

  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value)))
    {
    case G_TYPE_BOOLEAN:
      if (!vard_settings_parse_boolean (text, &truth))
        return FALSE;
      g_value_set_boolean (value, truth);
      return TRUE;
    case G_TYPE_INT:
    case G_TYPE_INT64:
      if (!g_ascii_string_to_signed (text, 10, G_VALUE_HOLDS_INT (value) ? G_MININT : G_MININT64,
                                     G_VALUE_HOLDS_INT (value) ? G_MAXINT : G_MAXINT64, &integer,
                                     NULL))
        return FALSE;
      if (G_VALUE_HOLDS_INT (value))
        g_value_set_int (value, (gint) integer);
      else
        g_value_set_int64 (value, integer);
      return TRUE;
    case G_TYPE_UINT:
    case G_TYPE_UINT64:
      if (!g_ascii_string_to_unsigned (text, 10, 0,
                                       G_VALUE_HOLDS_UINT (value) ? G_MAXUINT : G_MAXUINT64,
                                       &natural, NULL))
        return FALSE;
      if (G_VALUE_HOLDS_UINT (value))
        g_value_set_uint (value, (guint) natural);
      else
        g_value_set_uint64 (value, natural);
      return TRUE;
    default:
      if (!vard_settings_parse_double (text, &number))
        return FALSE;
      if (G_VALUE_HOLDS_FLOAT (value))
        g_value_set_float (value, (float) number);
      else
        g_value_set_double (value, number);
      return TRUE;
    }
}

static gboolean
vard_settings_parse_enum (const char *text, GValue *value)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (G_VALUE_TYPE (value));
  const GEnumValue *item = g_enum_get_value_by_nick ((GEnumClass *) klass, text);

  if (item != NULL)
    g_value_set_enum (value, item->value);

  return item != NULL;
}

/* g_param_value_validate() changes what is out of range: here that is an error. */
static gboolean
vard_settings_check_range (GParamSpec *pspec, const GValue *value)
{
  g_auto (GValue) copy = G_VALUE_INIT;

  g_value_init (&copy, G_VALUE_TYPE (value));
  g_value_copy (value, &copy);
  return !g_param_value_validate (pspec, &copy);
}

/**
 * vard_settings_parse_text:
 * @pspec: a setting
 * @text: what somebody wrote
 * @value: (out caller-allocates): where the value goes, unset at first
 * @error: return location
 *
 * Returns: %TRUE when @text is a value within the range of @pspec; else @value stays unset
 */
gboolean
vard_settings_parse_text (GParamSpec *pspec, const char *text, GValue *value, GError **error)
{
  g_return_val_if_fail (G_IS_PARAM_SPEC (pspec) && text != NULL && value != NULL, FALSE);
  g_return_val_if_fail (vard_settings_get_kind (pspec) != NULL, FALSE);

  gboolean ok = g_utf8_validate (text, -1, NULL);

  g_value_init (value, pspec->value_type);
  if (!ok)
    text = "?"; /* not to be repeated in a message */
  else if (G_VALUE_HOLDS_STRING (value))
    g_value_set_string (value, text);
  else if (G_VALUE_HOLDS (value, G_TYPE_STRV))
    g_value_take_boxed (value, vard_settings_split (text));
  else if (G_VALUE_HOLDS_ENUM (value))
    ok = vard_settings_parse_enum (text, value);
  else
    ok = vard_settings_parse_scalar (text, value);

  if (ok && vard_settings_check_range (pspec, value))
    return TRUE;
  g_value_unset (value);

  return vard_settings_fail (pspec, text, error);
}

/**
 * vard_settings_set_text:
 * @object: an object
 * @name: name of a setting
 * @text: its value
 * @error: return location
 *
 * Returns: %TRUE when it was set
 */
gboolean
vard_settings_set_text (GObject *object, const char *name, const char *text, GError **error)
{
  g_return_val_if_fail (G_IS_OBJECT (object) && name != NULL && text != NULL, FALSE);

  g_auto (GValue) value = G_VALUE_INIT;
  GParamSpec *pspec = vard_settings_find (G_OBJECT_GET_CLASS (object), name, error);

  if (pspec == NULL || !vard_settings_parse_text (pspec, text, &value, error))
    return FALSE;
  g_object_set_property (object, pspec->name, &value);

  return TRUE;
}

/**
 * vard_settings_dup_text:
 * @object: an object
 * @name: name of a setting
 * @error: return location
 *
 * Returns: its value as text
 */
char *
vard_settings_dup_text (GObject *object, const char *name, GError **error)
{
  g_return_val_if_fail (G_IS_OBJECT (object) && name != NULL, NULL);

  g_auto (GValue) value = G_VALUE_INIT;
  GParamSpec *pspec = vard_settings_find (G_OBJECT_GET_CLASS (object), name, error);

  if (pspec == NULL)
    return NULL;
  g_value_init (&value, pspec->value_type);
  g_object_get_property (object, pspec->name, &value);

  return vard_settings_value_to_text (&value);
}

/**
 * vard_settings_copy: (skip)
 * @object: an object whose settings say all there is to say of it
 *
 * Returns: (transfer full): another object of its class with the same settings
 */
gpointer
vard_settings_copy (GObject *object)
{
  g_return_val_if_fail (G_IS_OBJECT (object), NULL);

  GObject *copy = g_object_new (G_OBJECT_TYPE (object), NULL);
  guint n;
  g_autofree GParamSpec **settings = vard_settings_list (G_OBJECT_GET_CLASS (object), &n);

  for (guint i = 0; i < n; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;

      g_object_get_property (object, settings[i]->name, &value);
      g_object_set_property (copy, settings[i]->name, &value);
    }

  return copy;
}
