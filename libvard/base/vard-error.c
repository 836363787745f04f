/* vard-error.c - the error domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-error.h"

/**
 * vard_error_quark:
 *
 * Returns: the quark of %VARD_ERROR
 */
/* the name is one word, which the formatter would take for a difference */
/* clang-format off */
G_DEFINE_QUARK (vard-error-quark, vard_error)
/* clang-format on */
