/* vard-plan.c - places memory blocks in one arena ahead of time
 *
 * Largest blocks first, each into the tightest gap among the blocks that are alive at the same
 * time. Measured by the design's trial within 0.4 % of the lower bound on a diffusion UNet's
 * training step.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine/vard-plan.h"

#include "base/vard-error.h"

static gint
vard_plan_compare_size (gconstpointer a, gconstpointer b)
{
  const VardBlock *x = *(VardBlock *const *) a, *y = *(VardBlock *const *) b;

  if (x->size != y->size)
    return x->size > y->size ? -1 : 1;
  if (x->first != y->first)
    return x->first < y->first ? -1 : 1;

  return x < y ? -1 : x > y;
}

static gboolean
vard_plan_lives_with (const VardBlock *a, const VardBlock *b)
{
  return a->first <= b->last && b->first <= a->last;
}

/* placed is sorted by offset */
static gsize
vard_plan_find_gap (const VardBlock *block, GPtrArray *placed)
{
  gsize end = 0, best = G_MAXSIZE, best_gap = G_MAXSIZE;

  for (guint i = 0; i < placed->len; i++)
    {
      const VardBlock *other = g_ptr_array_index (placed, i);

      if (!vard_plan_lives_with (block, other))
        continue;
      if (other->offset >= end + block->size && other->offset - end < best_gap)
        {
          best = end;
          best_gap = other->offset - end;
        }
      end = MAX (end, other->offset + other->size);
    }

  return best == G_MAXSIZE ? end : best;
}

static void
vard_plan_insert_by_offset (GPtrArray *placed, VardBlock *block)
{
  guint low = 0, high = placed->len;

  while (low < high)
    {
      guint middle = (low + high) / 2;
      const VardBlock *other = g_ptr_array_index (placed, middle);

      if (other->offset <= block->offset)
        low = middle + 1;
      else
        high = middle;
    }
  g_ptr_array_insert (placed, low, block);
}

gsize
vard_plan_blocks (VardBlock *blocks, guint n_blocks)
{
  g_autoptr (GPtrArray) order = g_ptr_array_sized_new (n_blocks);
  g_autoptr (GPtrArray) placed = g_ptr_array_sized_new (n_blocks);
  gsize total = 0;

  for (guint i = 0; i < n_blocks; i++)
    {
      blocks[i].size = (blocks[i].size + VARD_BLOCK_ALIGNMENT - 1)
                       & ~(gsize) (VARD_BLOCK_ALIGNMENT - 1);
      g_ptr_array_add (order, &blocks[i]);
    }
  g_ptr_array_sort (order, vard_plan_compare_size);
  for (guint i = 0; i < n_blocks; i++)
    {
      VardBlock *block = g_ptr_array_index (order, i);

      block->offset = vard_plan_find_gap (block, placed);
      vard_plan_insert_by_offset (placed, block);
      total = MAX (total, block->offset + block->size);
    }

  return total;
}

gboolean
vard_plan_verify (const VardBlock *blocks, guint n_blocks, GError **error)
{
  for (guint i = 0; i < n_blocks; i++)
    for (guint j = 0; j < i; j++)
      if (vard_plan_lives_with (&blocks[i], &blocks[j])
          && blocks[i].offset < blocks[j].offset + blocks[j].size
          && blocks[j].offset < blocks[i].offset + blocks[i].size)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_GRAPH,
                       "blocks %u and %u overlap at offsets %" G_GSIZE_FORMAT
                       " and %" G_GSIZE_FORMAT,
                       j, i, blocks[j].offset, blocks[i].offset);
          return FALSE;
        }
  for (guint i = 0; i < n_blocks; i++)
    if (blocks[i].offset % VARD_BLOCK_ALIGNMENT)
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_GRAPH,
                     "block %u lies at %" G_GSIZE_FORMAT ", not a multiple of %d", i,
                     blocks[i].offset, VARD_BLOCK_ALIGNMENT);
        return FALSE;
      }

  return TRUE;
}
