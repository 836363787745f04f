/* cuda-weights.h - parameters on the device in the layout that steps read
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cuda-device.h"
#include "kernels/cuda-args.h"

G_BEGIN_DECLS

/* The values of a tensor that is on the host, or of all that a buffer on the device holds, in a
 * type and order of their own. Shared by all programs of a device that want the same; made when the
 * first of them runs, and again when the original was written. */
typedef struct
{
  grefcount ref_count;
  CudaDevice *device;
  char *key;          /* in the device's table */
  VardTensor *tensor; /* or NULL: */
  VardBuffer *source; /* single precision, on the device */
  VardDType dtype;
  gboolean is_permuted;
  VardPermuteAttrs order;
  VardBuffer *values; /* without an address until it is made */
  gboolean is_stale;
} CudaWeight;

/* order NULL: as the tensor lies */
CudaWeight *cuda_weight_get (CudaDevice *device,
                             VardTensor *tensor,
                             const VardPermuteAttrs *order,
                             VardDType dtype);
CudaWeight *cuda_weight_get_flat (CudaDevice *device, VardBuffer *source, VardDType dtype);
CudaWeight *cuda_weight_ref (CudaWeight *self);
void cuda_weight_unref (gpointer self);
/* nothing when it is up to date */
gboolean cuda_weight_refresh (CudaWeight *self, GError **error);
/* some buffers were written */
void cuda_weights_touch (CudaDevice *device, GHashTable *buffers);

/* bytes of all weights, and of those that are made */
gsize cuda_weights_count (CudaDevice *device, gsize *n_made);

G_END_DECLS
