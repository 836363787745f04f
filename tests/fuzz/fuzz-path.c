/* fuzz-path.c - bytes as a file that is not on a disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#define _GNU_SOURCE
#include "fuzz-driver.h"

#include <sys/mman.h>
#include <unistd.h>

const char *
fuzz_driver_path (const guint8 *data, gsize size)
{
  static int fd = -1;
  static char path[64];

  if (fd >= 0)
    close (fd);
  fd = memfd_create ("fuzz", 0);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, data, size), ==, size);
  g_snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return path;
}
