/* test-image-pool.c - pictures in memory that another process can map
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include <string.h>
#include <sys/mman.h>

#define MB ((gsize) 1 << 20)

static GBytes *
make (VardImagePool *pool, gsize size, guint8 value)
{
  guint8 *pixels = NULL;
  GBytes *bytes = vard_image_pool_allocate (pool, size, &pixels);

  g_assert_nonnull (bytes);
  g_assert_true (g_bytes_get_data (bytes, NULL) == pixels);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, size);
  memset (pixels, value, size);
  return bytes;
}

/* Whoever maps the descriptor sees what was written, where it is said to be. */
static void
test_pool_places (void)
{
  g_autoptr (VardImagePool) pool = vard_image_pool_new ();
  g_autoptr (VardImagePool) other = vard_image_pool_new ();
  GBytes *pictures[7];
  VardImagePlace place;

  for (guint i = 0; i < G_N_ELEMENTS (pictures); i++)
    pictures[i] = make (pool, 5 * MB + i, 10 + i); /* three a slab */
  for (guint i = 0; i < G_N_ELEMENTS (pictures); i++)
    {
      g_assert_true (vard_image_pool_locate (pool, pictures[i], &place));
      g_assert_false (vard_image_pool_locate (other, pictures[i], &place));
      g_assert_cmpuint (place.slab, ==, 1 + i / 3);

      guint8 *seen = mmap (NULL, place.size, PROT_READ, MAP_SHARED, place.fd, 0);
      g_assert_true (seen != MAP_FAILED);
      g_assert_cmpmem (seen + place.offset, 5 * MB + i, g_bytes_get_data (pictures[i], NULL),
                       5 * MB + i);
      g_assert_cmpuint (seen[place.offset], ==, 10 + i);
      munmap (seen, place.size);
    }
  for (guint i = 0; i < G_N_ELEMENTS (pictures); i++)
    g_bytes_unref (pictures[i]);
}

/* A run stands on the same slabs; pictures that are kept stay what they are. */
static void
test_pool_reuse (void)
{
  g_autoptr (VardImagePool) pool = vard_image_pool_new ();
  g_autoptr (GBytes) kept = make (pool, MB, 77);
  VardImagePlace place;

  for (guint round = 0; round < 50; round++)
    {
      GBytes *pictures[40];

      for (guint i = 0; i < G_N_ELEMENTS (pictures); i++)
        pictures[i] = make (pool, MB, round);
      for (guint i = 0; i < G_N_ELEMENTS (pictures); i++)
        {
          g_assert_true (vard_image_pool_locate (pool, pictures[i], &place));
          g_assert_cmpuint (place.slab, <=, 4);
          g_bytes_unref (pictures[i]);
        }
    }
  for (gsize i = 0; i < MB; i++)
    g_assert_cmpuint (((const guint8 *) g_bytes_get_data (kept, NULL))[i], ==, 77);
}

/* What is too much to keep is given back, and said to be gone. */
static void
test_pool_trim (void)
{
  g_autoptr (VardImagePool) pool = vard_image_pool_new ();
  GBytes *large[3];
  guint n_left = 0;

  for (guint i = 0; i < G_N_ELEMENTS (large); i++)
    {
      guint8 *pixels;

      /* not touched: no memory is used */
      large[i] = vard_image_pool_allocate (pool, 200 * MB, &pixels);
      g_assert_nonnull (large[i]);
      g_assert_true (vard_image_pool_has_slab (pool, 1 + i));
    }
  for (guint i = 0; i < G_N_ELEMENTS (large); i++)
    g_bytes_unref (large[i]);
  for (guint i = 0; i < G_N_ELEMENTS (large); i++)
    n_left += vard_image_pool_has_slab (pool, 1 + i);
  g_assert_cmpuint (n_left, ==, 1);
}

/* A picture may outlive its pool, in any thread. */
static gpointer
use_late (gpointer data)
{
  GBytes *bytes = data;

  g_usleep (10000);
  g_assert_cmpuint (((const guint8 *) g_bytes_get_data (bytes, NULL))[MB - 1], ==, 3);
  g_bytes_unref (bytes);
  return NULL;
}

static void
test_pool_outlived (void)
{
  g_autoptr (VardImagePool) pool = vard_image_pool_new ();
  GThread *thread = g_thread_new ("late", use_late, make (pool, MB, 3));

  g_clear_object (&pool);
  g_thread_join (thread);
}

static gpointer
fill_many (gpointer pool)
{
  for (guint round = 0; round < 500; round++)
    {
      g_autoptr (GBytes) bytes = make (pool, 1000 + round, round);
      const guint8 *pixels = g_bytes_get_data (bytes, NULL);

      for (guint i = 0; i < 1000 + round; i++)
        g_assert_cmpuint (pixels[i], ==, (guint8) round);
    }
  return NULL;
}

static void
test_pool_threads (void)
{
  g_autoptr (VardImagePool) pool = vard_image_pool_new ();
  GThread *threads[4];

  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("fill", fill_many, pool);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image-pool/places", test_pool_places);
  g_test_add_func ("/image-pool/reuse", test_pool_reuse);
  g_test_add_func ("/image-pool/trim", test_pool_trim);
  g_test_add_func ("/image-pool/outlived", test_pool_outlived);
  g_test_add_func ("/image-pool/threads", test_pool_threads);
  return g_test_run ();
}
