/* vard-trace.c - records named durations and notes if VARD_TRACE names a file
 *
 * The file is a Chrome trace in array form with one event a line and no closing bracket, which
 * its viewers accept: a process that is killed leaves a file that can still be read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/vard-trace.h"

#include "base/vard-error.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/syscall.h>

static GMutex trace_lock;
static FILE *trace_file;   /* guarded by trace_lock */
static gint trace_enabled; /* atomic: read without the lock */

static void
vard_trace_open_from_environment (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once))
    {
      const char *path = g_getenv ("VARD_TRACE");

      if (path != NULL && path[0] != 0 && !g_atomic_int_get (&trace_enabled))
        {
          g_autoptr (GError) error = NULL;

          if (!vard_trace_open (path, &error))
            g_debug ("%s", error->message);
        }
      g_once_init_leave (&once, 1);
    }
}

/**
 * vard_trace_open: (skip)
 * @path: (type filename): where to write the trace
 * @error: return location for an error
 *
 * Opens the sink of the trace and closes the one before. The environment variable `VARD_TRACE` does
 * the same when the library is loaded.
 *
 * Returns: %FALSE when the file cannot be created
 */
gboolean
vard_trace_open (const char *path, GError **error)
{
  g_return_val_if_fail (path != NULL, FALSE);

  FILE *file = fopen (path, "we");
  if (file == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "cannot write the trace %s: %s", path,
                   g_strerror (errno));
      return FALSE;
    }
  vard_trace_close ();
  g_mutex_lock (&trace_lock);
  trace_file = file;
  fputs ("[\n", file);
  g_atomic_int_set (&trace_enabled, TRUE);
  g_mutex_unlock (&trace_lock);

  return TRUE;
}

/**
 * vard_trace_close: (skip)
 *
 * Closes the sink. Events after that go nowhere.
 */
void
vard_trace_close (void)
{
  g_mutex_lock (&trace_lock);
  g_atomic_int_set (&trace_enabled, FALSE);
  g_clear_pointer (&trace_file, fclose);
  g_mutex_unlock (&trace_lock);
}

/**
 * vard_trace_flush: (skip)
 *
 * Writes what is buffered to the file.
 */
void
vard_trace_flush (void)
{
  g_mutex_lock (&trace_lock);
  if (trace_file != NULL)
    fflush (trace_file);
  g_mutex_unlock (&trace_lock);
}

/**
 * vard_trace_is_enabled: (skip)
 *
 * Returns: whether a sink is open
 */
gboolean
vard_trace_is_enabled (void)
{
  vard_trace_open_from_environment ();
  return g_atomic_int_get (&trace_enabled);
}

/**
 * vard_trace_begin: (skip)
 *
 * Returns: the monotonic time in microseconds, or 0 when no sink is open; pass it to
 *   vard_trace_end() in either case
 */
gint64
vard_trace_begin (void)
{
  return vard_trace_is_enabled () ? g_get_monotonic_time () : 0;
}

/* Appends text as a JSON string */
static void
vard_trace_append_string (GString *line, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  g_string_append_c (line, '"');
  for (const char *p = valid; *p != 0; p++)
    {
      if (*p == '"' || *p == '\\')
        g_string_append_printf (line, "\\%c", *p);
      else if ((guchar) *p < 0x20)
        g_string_append_printf (line, "\\u%04x", *p);
      else
        g_string_append_c (line, *p);
    }
  g_string_append_c (line, '"');
}

static void
vard_trace_write (const char *phase,
                  gint64 begin,
                  const char *category,
                  const char *name,
                  const char *rest)
{
  g_autoptr (GString) line = g_string_new ("{\"ph\":");

  vard_trace_append_string (line, phase);
  g_string_append_printf (line, ",\"pid\":%d,\"tid\":%ld,\"ts\":%" G_GINT64_FORMAT ",\"cat\":",
                          (int) getpid (), (long) syscall (SYS_gettid), begin);
  vard_trace_append_string (line, category);
  g_string_append (line, ",\"name\":");
  vard_trace_append_string (line, name);
  g_string_append (line, rest);
  g_string_append (line, "},\n");

  g_mutex_lock (&trace_lock);
  if (trace_file != NULL)
    fwrite (line->str, 1, line->len, trace_file);
  g_mutex_unlock (&trace_lock);
}

/**
 * vard_trace_end: (skip)
 * @begin: the return value of vard_trace_begin()
 * @category: the subsystem: "cpu", "train"
 * @name: what took the time
 *
 * Writes a duration that ends now.
 */
void
vard_trace_end (gint64 begin, const char *category, const char *name)
{
  vard_trace_end_with (begin, category, name, NULL);
}

/**
 * vard_trace_end_with: (skip)
 * @begin: the return value of vard_trace_begin()
 * @category: the subsystem
 * @name: what took the time
 * @args: (nullable): a JSON object for viewers to show beside the duration
 *
 * Writes a duration that ends now, with details.
 */
void
vard_trace_end_with (gint64 begin, const char *category, const char *name, const char *args)
{
  if (begin == 0)
    return;

  gint64 duration = g_get_monotonic_time () - begin;
  g_autofree char *rest = g_strdup_printf (",\"dur\":%" G_GINT64_FORMAT "%s%s", duration,
                                           args != NULL ? ",\"args\":" : "",
                                           args != NULL ? args : "");
  vard_trace_write ("X", begin, category, name, rest);
}

/**
 * vard_trace_note: (skip)
 * @category: the subsystem
 * @name: what was decided
 * @format: a printf() format for the sentence
 * @...: its arguments
 *
 * Writes an instant with a sentence, for example which algorithm was chosen and why.
 */
void
vard_trace_note (const char *category, const char *name, const char *format, ...)
{
  if (!vard_trace_is_enabled ())
    return;

  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  g_autoptr (GString) rest = g_string_new (",\"s\":\"t\",\"args\":{\"note\":");
  vard_trace_append_string (rest, text);
  g_string_append_c (rest, '}');
  vard_trace_write ("i", g_get_monotonic_time (), category, name, rest->str);
}
