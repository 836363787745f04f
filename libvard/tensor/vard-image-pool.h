/* vard-image-pool.h - memory for pictures that another process can read in place
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define VARD_TYPE_IMAGE_POOL (vard_image_pool_get_type ())
G_DECLARE_FINAL_TYPE (VardImagePool, vard_image_pool, VARD, IMAGE_POOL, GObject)

/**
 * VardImagePlace: (skip)
 * @slab: which slab; the number is never used again for another one
 * @fd: the slab's memory; the pool's to close
 * @size: bytes of the slab
 * @offset: of the picture in it
 *
 * Where a picture lies.
 */
typedef struct
{
  guint64 slab;
  int fd;
  gsize size;
  gsize offset;
} VardImagePlace;

VardImagePool *vard_image_pool_new (void);
GBytes *vard_image_pool_allocate (VardImagePool *self, gsize size, guint8 **pixels);
gboolean vard_image_pool_locate (VardImagePool *self, GBytes *bytes, VardImagePlace *place);
gboolean vard_image_pool_has_slab (VardImagePool *self, guint64 slab);

G_END_DECLS
