/* vard-value-net.h - the value network: the expected reward of a noisy latent, V (x_t, t, text)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_VALUE_NET (vard_value_net_get_type ())
G_DECLARE_FINAL_TYPE (VardValueNet, vard_value_net, VARD, VALUE_NET, VardModule)

/* @n_channels: of the latent; @text_width: of a prompt's summary; @width: of the first stage (32
 * for small latents). Trainable; its output is zero until it is trained. */
VardValueNet *vard_value_net_new (gint64 n_channels, gint64 text_width, gint64 width, guint64 seed);
/* Reads what vard_value_net_save wrote, sizes included */
VardValueNet *vard_value_net_new_from_file (const char *path, GError **error);
gboolean vard_value_net_save (VardValueNet *self, const char *path, GError **error);
/* x [n, h, w, channels] (h and w multiples of 4), timesteps f32 [n] in training timesteps, text [n,
 * text_width]: the prompts' summaries -> [n] */
VardNode *vard_value_net_record (VardValueNet *self,
                                 VardNode *x,
                                 VardNode *timesteps,
                                 VardNode *text);

G_END_DECLS
