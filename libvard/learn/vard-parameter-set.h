/* vard-parameter-set.h - trainable parameters side by side in one flat tensor, their gradients in
 * another
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-executable.h"
#include "nn/vard-module.h"

G_BEGIN_DECLS

typedef struct
{
  VardEngine *engine;
  gint64 count;          /* floats, gaps between parameters included */
  gint64 n_trainable;    /* floats without the gaps */
  VardTensor *weights;   /* [count]; the parameters' tensors are views of it from now on */
  VardTensor *gradients; /* [count], sums until the optimizer clears them */
  GPtrArray *parameters; /* VardParameter, borrowed from the modules */
  GPtrArray *paths;      /* their names */
  GArray *offsets;       /* gint64, in floats */
  VardModule *root;
} VardParameterSet;

/* Calls @func (NULL for nobody) for each trainable parameter below @root with its place in a flat
 * tensor, in floats; returns the count of that tensor */
typedef void (*VardParameterPlaceFunc) (const char *path,
                                        VardParameter *parameter,
                                        gint64 at,
                                        gpointer data);
gint64 vard_parameter_set_foreach (VardModule *root, VardParameterPlaceFunc func, gpointer data);
/* All trainable parameters below @root; an error when there is none */
VardParameterSet *vard_parameter_set_new (VardEngine *engine, VardModule *root, GError **error);
void vard_parameter_set_free (VardParameterSet *self);
/* Emits the gradient of the scalar @loss for every parameter and adds it to the flat gradients */
void vard_parameter_set_record_gradients (VardParameterSet *self, VardNode *loss);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardParameterSet, vard_parameter_set_free)

G_END_DECLS
