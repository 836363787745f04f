/* cpu-region.c - a program of elementwise operations, run tile by tile while the tile is in the
 * nearest cache
 *
 * A value is a load or the result of an instruction. Flat loads and outputs are used where they
 * are; other values live in registers, which are tiles of floats. Memory is thus touched once per
 * operand, whatever the number of operations.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-region.h"
#include "cpu-tile.h"

#include <string.h>

static const guint op_arity[CPU_N_OPS] = {
  [0 ... CPU_OP_COPY] = 1,
  [CPU_OP_ADD... CPU_OP_MINIMUM] = 2,
  [CPU_OP_SELECT] = 3,
};

guint
cpu_op_get_arity (CpuOp op)
{
  return op_arity[op];
}

gboolean
cpu_load_set_strided (CpuLoad *load,
                      const gint64 *extents,
                      const gint64 *strides,
                      guint n_dims,
                      gint64 offset)
{
  gint64 joined[CPU_REGION_MAX_DIMS], steps[CPU_REGION_MAX_DIMS];
  guint n = 0;

  /* from the innermost outwards; neighbours that one stride can walk are joined */
  for (guint d = n_dims; d-- > 0;)
    if (extents[d] == 1)
      continue;
    else if (n > 0 && strides[d] == steps[n - 1] * joined[n - 1])
      joined[n - 1] *= extents[d];
    else
      {
        joined[n] = extents[d];
        steps[n++] = strides[d];
      }
  if (n > 0 && steps[0] > 1)
    return FALSE;

  load->n_dims = n;
  load->offset = offset;
  load->period = 0;
  for (guint d = 0; d < n; d++)
    {
      load->extents[d] = joined[n - 1 - d];
      load->strides[d] = steps[n - 1 - d];
    }
  if (n == 0 || (n == 1 && steps[0] == 0))
    load->kind = CPU_LOAD_UNIFORM;
  else if (n == 1 && offset == 0)
    load->kind = CPU_LOAD_FLAT;
  else
    load->kind = CPU_LOAD_PATTERN;

  return TRUE;
}

static gboolean
cpu_load_is_row (const CpuLoad *load)
{
  return load->kind == CPU_LOAD_PATTERN && load->n_dims == 2 && load->strides[0] == 0;
}

static void
cpu_region_choose_tile (CpuRegion *self)
{
  gint64 tile = self->n_registers > 6 ? CPU_TILE_FLOATS / 2 : CPU_TILE_FLOATS;
  gint64 period = 0;

  for (guint i = 0; i < self->n_loads; i++)
    if (cpu_load_is_row (&self->loads[i]) && self->loads[i].extents[1] <= tile)
      period = MAX (period, self->loads[i].extents[1]);
  self->tile = period > 0 ? tile / period * period : tile;
  for (guint i = 0; i < self->n_loads; i++)
    if (cpu_load_is_row (&self->loads[i]) && self->tile % self->loads[i].extents[1] == 0)
      self->loads[i].period = self->loads[i].extents[1];
}

static gboolean
cpu_load_needs_register (const CpuLoad *load)
{
  return load->kind != CPU_LOAD_FLAT && load->kind != CPU_LOAD_OUTPUT;
}

void
cpu_region_finish (CpuRegion *self)
{
  guint n_values = self->n_loads + self->n_instructions;
  guint last_use[CPU_REGION_MAX_VALUES] = { 0 };
  gboolean busy[CPU_REGION_MAX_VALUES] = { 0 };

  g_assert (n_values <= CPU_REGION_MAX_VALUES);
  for (guint i = 0; i < self->n_instructions; i++)
    for (guint k = 0; k < op_arity[self->instructions[i].op]; k++)
      last_use[self->instructions[i].args[k]] = i;

  /* loads keep theirs: invariant ones are filled once for many tiles */
  self->n_registers = 0;
  for (guint i = 0; i < self->n_loads; i++)
    {
      self->registers[i] = cpu_load_needs_register (&self->loads[i]) ? (gint) self->n_registers++
                                                                     : -1;
      if (self->registers[i] >= 0)
        busy[self->registers[i]] = TRUE;
    }
  for (guint i = 0; i < self->n_instructions; i++)
    {
      const CpuInstruction *instruction = &self->instructions[i];
      guint value = self->n_loads + i;
      guint r = 0;

      for (guint k = 0; k < op_arity[instruction->op]; k++)
        {
          guint arg = instruction->args[k];

          if (arg >= self->n_loads && last_use[arg] == i && self->registers[arg] >= 0)
            busy[self->registers[arg]] = FALSE;
        }
      self->registers[value] = -1;
      if (instruction->out >= 0)
        continue;
      while (busy[r])
        r++;
      busy[r] = TRUE;
      self->registers[value] = r;
      self->n_registers = MAX (self->n_registers, r + 1);
    }
  cpu_region_choose_tile (self);
}

