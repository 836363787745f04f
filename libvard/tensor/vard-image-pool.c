/* vard-image-pool.c - memory for pictures that another process can read in place
 *
 * Pictures are allocated one after another from slabs. A slab is an unnamed file whose descriptor
 * another process maps. When the last picture of a slab is freed, the slab is used again from its
 * beginning, so a run needs only a few slabs, and a process maps each of them once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#define _GNU_SOURCE /* memfd_create */

#include "tensor/vard-image-pool.h"

#include <sys/mman.h>
#include <unistd.h>

#define SLAB_SIZE ((gsize) 16 << 20)
/* bytes that wait for pictures; what is above is given back */
#define MOST_IDLE ((gsize) 256 << 20)
#define ALIGNMENT 64

/* Lives as long as its pool or a picture in it */
typedef struct
{
  GMutex lock;
  GPtrArray *slabs; /* of Slab */
  guint64 last_id;
} Store;

typedef struct
{
  Store *store; /* one reference for each picture in the slab */
  guint64 id;
  int fd;
  guint8 *memory;
  gsize size, used;
  guint n_pictures;
} Slab;

struct _VardImagePool
{
  GObject parent_instance;
  Store *store;
};

G_DEFINE_FINAL_TYPE (VardImagePool, vard_image_pool, G_TYPE_OBJECT)

static void
slab_free (gpointer data)
{
  Slab *slab = data;

  if (slab->memory != NULL)
    munmap (slab->memory, slab->size);
  if (slab->fd >= 0)
    close (slab->fd);
  g_free (slab);
}

static void
store_clear (gpointer data)
{
  Store *store = data;

  g_ptr_array_unref (store->slabs);
  g_mutex_clear (&store->lock);
}

static void
store_unref (Store *store)
{
  g_atomic_rc_box_release_full (store, store_clear);
}

/* NULL when the system has no memory to share; called with the lock held */
static Slab *
store_add_slab (Store *store, gsize size)
{
  Slab *slab = g_new0 (Slab, 1);

  slab->size = MAX (size, SLAB_SIZE);
  slab->fd = memfd_create ("vard-pictures", MFD_CLOEXEC);
  if (slab->fd >= 0 && ftruncate (slab->fd, (off_t) slab->size) == 0)
    slab->memory = mmap (NULL, slab->size, PROT_READ | PROT_WRITE, MAP_SHARED, slab->fd, 0);
  if (slab->memory == MAP_FAILED)
    slab->memory = NULL;
  if (slab->memory == NULL)
    {
      slab_free (slab);
      return NULL;
    }
  slab->store = store;
  slab->id = ++store->last_id;
  g_ptr_array_add (store->slabs, slab);

  return slab;
}

/* The newest slab with room comes first: older ones get the chance to become empty. */
static Slab *
store_find_room (Store *store, gsize size)
{
  for (guint i = store->slabs->len; i-- > 0;)
    {
      Slab *slab = store->slabs->pdata[i];

      if (slab->size - slab->used >= size)
        return slab;
    }

  return store_add_slab (store, size);
}

static void
store_trim (Store *store)
{
  gsize idle = 0;

  for (guint i = store->slabs->len; i-- > 0;)
    {
      const Slab *slab = store->slabs->pdata[i];

      if (slab->n_pictures == 0 && (idle += slab->size) > MOST_IDLE)
        g_ptr_array_remove_index (store->slabs, i);
    }
}

static void
slab_release_picture (gpointer data)
{
  Slab *slab = data;
  Store *store = slab->store;

  g_mutex_lock (&store->lock);
  if (--slab->n_pictures == 0)
    {
      slab->used = 0;
      store_trim (store);
    }
  g_mutex_unlock (&store->lock);
  store_unref (store);
}

/**
 * vard_image_pool_new:
 *
 * Returns: (transfer full): a pool without memory yet
 */
VardImagePool *
vard_image_pool_new (void)
{
  return g_object_new (VARD_TYPE_IMAGE_POOL, NULL);
}

/**
 * vard_image_pool_allocate: (skip)
 * @self: a pool
 * @size: bytes of a picture
 * @pixels: (out): where to write them, before anybody else has the bytes
 *
 * Safe to call from any thread. Free the bytes to give the memory back.
 *
 * Returns: (transfer full) (nullable): the bytes, or %NULL when the system has no memory to share
 */
GBytes *
vard_image_pool_allocate (VardImagePool *self, gsize size, guint8 **pixels)
{
  g_return_val_if_fail (VARD_IS_IMAGE_POOL (self) && pixels != NULL, NULL);
  g_return_val_if_fail (size > 0 && size < G_MAXSSIZE - ALIGNMENT, NULL);

  gsize taken = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  guint8 *begin = NULL;

  g_mutex_lock (&self->store->lock);
  Slab *slab = store_find_room (self->store, taken);
  if (slab != NULL)
    {
      begin = slab->memory + slab->used;
      slab->used += taken;
      slab->n_pictures++;
      g_atomic_rc_box_acquire (self->store);
    }
  g_mutex_unlock (&self->store->lock);
  if (slab == NULL)
    return NULL;
  *pixels = begin;

  return g_bytes_new_with_free_func (begin, size, slab_release_picture, slab);
}

/**
 * vard_image_pool_locate: (skip)
 * @self: a pool
 * @bytes: a picture
 * @place: (out caller-allocates): where it lies
 *
 * Returns: %FALSE, and @place is not written, when @bytes is not of this pool
 */
gboolean
vard_image_pool_locate (VardImagePool *self, GBytes *bytes, VardImagePlace *place)
{
  g_return_val_if_fail (VARD_IS_IMAGE_POOL (self) && bytes != NULL && place != NULL, FALSE);

  gsize size;
  guintptr begin = (guintptr) g_bytes_get_data (bytes, &size);
  gboolean found = FALSE;

  g_mutex_lock (&self->store->lock);
  for (guint i = 0; i < self->store->slabs->len && !found; i++)
    {
      const Slab *slab = self->store->slabs->pdata[i];
      guintptr memory = (guintptr) slab->memory;

      found = begin >= memory && begin < memory + slab->size;
      if (found)
        *place = (VardImagePlace) { slab->id, slab->fd, slab->size, begin - memory };
    }
  g_mutex_unlock (&self->store->lock);

  return found;
}

/**
 * vard_image_pool_has_slab: (skip)
 * @self: a pool
 * @slab: a slab that a picture was in
 *
 * Returns: whether it is still there
 */
gboolean
vard_image_pool_has_slab (VardImagePool *self, guint64 slab)
{
  g_return_val_if_fail (VARD_IS_IMAGE_POOL (self), FALSE);

  gboolean found = FALSE;

  g_mutex_lock (&self->store->lock);
  for (guint i = 0; i < self->store->slabs->len && !found; i++)
    found = ((const Slab *) self->store->slabs->pdata[i])->id == slab;
  g_mutex_unlock (&self->store->lock);

  return found;
}

static void
vard_image_pool_finalize (GObject *object)
{
  store_unref (VARD_IMAGE_POOL (object)->store);
  G_OBJECT_CLASS (vard_image_pool_parent_class)->finalize (object);
}

static void
vard_image_pool_class_init (VardImagePoolClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_image_pool_finalize;
}

static void
vard_image_pool_init (VardImagePool *self)
{
  self->store = g_atomic_rc_box_new0 (Store);
  g_mutex_init (&self->store->lock);
  self->store->slabs = g_ptr_array_new_with_free_func (slab_free);
}
