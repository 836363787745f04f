/* vard-pth.h - reads PyTorch weight files (.pth, .pt, .bin) without running them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "tensor/vard-tensor.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_PTH (vard_pth_get_type ())
G_DECLARE_FINAL_TYPE (VardPth, vard_pth, VARD, PTH, GObject)

/* Such a file is a program that makes tensors when it is run. It is not run: the words for plain
 * data are read, and a file that needs any other is refused. Only the format of PyTorch 1.6 and
 * later, a zip archive. */
VardPth *vard_pth_open (const char *path, GError **error);
const char *vard_pth_get_path (VardPth *self);
/* Keys of nested dictionaries, joined by '.'; NULL-terminated, owned by the reader */
const char *const *vard_pth_peek_names (VardPth *self);
gboolean vard_pth_contains (VardPth *self, const char *name);
/* A read-only view of the mapped file, or a copy where the data is unaligned, not contiguous or
 * f64, which becomes f32; (transfer full) */
VardTensor *vard_pth_lookup (VardPth *self, const char *name, GError **error);

G_END_DECLS