gsize
cpu_region_get_scratch_size (const CpuRegion *self)
{
  return self->n_registers * CPU_TILE_FLOATS * sizeof (float);
}

static void
cpu_fill_floats (float *to, gint64 n, float value)
{
  for (gint64 i = 0; i < n; i++)
    to[i] = value;
}

/* Walks the innermost extent in runs; the outer indices give where each run starts */
static void
cpu_load_pattern (const CpuLoad *load, const float *from, gint64 start, gint64 n, float *to)
{
  guint last = load->n_dims - 1;
  gint64 inner = load->extents[last];
  gint64 row = start / inner, column = start % inner;

  while (n > 0)
    {
      gint64 run = MIN (inner - column, n), offset = load->offset, rest = row;

      for (guint d = last; d-- > 0 && rest > 0;)
        {
          if (load->strides[d] != 0)
            offset += rest % load->extents[d] * load->strides[d];
          rest /= load->extents[d];
        }
      if (load->strides[last] == 0)
        cpu_fill_floats (to, run, from[offset]);
      else
        memcpy (to, from + offset + column, run * sizeof (float));
      to += run;
      n -= run;
      row++;
      column = 0;
    }
}

/* Rows of the input stand in longer rows of zeros */
static void
cpu_load_padded (const CpuLoad *load, const float *from, gint64 start, gint64 n, float *to)
{
  gint64 wide = load->extents[0], narrow = load->strides[0];

  while (n > 0)
    {
      gint64 row = start / wide, column = start % wide, run = MIN (wide - column, n);
      gint64 first = CLAMP (load->offset - column, 0, run);
      gint64 last = CLAMP (load->offset + narrow - column, first, run);

      memset (to, 0, first * sizeof *to);
      memcpy (to + first, from + row * narrow + column + first - load->offset,
              (last - first) * sizeof *to);
      memset (to + last, 0, (run - last) * sizeof *to);
      to += run;
      start += run;
      n -= run;
    }
}

/* Fills the registers that stay the same over the whole range; returns which those are */
static guint64
cpu_region_load_invariants (const CpuRegion *self,
                            gpointer *in,
                            gint64 from,
                            gint64 n,
                            float **values)
{
  guint64 done = 0;

  for (guint i = 0; i < self->n_loads; i++)
    {
      const CpuLoad *load = &self->loads[i];

      if (load->kind == CPU_LOAD_VALUE)
        cpu_fill_floats (values[i], n, load->value);
      else if (load->kind == CPU_LOAD_UNIFORM)
        cpu_fill_floats (values[i], n, ((const float *) in[load->in])[load->offset]);
      else if (load->period > 0 && from % load->period == 0)
        cpu_load_pattern (load, in[load->in], 0, n, values[i]);
      else
        continue;
      done |= G_GUINT64_CONSTANT (1) << i;
    }

  return done;
}

static void
cpu_region_run_tile (const CpuRegion *self,
                     gpointer *in,
                     gpointer *out,
                     gint64 start,
                     gint64 n,
                     guint64 invariants,
                     float **values)
{
  for (guint i = 0; i < self->n_loads; i++)
    {
      const CpuLoad *load = &self->loads[i];

      if (load->kind == CPU_LOAD_FLAT)
        values[i] = (float *) in[load->in] + start;
      else if (load->kind == CPU_LOAD_OUTPUT)
        values[i] = (float *) out[load->in] + start;
      else if (load->kind == CPU_LOAD_PADDED)
        cpu_load_padded (load, in[load->in], start, n, values[i]);
      else if ((invariants >> i & 1) == 0)
        cpu_load_pattern (load, in[load->in], start, n, values[i]);
    }
  for (guint i = 0; i < self->n_instructions; i++)
    {
      const CpuInstruction *x = &self->instructions[i];
      guint value = self->n_loads + i;

      if (x->out >= 0)
        values[value] = (float *) out[x->out] + start;
      cpu_tile_ops[x->op](values[value], values[x->args[0]], values[x->args[1]], values[x->args[2]],
                          n, x->p, x->q);
    }
}

void
cpu_region_run (const CpuRegion *self,
                gpointer *in,
                gpointer *out,
                gint64 from,
                gint64 to,
                gpointer scratch)
{
  float *values[CPU_REGION_MAX_VALUES] = { NULL };

  for (guint i = 0; i < self->n_loads + self->n_instructions; i++)
    if (self->registers[i] >= 0)
      values[i] = (float *) scratch + (gsize) self->registers[i] * CPU_TILE_FLOATS;

  guint64 invariants =
    cpu_region_load_invariants (self, in, from, MIN (self->tile, to - from), values);

  for (gint64 start = from; start < to; start += self->tile)
    cpu_region_run_tile (self, in, out, start, MIN (self->tile, to - start), invariants, values);
}
