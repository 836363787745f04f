/* vard-state-file.h - arrays and numbers of a checkpoint as one safetensors file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine-buffers.h"
#include "tensor/vard-safetensors.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* The format that is written, a number in every file. Format 1 has none, and keeps doubles bit by
 * bit in arrays of I64. */
#define VARD_STATE_FORMAT 2

/* Collects what to write; arrays are not copied and must stay until it is written */
typedef struct
{
  GArray *entries;    /* VardSafetensorsEntry */
  GPtrArray *owned;   /* tensors and engines */
  GPtrArray *fetches; /* what is read from an engine when its turn comes */
  JsonObject *numbers;
} VardStateWriter;

VardStateWriter *vard_state_writer_new (void);
void vard_state_writer_free (VardStateWriter *self);
/* Of 4 bytes an element, f32 and i32, or of 8, i64 */
void vard_state_writer_add (VardStateWriter *self,
                            const char *name,
                            VardDType dtype,
                            gpointer data,
                            gsize count);
void vard_state_writer_add_doubles (VardStateWriter *self,
                                    const char *name,
                                    double *data,
                                    gsize count);
/* what an engine has is read from it when its turn comes, one tensor at a time */
void vard_state_writer_add_tensor (VardStateWriter *self,
                                   const char *name,
                                   VardEngine *engine,
                                   VardTensor *tensor);
gboolean vard_state_writer_write (VardStateWriter *self, const char *path, GError **error);

typedef struct
{
  VardSafetensors *file;
  JsonObject *numbers;
  gint64 format; /* 1 to VARD_STATE_FORMAT */
} VardStateReader;

VardStateReader *vard_state_reader_new (const char *path, GError **error);
void vard_state_reader_free (VardStateReader *self);
/* elements of an array, 0 when it is not there */
gsize vard_state_reader_get_count (VardStateReader *self, const char *name);
/* Exactly count elements of dtype in the mapped file, or an error that names both; (transfer
 * full) */
VardTensor *vard_state_reader_lookup (VardStateReader *self,
                                      const char *name,
                                      VardDType dtype,
                                      gsize count,
                                      GError **error);
/* copies them */
gboolean vard_state_reader_read (VardStateReader *self,
                                 const char *name,
                                 VardDType dtype,
                                 gpointer data,
                                 gsize count,
                                 GError **error);
gboolean vard_state_reader_get_int (VardStateReader *self,
                                    const char *name,
                                    gint64 *value,
                                    GError **error);
gboolean vard_state_reader_get_double (VardStateReader *self,
                                       const char *name,
                                       double *value,
                                       GError **error);

/* Exactly count doubles, whatever the format of the file is */
gboolean vard_state_reader_read_doubles (VardStateReader *self,
                                         const char *name,
                                         double *data,
                                         gsize count,
                                         GError **error);
/* Borrowed from the file; an error where it is no text */
gboolean vard_state_reader_get_text (VardStateReader *self,
                                     const char *name,
                                     const char **value,
                                     GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardStateWriter, vard_state_writer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardStateReader, vard_state_reader_free)

G_END_DECLS
