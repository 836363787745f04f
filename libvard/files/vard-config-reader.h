/* vard-config-reader.h - reads a component's config.json key by key
 *
 * Absent and null both mean the default. The first wrong value is kept as the error, so that a
 * reader of twenty keys checks once at the end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

typedef struct _VardConfigReader VardConfigReader;

VardConfigReader *vard_config_reader_new (const char *path, GError **error);
/* @name stands for a path in messages */
VardConfigReader *vard_config_reader_new_from_text (const char *name,
                                                    const char *text,
                                                    GError **error);
void vard_config_reader_free (VardConfigReader *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardConfigReader, vard_config_reader_free)

const char *vard_config_reader_get_path (VardConfigReader *self);
/* FALSE with the first error once one was met */
gboolean vard_config_reader_finish (VardConfigReader *self, GError **error);
/* says that @key has a value vard does not support, and what it does */
void vard_config_reader_refuse (VardConfigReader *self, const char *key, const char *supported);

/* NULL where the key is absent or null */
JsonNode *vard_config_reader_peek (VardConfigReader *self, const char *key);
gint64 vard_config_reader_get_int (VardConfigReader *self,
                                   const char *key,
                                   gint64 fallback,
                                   gint64 minimum,
                                   gint64 maximum);
double vard_config_reader_get_double (VardConfigReader *self, const char *key, double fallback);
gboolean vard_config_reader_get_bool (VardConfigReader *self, const char *key, gboolean fallback);
/* owned by the reader */
const char *vard_config_reader_get_string (VardConfigReader *self,
                                           const char *key,
                                           const char *fallback);
/* an array of @n integers, or one integer for all of them */
void vard_config_reader_get_ints (VardConfigReader *self,
                                  const char *key,
                                  gint64 fallback,
                                  gint64 minimum,
                                  gint64 maximum,
                                  gint64 *values,
                                  guint n);
/* the length of an array, 0 where it is absent or no array */
guint vard_config_reader_get_length (VardConfigReader *self, const char *key);
/* element @i of an array of strings, as an index into @choices; refused when it is none of them */
guint vard_config_reader_get_choice (VardConfigReader *self,
                                     const char *key,
                                     guint i,
                                     const char *const *choices);

/* Keys that must have their default, because nothing else is supported. @json is the default as
 * JSON text. */
typedef struct
{
  const char *key;
  const char *json;
} VardConfigFixed;

void vard_config_reader_check_fixed (VardConfigReader *self,
                                     const VardConfigFixed *fixed,
                                     guint n_fixed);

G_END_DECLS
