/* cpu-winograd.h - shared by the two implementations of Winograd convolution
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-conv.h"

G_BEGIN_DECLS

#define TILE 4
#define PATCH 6
#define FREQUENCIES 36
/* floats between frequencies: else all 36 would fall on the same lines of the cache */
#define STAGGER 16

/* One direction of work: pictures [n, h, w, c_from] to [n, oh, ow, c_to] */
typedef struct
{
  CpuConv conv;
  const CpuWeight *stored; /* NULL: b is in single precision, in the graph's layout */
  CpuConvKind kind;
  gint64 c_from, c_to;
  gint64 h, w, top, left;        /* of what is read */
  gint64 oh, ow;                 /* of what is written */
  gint64 tiles_x, tiles_y, rows; /* rows: of tiles, in all pictures */
  gint64 block_rows;             /* rows of tiles in a block */
  const float *a, *b;
  float *y;
  float *kernels;       /* [36, c_from, c_to], and of the weight gradient [36, co, ci] */
  float *taps;          /* forward: w as [3, 3, ci, co] */
  gint64 kernel_stride; /* from one frequency to the next */
  float *zeros;         /* a pixel outside the picture */
  float *work;
  gsize work_stride;     /* floats per thread */
  gint64 first, n_tiles; /* this round of the weight gradient */
  const CpuEpilogue *epilogue;
} Winograd;

/* a patch -> v[36][stride], all channels */
void cpu_winograd_read_tile (const Winograd *self, gint64 tile, float *v, gint64 stride);
/* m[36][stride] -> the pixels of a tile, some of their channels */
void cpu_winograd_write_tile (const Winograd *self,
                              gint64 tile,
                              gint64 channel,
                              gint64 n_channels,
                              const float *m,
                              gint64 stride);
void cpu_winograd_write_pixels (const float *m,
                                gint64 stride,
                                gint64 c,
                                float *y,
                                gint64 row_stride,
                                gint64 pixel_stride,
                                guint rows,
                                guint columns);
/* nine taps of c channels each, @step apart -> u[36][stride] */
void cpu_winograd_write_kernel (const float *w,
                                gint64 step,
                                gint64 c,
                                gboolean turned,
                                float *u,
                                gint64 stride);

/* The wide way: many channels and few tiles */
gboolean cpu_winograd_is_wide (const Winograd *self);
gsize cpu_winograd_wide_floats (const Winograd *self, guint n_threads);
void cpu_winograd_run_wide (CpuPool *pool, Winograd *self, float *scratch);

G_END_DECLS
