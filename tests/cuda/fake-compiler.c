/* fake-compiler.c - libnvrtc.so without a device: the machine's own compiler makes a shared object
 * of a kernel's text
 *
 * VARD_FAKE_CUDA_CC is the compiler, VARD_FAKE_CUDA_SIMT the header that stands for the device.
 * With VARD_FAKE_CUDA_TOOLKIT, a command (see toolkit-compiler.c), the toolkit's compiler must
 * accept the text and the options too: the machine's own reads C where that one reads C++.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <nvrtc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* products and sums are not joined: what the text says is what is computed */
#define OPTIONS "-std=gnu11 -O1 -w -ffp-contract=off"

struct _nvrtcProgram
{
  char *source;
  char *code; /* its size, then a shared object */
  size_t code_size;
  char log[4096];
};

static void
read_file (const char *path, char **data, size_t *size, size_t reserve)
{
  FILE *file = fopen (path, "rb");

  *size = 0;
  *data = NULL;
  if (file == NULL)
    return;
  fseek (file, 0, SEEK_END);
  *size = ftell (file);
  rewind (file);
  *data = malloc (*size + reserve + 1);
  if (fread (*data + reserve, 1, *size, file) != *size)
    *size = 0;
  (*data)[*size + reserve] = 0;
  fclose (file);
}

static unsigned
add_to_hash (unsigned hash, const char *text)
{
  while (text != NULL && *text != 0)
    hash = hash * 31 + (unsigned char) *text++;
  return hash;
}

/* another compiler or another header is another version, so that nothing stale comes from a
 * cache */
nvrtcResult
nvrtcVersion (int *major, int *minor)
{
  const char *cc = getenv ("VARD_FAKE_CUDA_CC"), *simt = getenv ("VARD_FAKE_CUDA_SIMT");
  char *text = NULL;
  size_t size;

  if (simt != NULL)
    read_file (simt, &text, &size, 0);
  *major = 0;
  *minor = add_to_hash (add_to_hash (add_to_hash (0, OPTIONS), cc), text) & 0x7fffffff;
  free (text);
  return NVRTC_SUCCESS;
}

const char *
nvrtcGetErrorString (nvrtcResult result)
{
  return result == NVRTC_ERROR_COMPILATION ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR";
}

nvrtcResult
nvrtcCreateProgram (nvrtcProgram *program,
                    const char *source,
                    const char *name,
                    int n_headers,
                    const char *const *headers,
                    const char *const *include_names)
{
  *program = calloc (1, sizeof **program);
  (*program)->source = strdup (source);
  return NVRTC_SUCCESS;
}

nvrtcResult
nvrtcDestroyProgram (nvrtcProgram *program)
{
  free ((*program)->source);
  free ((*program)->code);
  free (*program);
  *program = NULL;
  return NVRTC_SUCCESS;
}

static int
run_toolkit (const char *folder, int n_options, const char *const *options)
{
  const char *toolkit = getenv ("VARD_FAKE_CUDA_TOOLKIT");
  char command[2048];
  int used;

  if (toolkit == NULL)
    return 0;
  used = snprintf (command, sizeof command, "%s %s/kernel.c", toolkit, folder);
  for (int i = 0; i < n_options; i++)
    used += snprintf (command + used, sizeof command - used, " %s", options[i]);
  snprintf (command + used, sizeof command - used, " >%s/log 2>&1", folder);
  return system (command);
}

static int
run_compiler (const char *source, const char *folder, int n_options, const char *const *options)
{
  char path[256], command[2048];
  const char *cc = getenv ("VARD_FAKE_CUDA_CC"), *simt = getenv ("VARD_FAKE_CUDA_SIMT");
  FILE *file;
  int status;

  snprintf (path, sizeof path, "%s/kernel.c", folder);
  file = fopen (path, "w");
  if (file == NULL)
    return -1;
  fputs (source, file);
  fclose (file);
  status = run_toolkit (folder, n_options, options);
  if (status != 0)
    return status;
  snprintf (command, sizeof command,
            "%s " OPTIONS
            " -DVARD_EMULATED -include '%s' -fPIC -shared -o %s/kernel.so %s -lm 2>%s/log",
            cc != NULL ? cc : "cc", simt != NULL ? simt : "simt.h", folder, path, folder);
  return system (command);
}

static void
remove_folder (const char *folder)
{
  static const char *const names[] = { "kernel.c", "kernel.so", "log" };
  char path[256];

  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    {
      snprintf (path, sizeof path, "%s/%s", folder, names[i]);
      unlink (path);
    }
  rmdir (folder);
}

nvrtcResult
nvrtcCompileProgram (nvrtcProgram program, int n_options, const char *const *options)
{
  char folder[] = "/tmp/vard-fake-nvrtc-XXXXXX", path[256];
  char *log;
  size_t size;
  int status;

  if (mkdtemp (folder) == NULL)
    return NVRTC_ERROR_INTERNAL_ERROR;
  status = run_compiler (program->source, folder, n_options, options);
  snprintf (path, sizeof path, "%s/%s", folder, status == 0 ? "kernel.so" : "log");
  if (status == 0)
    {
      read_file (path, &program->code, &size, sizeof size);
      memcpy (program->code, &size, sizeof size);
      program->code_size = size + sizeof size;
    }
  else
    {
      read_file (path, &log, &size, 0);
      snprintf (program->log, sizeof program->log, "%s", log != NULL ? log : "");
      free (log);
    }
  remove_folder (folder);
  return status == 0 ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}

nvrtcResult
nvrtcGetCUBINSize (nvrtcProgram program, size_t *size)
{
  *size = program->code_size;
  return NVRTC_SUCCESS;
}

nvrtcResult
nvrtcGetCUBIN (nvrtcProgram program, char *code)
{
  memcpy (code, program->code, program->code_size);
  return NVRTC_SUCCESS;
}

nvrtcResult
nvrtcGetProgramLogSize (nvrtcProgram program, size_t *size)
{
  *size = strlen (program->log) + 1;
  return NVRTC_SUCCESS;
}

nvrtcResult
nvrtcGetProgramLog (nvrtcProgram program, char *log)
{
  strcpy (log, program->log);
  return NVRTC_SUCCESS;
}
