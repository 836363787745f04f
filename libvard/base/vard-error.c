/* vard-error.c - the error domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-error.h"

G_DEFINE_QUARK (vard-error-quark, vard_error)
