/* vard-condition.h - a model's named inputs, and what one prompt puts into them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-executable.h"

G_BEGIN_DECLS

#define VARD_CONDITION_MAX_SLOTS 4

/* One named input of the denoiser. @shape is that of one prompt, without the batch. Guidance needs
 * F32; a model that is never guided may have I32 slots. */
typedef struct
{
  const char *name; /* interned or static */
  VardDType dtype;
  VardShape shape;
} VardConditionSlot;

/* All inputs that a prompt becomes, in the order in which the model takes them, and the width of
 * the one vector that tells a value network about the prompt */
typedef struct
{
  VardConditionSlot slots[VARD_CONDITION_MAX_SLOTS];
  guint n_slots;
  gint64 summary_width;
} VardConditionLayout;

void vard_condition_layout_add (VardConditionLayout *self,
                                const char *name,
                                VardDType dtype,
                                VardShape shape);
gsize vard_condition_layout_get_size (const VardConditionLayout *self, guint slot);
void vard_condition_layout_record_inputs (const VardConditionLayout *self,
                                          VardGraph *graph,
                                          const char *prefix,
                                          guint n,
                                          VardNode **nodes);

/**
 * VardCondition:
 *
 * What one prompt becomes: numbers for each slot of a layout, and a summary. It is counted, and
 * nobody changes it once it is encoded.
 */
typedef struct _VardCondition VardCondition;

#define VARD_TYPE_CONDITION (vard_condition_get_type ())

GType vard_condition_get_type (void) G_GNUC_CONST;
VardCondition *vard_condition_new (const VardConditionLayout *layout);
VardCondition *vard_condition_ref (VardCondition *self);
void vard_condition_unref (VardCondition *self);
gpointer vard_condition_peek_values (const VardCondition *self, guint slot);
float *vard_condition_peek_summary (const VardCondition *self);
void vard_condition_record_constants (const VardCondition *self,
                                      VardGraph *graph,
                                      VardNode **nodes);
gboolean vard_condition_bind (const VardCondition *const *conditions,
                              guint n,
                              VardExecutable *executable,
                              const char *prefix,
                              GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardCondition, vard_condition_unref)

G_END_DECLS
