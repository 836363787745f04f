/* vard-checkpoint-weights.h - trained weights of a checkpoint, to look at
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* Whatever trains, a checkpoint keeps the model's trained parameters side by side under the first
 * of these names, and under the second their average where there is one: f32, in the order and with
 * the gaps of vard_parameter_set_foreach(). */
#define VARD_CHECKPOINT_FILE "trainer.safetensors"
#define VARD_CHECKPOINT_WEIGHTS "policy/weights"
#define VARD_CHECKPOINT_AVERAGE "policy/average"

/* Sets the trainable parameters below @root to those of the checkpoint in @directory: to the
 * average where it has one, as evaluations and exports do. The parameters become views of the
 * mapped file. */
gboolean vard_checkpoint_weights_read (const char *directory, VardModule *root, GError **error);

G_END_DECLS
