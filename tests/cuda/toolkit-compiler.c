/* toolkit-compiler.c - reads a kernel's text with the toolkit's run-time compiler, which needs no
 * device
 *
 *   toolkit-compiler LIBNVRTC FILE OPTION...
 *
 * Its complaints go to standard output. A process of its own, since the library does not bear a
 * second one of its name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dlfcn.h>
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>

#define LARGEST (1 << 20)

static char *
read_text (const char *path)
{
  char *text = calloc (1, LARGEST + 1);
  FILE *file = fopen (path, "rb");

  if (file == NULL || fread (text, 1, LARGEST, file) == 0)
    {
      printf ("%s cannot be read\n", path);
      exit (2);
    }
  fclose (file);
  return text;
}

static void *
find (void *library, const char *name)
{
  void *function = library != NULL ? dlsym (library, name) : NULL;

  if (function == NULL)
    {
      printf ("%s\n", dlerror ());
      exit (2);
    }
  return function;
}

#define FIND(name) ((__typeof__ (&name)) find (library, #name))

int
main (int argc, char **argv)
{
  void *library = argc > 2 ? dlopen (argv[1], RTLD_NOW) : NULL;
  nvrtcProgram program;
  nvrtcResult result;
  size_t size;

  result = FIND (nvrtcCreateProgram) (&program, argc > 2 ? read_text (argv[2]) : "", "kernel.cu", 0,
                                      NULL, NULL);
  if (result == NVRTC_SUCCESS)
    result = FIND (nvrtcCompileProgram) (program, argc - 3, (const char *const *) argv + 3);
  if (result != NVRTC_SUCCESS && FIND (nvrtcGetProgramLogSize) (program, &size) == NVRTC_SUCCESS)
    {
      char *log = calloc (1, size + 1);

      FIND (nvrtcGetProgramLog) (program, log);
      puts (log);
    }
  return result != NVRTC_SUCCESS;
}
