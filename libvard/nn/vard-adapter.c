/* vard-adapter.c - the interface of adapters beside a linear layer's frozen weight
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/vard-adapter.h"

G_DEFINE_ABSTRACT_TYPE (VardAdapter, vard_adapter, VARD_TYPE_MODULE)

VardNode *
vard_adapter_record (VardAdapter *self, VardNode *x, VardNode *y)
{
  g_return_val_if_fail (VARD_IS_ADAPTER (self), y);

  return VARD_ADAPTER_GET_CLASS (self)->record (self, x, y);
}

VardNode *
vard_adapter_record_weight (VardAdapter *self, VardNode *weight, gint64 n_rows)
{
  g_return_val_if_fail (VARD_IS_ADAPTER (self), NULL);

  VardAdapterClass *klass = VARD_ADAPTER_GET_CLASS (self);

  return klass->record_weight != NULL ? klass->record_weight (self, weight, n_rows) : NULL;
}

void
vard_adapter_merge (VardAdapter *self, float *weight, gint64 n_out, gint64 n_in)
{
  g_return_if_fail (VARD_IS_ADAPTER (self));

  VARD_ADAPTER_GET_CLASS (self)->merge (self, weight, n_out, n_in);
}

static void
vard_adapter_class_init (VardAdapterClass *klass)
{
}

static void
vard_adapter_init (VardAdapter *self)
{
}
