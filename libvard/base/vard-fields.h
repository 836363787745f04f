/* vard-fields.h - turns a table of struct members into the properties of a class
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

typedef enum
{
  VARD_FIELD_KIND_BOOLEAN,
  VARD_FIELD_KIND_INT,
  VARD_FIELD_KIND_UINT,
  VARD_FIELD_KIND_UINT64,
  VARD_FIELD_KIND_DOUBLE,
  VARD_FIELD_KIND_STRING,
  VARD_FIELD_KIND_STRV,
  VARD_FIELD_KIND_ENUM,
} VardFieldKind;

/**
 * VardFieldFlags:
 * @VARD_FIELD_FLAG_MAY_CHANGE: a run may change it when it is resumed: it decides how long or how,
 *   not what
 *
 * What is known of a property beside its kind.
 */
typedef enum /*< flags >*/
{
  VARD_FIELD_FLAG_MAY_CHANGE = 1 << 8,
} VardFieldFlags;

/* Rows are compiled into plugins, so flags have no member of their own: they stand in the upper
 * bits of the kind. */
#define VARD_FIELD_KIND_MASK 0xff

/* One property: where its member is, and what a person needs to know to set it. Write rows with
 * the macros below, which refuse a member of another C type when compiled. */
typedef struct
{
  VardFieldKind kind;
  const char *member; /* kl_weight becomes the property kl-weight */
  const char *blurb;
  gsize offset;
  union
  {
    struct
    {
      gint minimum, maximum, value;
    } i; /* also boolean and enum: the value alone */
    struct
    {
      guint64 minimum, maximum, value;
    } u;
    struct
    {
      double minimum, maximum, value;
    } d;
    const char *text; /* string: NULL for none; a list starts empty */
  } range;
  GType (*get_type) (void); /* enum */
} VardField;

#define VARD_FIELD_OFFSET(Type, member_, ctype) \
  (G_STRUCT_OFFSET (Type, member_)              \
   + 0                                          \
       * sizeof (                               \
         char[__builtin_types_compatible_p (__typeof__ (((Type *) 0)->member_), ctype) ? 1 : -1]))

/* clang-format off */
#define VARD_FIELD_BOOLEAN(Type, member_, blurb_, default_)                                        \
  { .kind = VARD_FIELD_KIND_BOOLEAN, .member = #member_, .blurb = blurb_,                          \
    .offset = VARD_FIELD_OFFSET (Type, member_, gboolean), .range.i = { FALSE, TRUE, default_ } }
#define VARD_FIELD_INT(Type, member_, blurb_, min_, max_, default_)                                \
  { .kind = VARD_FIELD_KIND_INT, .member = #member_, .blurb = blurb_,                              \
    .offset = VARD_FIELD_OFFSET (Type, member_, gint), .range.i = { min_, max_, default_ } }
#define VARD_FIELD_UINT(Type, member_, blurb_, min_, max_, default_)                               \
  VARD_FIELD_UINT_WITH (Type, member_, 0, blurb_, min_, max_, default_)
#define VARD_FIELD_UINT_WITH(Type, member_, flags_, blurb_, min_, max_, default_)                  \
  { .kind = (VardFieldKind) (VARD_FIELD_KIND_UINT | (flags_)), .member = #member_,                 \
    .blurb = blurb_, .offset = VARD_FIELD_OFFSET (Type, member_, guint),                           \
    .range.u = { min_, max_, default_ } }
#define VARD_FIELD_UINT64(Type, member_, blurb_, min_, max_, default_)                             \
  { .kind = VARD_FIELD_KIND_UINT64, .member = #member_, .blurb = blurb_,                           \
    .offset = VARD_FIELD_OFFSET (Type, member_, guint64), .range.u = { min_, max_, default_ } }
#define VARD_FIELD_DOUBLE(Type, member_, blurb_, min_, max_, default_)                             \
  { .kind = VARD_FIELD_KIND_DOUBLE, .member = #member_, .blurb = blurb_,                           \
    .offset = VARD_FIELD_OFFSET (Type, member_, double), .range.d = { min_, max_, default_ } }
/* clang-format on */
/* The member is a char * that the object owns: read it, never free or assign it. */
#define VARD_FIELD_STRING(Type, member_, blurb_, default_) \
  VARD_FIELD_STRING_WITH (Type, member_, 0, blurb_, default_)
#define VARD_FIELD_STRING_WITH(Type, member_, flags_, blurb_, default_)                          \
  {                                                                                              \
    .kind = (VardFieldKind) (VARD_FIELD_KIND_STRING | (flags_)), .member = #member_,             \
    .blurb = blurb_, .offset = VARD_FIELD_OFFSET (Type, member_, char *), .range.text = default_ \
  }
/* The member is a char ** that the object owns, NULL when empty. */
#define VARD_FIELD_STRV(Type, member_, blurb_)                         \
  {                                                                    \
    .kind = VARD_FIELD_KIND_STRV, .member = #member_, .blurb = blurb_, \
    .offset = VARD_FIELD_OFFSET (Type, member_, char **)               \
  }
/* get_type_ is the function that returns the enumeration's GType. */
#define VARD_FIELD_ENUM(Type, member_, blurb_, get_type_, default_)                          \
  {                                                                                          \
    .kind = VARD_FIELD_KIND_ENUM, .member = #member_, .blurb = blurb_,                       \
    .offset = G_STRUCT_OFFSET (Type, member_)                                                \
              + 0 * sizeof (char[sizeof (((Type *) 0)->member_) == sizeof (gint) ? 1 : -1]), \
    .range.i = { 0, 0, default_ }, .get_type = get_type_                                     \
  }

/* Call in class_init. Members get their defaults while the object is constructed, after
 * instance init: read them in `constructed` or later. A class with other properties of its own sets
 * its get_property and set_property first and uses ids below VARD_FIELDS_FIRST_ID. */
#define VARD_FIELDS_FIRST_ID 1000

void vard_fields_install (GObjectClass *klass, const VardField *fields, guint n_fields);
VardFieldFlags vard_fields_get_flags (GParamSpec *pspec);

G_END_DECLS
