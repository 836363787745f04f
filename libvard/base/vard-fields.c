/* vard-fields.c - turns a table of struct members into the properties of a class
 *
 * The table must live as long as the class, which is for ever: each GParamSpec points to its row.
 * Strings belong to the object's data list, so that no finalize function is needed and a class
 * may set its own before or after.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-fields.h"

#include <string.h>

/* What a class did with the properties that are not in its table */
typedef struct
{
  void (*get_property) (GObject *, guint, GValue *, GParamSpec *);
  void (*set_property) (GObject *, guint, const GValue *, GParamSpec *);
} VardFieldsChain;

/* clang-format off */
static G_DEFINE_QUARK (vard-field, vard_field)
static G_DEFINE_QUARK (vard-fields-chain, vard_fields_chain)
/* clang-format on */

static gpointer
vard_field_get_member (const VardField *self, GObject *object)
{
  return (char *) object + self->offset;
}

static const VardFieldsChain *
vard_fields_get_chain (GParamSpec *pspec)
{
  return g_type_get_qdata (pspec->owner_type, vard_fields_chain_quark ());
}

static void
vard_fields_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  const VardField *field = g_param_spec_get_qdata (pspec, vard_field_quark ());

  if (field == NULL)
    {
      const VardFieldsChain *chain = vard_fields_get_chain (pspec);
      if (chain != NULL && chain->get_property != NULL)
        chain->get_property (object, id, value, pspec);
      return;
    }

  gpointer member = vard_field_get_member (field, object);
  switch (field->kind & VARD_FIELD_KIND_MASK)
    {
    case VARD_FIELD_KIND_BOOLEAN: g_value_set_boolean (value, *(gboolean *) member); break;
    case VARD_FIELD_KIND_INT: g_value_set_int (value, *(gint *) member); break;
    case VARD_FIELD_KIND_UINT: g_value_set_uint (value, *(guint *) member); break;
    case VARD_FIELD_KIND_UINT64: g_value_set_uint64 (value, *(guint64 *) member); break;
    case VARD_FIELD_KIND_DOUBLE: g_value_set_double (value, *(double *) member); break;
    case VARD_FIELD_KIND_STRING: g_value_set_string (value, *(char **) member); break;
    case VARD_FIELD_KIND_STRV: g_value_set_boxed (value, *(char ***) member); break;
    case VARD_FIELD_KIND_ENUM: g_value_set_enum (value, *(gint *) member); break;
    default: g_assert_not_reached ();
    }
}

/* Writes a plain value; FALSE when it was there already. */
static gboolean
vard_field_store (gpointer member, gconstpointer value, gsize size)
{
  if (memcmp (member, value, size) == 0)
    return FALSE;
  memcpy (member, value, size);
  return TRUE;
}

#define STORE(ctype, getter)                   \
  ({                                           \
    ctype v_ = getter (value);                 \
    vard_field_store (member, &v_, sizeof v_); \
  })

static void
vard_field_own (GObject *object, GParamSpec *pspec, gpointer data, GDestroyNotify destroy)
{
  g_autofree char *key =
    g_strconcat ("vard-field-", g_type_name (pspec->owner_type), "-", pspec->name, NULL);

  g_object_set_qdata_full (object, g_quark_from_string (key), data, destroy);
}

static gboolean
vard_field_store_string (GObject *object, GParamSpec *pspec, char **member, const GValue *value)
{
  if (g_strcmp0 (*member, g_value_get_string (value)) == 0)
    return FALSE;

  char *copy = g_value_dup_string (value);
  *member = copy;
  vard_field_own (object, pspec, copy, g_free);

  return TRUE;
}

static gboolean
vard_field_store_strv (GObject *object, GParamSpec *pspec, char ***member, const GValue *value)
{
  const char *const none[] = { NULL };
  const char *const *now = *member != NULL ? (const char *const *) *member : none;
  const char *const *next = g_value_get_boxed (value) != NULL ? g_value_get_boxed (value) : none;

  if (g_strv_equal (now, next))
    return FALSE;

  char **copy = next[0] != NULL ? g_strdupv ((char **) next) : NULL;
  *member = copy;
  vard_field_own (object, pspec, copy, (GDestroyNotify) g_strfreev);

  return TRUE;
}

