/* vard-lora.h - low-rank adapters: y + scale B A x beside a frozen weight
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-linear.h"
#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_LORA (vard_lora_get_type ())
G_DECLARE_FINAL_TYPE (VardLora, vard_lora, VARD, LORA, VardAdapter)

/* @key: of the random numbers of A */
VardLora *vard_lora_new (gint64 n_in, gint64 n_out, guint rank, double alpha, guint64 key);
/* one that does what both do: its rank is the sum of theirs, its scale is one */
VardLora *vard_lora_new_stacked (VardLora *first, VardLora *second);
guint vard_lora_get_rank (VardLora *self);
/* alpha / rank */
double vard_lora_get_scale (VardLora *self);
VardParameter *vard_lora_peek_down (VardLora *self);
VardParameter *vard_lora_peek_up (VardLora *self);

/* Puts an adapter on every linear layer below @root whose path is one of @targets or ends in one
 * after a '.' (NULL: to_q, to_k, to_v, to_out.0), freezes everything else, and makes the adapters
 * trainable. An error when a target matches nothing or a layer has one already. */
gboolean vard_lora_attach (VardModule *root,
                           const char *const *targets,
                           guint rank,
                           double alpha,
                           guint64 seed,
                           GError **error);

typedef void (*VardLoraFunc) (const char *path, VardLinear *layer, VardLora *lora, gpointer data);
/* layers below @root that have one, by their paths */
void vard_lora_foreach (VardModule *root, VardLoraFunc func, gpointer data);
/* Whether adapters below @root may be recorded as W + scale B A: for engines whose products do not
 * round W. Not at first. */
void vard_lora_set_merging (VardModule *root, gboolean may_merge);
/* takes all of them away; returns how many there were */
guint vard_lora_detach (VardModule *root);

G_END_DECLS
