/* vard-image-resize.c - bicubic resampling of rows of pixels
 *
 * Models of pictures were trained on what Pillow makes of a photograph, so the result is Pillow's
 * to the last bit: Keys' cubic (a = -1/2), stretched over the source where the picture shrinks;
 * weights of a pixel sum to one and are rounded to 22 bits after the point; first along the rows,
 * then along the columns, with 8 bits a colour in between. (From version 13 on Pillow takes the
 * columns first where the height shrinks much more than the width; this does not.)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-image-resize.h"

#include "base/vard-error.h"
#include "tensor/vard-image.h"
#include "tensor/vard-image-private.h"

#include <math.h>

#define WEIGHT_BITS 22
#define SUPPORT 2.0 /* of the cubic, in pixels of the larger picture's grid */

/* Where each of a run of output pixels comes from, along one axis */
typedef struct
{
  guint n, n_taps; /* n_taps: room for each */
  gint64 *first;   /* [n] the first source pixel */
  guint *count;    /* [n] how many of them */
  gint32 *weights; /* [n, n_taps] */
} Taps;

static double
vard_image_resize_cubic (double x)
{
  x = fabs (x);
  if (x < 1)
    return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((2.5 - 0.5 * x) * x - 4) * x + 2 : 0;
}

static void
vard_image_resize_fill_tap (Taps *self,
                            guint i,
                            double centre,
                            double stretch,
                            gint64 length,
                            double *scratch)
{
  gint64 first = MAX ((gint64) (centre - SUPPORT * stretch + 0.5), 0);
  gint64 end = MIN ((gint64) (centre + SUPPORT * stretch + 0.5), length);
  double shrink = 1 / stretch, sum = 0;

  for (gint64 k = first; k < end; k++)
    sum += scratch[k - first] = vard_image_resize_cubic ((k - centre + 0.5) * shrink);
  sum = 1 / sum;
  for (gint64 k = 0; k < end - first; k++)
    self->weights[(gsize) i * self->n_taps + k] = lround (scratch[k] * sum * (1 << WEIGHT_BITS));
  self->first[i] = first;
  self->count[i] = end - first;
}

/* @length source pixels become @new_length; those from @start on */
static Taps
vard_image_resize_make_taps (gint64 length, gint64 new_length, gint64 start, guint n)
{
  double scale = (double) length / new_length, stretch = MAX (scale, 1.0);
  Taps self = { .n = n, .n_taps = 2 * (guint) ceil (SUPPORT * stretch) + 1 };
  g_autofree double *scratch = g_new (double, self.n_taps);

  self.first = g_new (gint64, n);
  self.count = g_new (guint, n);
  self.weights = g_new (gint32, (gsize) n * self.n_taps);
  for (guint i = 0; i < n; i++)
    vard_image_resize_fill_tap (&self, i, (start + i + 0.5) * scale, stretch, length, scratch);

  return self;
}

static void
vard_image_resize_clear_taps (Taps *self)
{
  g_free (self->first);
  g_free (self->count);
  g_free (self->weights);
}

static inline guint8
vard_image_resize_round_sum (gint32 sum)
{
  sum = (sum + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS;
  return CLAMP (sum, 0, 255);
}

static void
vard_image_resize_resize_row (const Taps *taps, const guint8 *from, guint8 *to)
{
  for (guint x = 0; x < taps->n; x++, to += 3)
    {
      const gint32 *weights = taps->weights + (gsize) x * taps->n_taps;
      const guint8 *pixel = from + 3 * taps->first[x];
      gint32 red = 0, green = 0, blue = 0;

      for (guint k = 0; k < taps->count[x]; k++, pixel += 3)
        {
          red += weights[k] * pixel[0];
          green += weights[k] * pixel[1];
          blue += weights[k] * pixel[2];
        }
      to[0] = vard_image_resize_round_sum (red);
      to[1] = vard_image_resize_round_sum (green);
      to[2] = vard_image_resize_round_sum (blue);
    }
}

/* @rows begins with the source's row @first */
static void
vard_image_resize_resize_columns (const Taps *taps,
                                  const guint8 *rows,
                                  gint64 first,
                                  gsize n_bytes,
                                  guint8 *to)
{
  g_autofree gint32 *sums = g_new (gint32, n_bytes);

  for (guint y = 0; y < taps->n; y++, to += n_bytes)
    {
      const gint32 *weights = taps->weights + (gsize) y * taps->n_taps;
      const guint8 *row = rows + (taps->first[y] - first) * n_bytes;

      for (gsize i = 0; i < n_bytes; i++)
        sums[i] = 0;
      for (guint k = 0; k < taps->count[y]; k++, row += n_bytes)
        for (gsize i = 0; i < n_bytes; i++)
          sums[i] += weights[k] * row[i];
      for (gsize i = 0; i < n_bytes; i++)
        to[i] = vard_image_resize_round_sum (sums[i]);
    }
}

void
vard_image_resize_rgb (const guint8 *from,
                       guint width,
                       guint height,
                       const VardImageWindow *window,
                       guint8 *to)
{
  g_return_if_fail (width > 0 && height > 0 && window->n_columns > 0 && window->n_rows > 0);
  g_return_if_fail (window->left >= 0 && window->left + window->n_columns <= window->width);
  g_return_if_fail (window->top >= 0 && window->top + window->n_rows <= window->height);

  Taps across = vard_image_resize_make_taps (width, window->width, window->left, window->n_columns);
  Taps down = vard_image_resize_make_taps (height, window->height, window->top, window->n_rows);
  gint64 first = down.first[0], end = down.first[down.n - 1] + down.count[down.n - 1];
  gsize n_bytes = (gsize) 3 * window->n_columns;
  g_autofree guint8 *rows = g_malloc ((end - first) * n_bytes);

  for (gint64 y = first; y < end; y++)
    vard_image_resize_resize_row (&across, from + y * 3 * width, rows + (y - first) * n_bytes);
  vard_image_resize_resize_columns (&down, rows, first, n_bytes, to);
  vard_image_resize_clear_taps (&across);
  vard_image_resize_clear_taps (&down);
}

/**
 * vard_image_new_resized:
 * @self: a picture
 * @width: pixels in a row of the new one
 * @height: its rows
 * @error: return location
 *
 * Stretches or shrinks with bicubic interpolation, as Pillow's resize with BICUBIC does, to the
 * last bit.
 *
 * Returns: (transfer full): a new picture without texts, or %NULL
 */
VardImage *
vard_image_new_resized (VardImage *self, guint width, guint height, GError **error)
{
  g_return_val_if_fail (VARD_IS_IMAGE (self), NULL);

  VardImageWindow whole = { width, height, 0, 0, width, height };

  if (width == 0 || height == 0 || width > VARD_IMAGE_MAX_SIDE || height > VARD_IMAGE_MAX_SIDE)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "a picture of %u x %u is out of range: each side must be 1 to %d", width, height,
                   VARD_IMAGE_MAX_SIDE);
      return NULL;
    }

  gsize n = (gsize) 3 * width * height;
  guint8 *rgb = g_malloc (n);
  g_autoptr (GBytes) bytes = g_bytes_new_take (rgb, n);

  vard_image_resize_rgb (vard_image_peek_pixels (self), vard_image_get_width (self),
                         vard_image_get_height (self), &whole, rgb);

  return vard_image_new (width, height, bytes, error);
}
