/* vard-exporter.h - writes adapters and models in files that other programs load
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine.h"
#include "models/vard-model.h"
#include "run/vard-run.h"
#include "tensor/vard-dtype.h"

G_BEGIN_DECLS

/**
 * VardExportFormat:
 * @VARD_EXPORT_FORMAT_DIFFUSERS: the adapters as diffusers spells them
 * @VARD_EXPORT_FORMAT_KOHYA: the adapters as kohya spells them, for A1111, Forge and ComfyUI
 * @VARD_EXPORT_FORMAT_MERGED_FOLDER: a whole model folder with the adapters in the weights
 * @VARD_EXPORT_FORMAT_MERGED_SINGLE_FILE: a whole model in one file
 *
 * What is written.
 */
typedef enum
{
  VARD_EXPORT_FORMAT_DIFFUSERS,
  VARD_EXPORT_FORMAT_KOHYA,
  VARD_EXPORT_FORMAT_MERGED_FOLDER,
  VARD_EXPORT_FORMAT_MERGED_SINGLE_FILE,
} VardExportFormat;

#define VARD_TYPE_EXPORT_FORMAT (vard_export_format_get_type ())
GType vard_export_format_get_type (void) G_GNUC_CONST;

typedef struct
{
  VardExportFormat format;
  VardDType dtype;       /* of merged weights: f32 or f16 */
  const char *tokenizer; /* where a single file's tokenizer is; NULL: beside it */
  GHashTable *metadata;  /* string to string, or NULL */
} VardExportRequest;

typedef struct
{
  guint n_layers;  /* with an adapter */
  guint n_tensors; /* in the file, or in those of the folder */
  /* what the adapters do to the output, relative to its largest value */
  double change;
  double error; /* of what was read back, relative to the largest value */
} VardExportReport;

/* Writes @path, reads it back and compares the outputs of one forward pass with those of the live
 * model. What does not reproduce them is removed again. LoRA formats take the adapters off the
 * model. */
gboolean vard_export_model (VardModel *model,
                            VardEngine *engine,
                            const char *path,
                            const VardExportRequest *request,
                            VardExportReport *report,
                            GError **error);
/* Provenance for the header: keys vard_*, modelspec.* and, for kohya's readers, ss_*. @run may be
 * NULL; @step is that of it which the weights are from. (transfer full) */
GHashTable *vard_export_dup_metadata (VardModel *model,
                                      VardRun *run,
                                      guint64 step,
                                      const char *title,
                                      VardExportFormat format,
                                      const char *const *adapters);

G_END_DECLS