static void
vard_fields_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  const VardField *field = g_param_spec_get_qdata (pspec, vard_field_quark ());

  if (field == NULL)
    {
      const VardFieldsChain *chain = vard_fields_get_chain (pspec);
      if (chain != NULL && chain->set_property != NULL)
        chain->set_property (object, id, value, pspec);
      return;
    }

  gpointer member = vard_field_get_member (field, object);
  gboolean changed = FALSE;
  switch (field->kind & VARD_FIELD_KIND_MASK)
    {
    case VARD_FIELD_KIND_BOOLEAN: changed = STORE (gboolean, g_value_get_boolean); break;
    case VARD_FIELD_KIND_INT: changed = STORE (gint, g_value_get_int); break;
    case VARD_FIELD_KIND_UINT: changed = STORE (guint, g_value_get_uint); break;
    case VARD_FIELD_KIND_UINT64: changed = STORE (guint64, g_value_get_uint64); break;
    case VARD_FIELD_KIND_DOUBLE: changed = STORE (double, g_value_get_double); break;
    case VARD_FIELD_KIND_ENUM: changed = STORE (gint, g_value_get_enum); break;
    case VARD_FIELD_KIND_STRING:
      changed = vard_field_store_string (object, pspec, member, value);
      break;
    case VARD_FIELD_KIND_STRV:
      changed = vard_field_store_strv (object, pspec, member, value);
      break;
    default: g_assert_not_reached ();
    }
  if (changed)
    g_object_notify_by_pspec (object, pspec);
}

/* kl_weight -> "kl-weight" and "Kl weight" */
static const char *
vard_field_intern (const VardField *self, char separator)
{
  g_autofree char *text = g_strdelimit (g_strdup (self->member), "_", separator);

  if (separator == ' ')
    text[0] = g_ascii_toupper (text[0]);
  return g_intern_string (text);
}

static GParamSpec *
vard_field_create_pspec (const VardField *self)
{
  const char *name = vard_field_intern (self, '-');
  const char *nick = vard_field_intern (self, ' ');
  GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_EXPLICIT_NOTIFY
                      | G_PARAM_STATIC_STRINGS;
  const char *blurb = self->blurb;

  switch (self->kind & VARD_FIELD_KIND_MASK)
    {
    case VARD_FIELD_KIND_BOOLEAN:
      return g_param_spec_boolean (name, nick, blurb, self->range.i.value, flags);
    case VARD_FIELD_KIND_INT:
      return g_param_spec_int (name, nick, blurb, self->range.i.minimum, self->range.i.maximum,
                               self->range.i.value, flags);
    case VARD_FIELD_KIND_UINT:
      return g_param_spec_uint (name, nick, blurb, self->range.u.minimum, self->range.u.maximum,
                                self->range.u.value, flags);
    case VARD_FIELD_KIND_UINT64:
      return g_param_spec_uint64 (name, nick, blurb, self->range.u.minimum, self->range.u.maximum,
                                  self->range.u.value, flags);
    case VARD_FIELD_KIND_DOUBLE:
      return g_param_spec_double (name, nick, blurb, self->range.d.minimum, self->range.d.maximum,
                                  self->range.d.value, flags);
    case VARD_FIELD_KIND_STRING:
      return g_param_spec_string (name, nick, blurb, self->range.text, flags);
    case VARD_FIELD_KIND_STRV: return g_param_spec_boxed (name, nick, blurb, G_TYPE_STRV, flags);
    case VARD_FIELD_KIND_ENUM:
      return g_param_spec_enum (name, nick, blurb, self->get_type (), self->range.i.value, flags);
    default: g_assert_not_reached ();
    }
}

/**
 * vard_fields_install: (skip)
 * @klass: a class being initialised
 * @fields: (array length=n_fields): one row a property; must outlive the class, so make it static
 * @n_fields: the number of rows
 *
 * Installs a property for each row and reads and writes the members that the rows name. Call it in
 * class_init. Members get their defaults while the object is constructed, after instance init: read
 * them in `constructed` or later. A class that has other properties sets its get_property and
 * set_property first and uses ids below %VARD_FIELDS_FIRST_ID.
 */
void
vard_fields_install (GObjectClass *klass, const VardField *fields, guint n_fields)
{
  g_return_if_fail (G_IS_OBJECT_CLASS (klass));

  if (klass->set_property != vard_fields_set_property)
    {
      /* lives as long as the type: for ever */
      VardFieldsChain *chain = g_new0 (VardFieldsChain, 1);

      chain->get_property = klass->get_property;
      chain->set_property = klass->set_property;
      g_type_set_qdata (G_OBJECT_CLASS_TYPE (klass), vard_fields_chain_quark (), chain);
      klass->get_property = vard_fields_get_property;
      klass->set_property = vard_fields_set_property;
    }

  for (guint i = 0; i < n_fields; i++)
    {
      GParamSpec *pspec = vard_field_create_pspec (&fields[i]);

      g_param_spec_set_qdata (pspec, vard_field_quark (), (gpointer) &fields[i]);
      g_object_class_install_property (klass, VARD_FIELDS_FIRST_ID + i, pspec);
    }
}

/**
 * vard_fields_get_flags:
 * @pspec: a property
 *
 * Returns: what its row in a table says beside its kind; nothing for a property without a row
 */
VardFieldFlags
vard_fields_get_flags (GParamSpec *pspec)
{
  g_return_val_if_fail (G_IS_PARAM_SPEC (pspec), 0);

  const VardField *field = g_param_spec_get_qdata (pspec, vard_field_quark ());

  return field != NULL ? (VardFieldFlags) (field->kind & ~VARD_FIELD_KIND_MASK) : 0;
}
