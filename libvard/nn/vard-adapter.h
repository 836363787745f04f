/* vard-adapter.h - the interface of adapters beside a linear layer's frozen weight
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "nn/vard-module.h"

G_BEGIN_DECLS

#define VARD_TYPE_ADAPTER (vard_adapter_get_type ())
G_DECLARE_DERIVABLE_TYPE (VardAdapter, vard_adapter, VARD, ADAPTER, VardModule)

struct _VardAdapterClass
{
  VardModuleClass parent_class;

  /* x [rows, in], y [rows, out] of the layer without it -> the new y */
  VardNode *(*record) (VardAdapter *self, VardNode *x, VardNode *y);
  /* adds to a host copy of the weight [out, in] what the adapter does to it */
  void (*merge) (VardAdapter *self, float *weight, gint64 n_out, gint64 n_in);
  /* weight [out, in] of the layer without it, for @n_rows rows -> the weight that does what both
   * do, or NULL where record costs less; optional */
  VardNode *(*record_weight) (VardAdapter *self, VardNode *weight, gint64 n_rows);

  gpointer padding[3];
};

VardNode *vard_adapter_record (VardAdapter *self, VardNode *x, VardNode *y);
VardNode *vard_adapter_record_weight (VardAdapter *self, VardNode *weight, gint64 n_rows);
void vard_adapter_merge (VardAdapter *self, float *weight, gint64 n_out, gint64 n_in);

G_END_DECLS
