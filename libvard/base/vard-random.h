/* vard-random.h - random numbers as a function of (key, counter, index), without state or order
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

void vard_philox4x32 (const guint32 counter[4], const guint32 key[2], guint32 out[4]);
guint64 vard_random_derive_key (guint64 seed, const char *stream, guint64 number);
void vard_random_fill_normal (guint64 key, guint64 counter, float *out, gsize n);
void vard_random_fill_normal_at (guint64 key, guint64 counter, guint64 first, float *out, gsize n);
guint64 vard_random_bits (guint64 key, guint64 counter, guint64 index);
double vard_random_uniform (guint64 key, guint64 counter, guint64 index);
guint vard_random_uniform_int (guint64 key, guint64 counter, guint64 index, guint n);
void vard_random_permutation (guint64 key, guint64 counter, guint *out, guint n);

G_END_DECLS
