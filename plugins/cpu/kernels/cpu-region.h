/* cpu-region.h - an elementwise program, run tile by tile within the nearest cache
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define CPU_REGION_MAX_LOADS 48
#define CPU_REGION_MAX_INSTRUCTIONS 64
#define CPU_REGION_MAX_VALUES (CPU_REGION_MAX_LOADS + CPU_REGION_MAX_INSTRUCTIONS)
#define CPU_REGION_MAX_OUTPUTS 8
#define CPU_REGION_MAX_DIMS 6
#define CPU_TILE_FLOATS 1024

typedef enum
{
  CPU_OP_NEG,
  CPU_OP_EXP,
  CPU_OP_LOG,
  CPU_OP_SQRT,
  CPU_OP_RSQRT,
  CPU_OP_SQUARE,
  CPU_OP_RECIPROCAL,
  CPU_OP_SIGMOID,
  CPU_OP_SILU,
  CPU_OP_TANH,
  CPU_OP_ERF,
  CPU_OP_GELU,
  CPU_OP_SIN,
  CPU_OP_COS,
  CPU_OP_ABS,
  CPU_OP_STEP,
  CPU_OP_AFFINE,
  CPU_OP_CLAMP,
  CPU_OP_COPY,
  CPU_OP_ADD,
  CPU_OP_SUB,
  CPU_OP_MUL,
  CPU_OP_DIV,
  CPU_OP_MAXIMUM,
  CPU_OP_MINIMUM,
  CPU_OP_SELECT,
  CPU_N_OPS
} CpuOp;

typedef enum
{
  CPU_LOAD_FLAT,    /* element i of the input */
  CPU_LOAD_OUTPUT,  /* element i of an output, put there before the region runs; in says which */
  CPU_LOAD_UNIFORM, /* one element of memory for all */
  CPU_LOAD_VALUE,   /* an immediate */
  CPU_LOAD_PATTERN, /* a broadcast or a slice: extents and strides */
  CPU_LOAD_PADDED,  /* rows of extents[0] with zeros around strides[0] elements from offset on */
} CpuLoadKind;

typedef struct
{
  CpuLoadKind kind;
  guint in; /* which input */
  float value;
  guint n_dims; /* collapsed: the innermost stride is 0 or 1 */
  gint64 extents[CPU_REGION_MAX_DIMS];
  gint64 strides[CPU_REGION_MAX_DIMS];
  gint64 offset; /* of a pattern's first element */
  gint64 period; /* above 0: repeats, and divides the tile */
} CpuLoad;

typedef struct
{
  CpuOp op;
  guint args[3]; /* values: loads first, then instructions */
  float p, q;
  gint out; /* writes this output, or -1: a register */
} CpuInstruction;

typedef struct
{
  gint64 count, tile;
  guint n_loads, n_instructions, n_registers, n_out;
  CpuLoad loads[CPU_REGION_MAX_LOADS];
  CpuInstruction instructions[CPU_REGION_MAX_INSTRUCTIONS];
  gint registers[CPU_REGION_MAX_VALUES]; /* of each value, or -1 */
} CpuRegion;

/* how many values an instruction reads */
guint cpu_op_get_arity (CpuOp op);

/* Sets a load to what a walk over @extents with @strides from @offset on reads; FALSE if its
 * innermost steps are longer than one element */
gboolean cpu_load_set_strided (CpuLoad *load,
                               const gint64 *extents,
                               const gint64 *strides,
                               guint n_dims,
                               gint64 offset);
/* Gives values registers and chooses the tile: call when loads and instructions are complete */
void cpu_region_finish (CpuRegion *self);
gsize cpu_region_get_scratch_size (const CpuRegion *self);

/* Elements [from, to). @scratch is this thread's alone. */
void cpu_region_run (const CpuRegion *self,
                     gpointer *in,
                     gpointer *out,
                     gint64 from,
                     gint64 to,
                     gpointer scratch);

G_END_DECLS
