/* cli-pictures.c - draws pictures from prompts and seeds, and writes them with their settings
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-pictures.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#define GRID_GAP 2

typedef struct
{
  const char *const *prompts;
  const char *folder;
  guint64 seed;         /* of each prompt's first picture */
  guint count;          /* pictures a prompt */
  GPtrArray *kept;      /* for the grid; NULL without one */
  guint batch;          /* pictures at once */
  gboolean is_terminal; /* somebody sees a bar */
  GCancellable *stop;   /* ends the sampling when a picture cannot be written */
  GError *error;        /* why */
} CliPictures;

static void
cli_pictures_clear_bar (const CliPictures *self)
{
  if (self->is_terminal)
    fprintf (stderr, "\r\033[K");
}

static void
cli_pictures_draw_bar (VardSampling *sampling,
                       guint n_done,
                       guint n_pictures,
                       guint step,
                       guint n_steps,
                       const CliPictures *self)
{
  double current = (double) MIN (self->batch, n_pictures - n_done) * step / n_steps;

  cli_pictures_clear_bar (self);
  if (self->is_terminal && n_done < n_pictures)
    fprintf (stderr, "%3.0f %%", 100 * (n_done + current) / n_pictures);
}

/* "003-red-apple-7.png": the prompt's number and words, and the seed */
static char *
cli_pictures_build_name (const CliPictures *self, guint i)
{
  g_autoptr (GString) words = g_string_new (NULL);

  for (const char *p = self->prompts[i / self->count]; *p != 0 && words->len < 40; p++)
    if (g_ascii_isalnum (*p))
      g_string_append_c (words, g_ascii_tolower (*p));
    else if (words->len > 0 && words->str[words->len - 1] != '-')
      g_string_append_c (words, '-');
  if (words->len > 0 && words->str[words->len - 1] == '-')
    g_string_truncate (words, words->len - 1);

  return g_strdup_printf ("%03u-%s-%" G_GUINT64_FORMAT ".png", i / self->count,
                          words->len > 0 ? words->str : "picture", self->seed + i % self->count);
}

static gboolean
cli_pictures_write (VardImage *image, const char *folder, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (g_mkdir_with_parents (folder, 0777) != 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "cannot create the folder %s: %s", folder, g_strerror (errno));
      return FALSE;
    }
  if (!vard_image_save (image, path, error))
    return FALSE;
  printf ("%s\n", path);

  return TRUE;
}

static void
cli_pictures_take (VardSampling *sampling, guint i, VardImage *image, CliPictures *self)
{
  g_autofree char *name = cli_pictures_build_name (self, i);

  if (self->error != NULL)
    return;
  cli_pictures_clear_bar (self);
  if (self->kept != NULL)
    g_ptr_array_add (self->kept, g_object_ref (image));
  if (!cli_pictures_write (image, self->folder, name, &self->error))
    g_cancellable_cancel (self->stop);
}

static gboolean
cli_pictures_write_grid (const CliPictures *self, GError **error)
{
  /* a row a prompt; pictures of one prompt alone in a square */
  guint n_prompts = self->kept->len / self->count, n_columns = self->count;

  if (n_prompts == 1)
    for (n_columns = 1; n_columns * n_columns < self->count; n_columns++)
      ;
  else if (self->count == 1)
    for (n_columns = 1; n_columns * n_columns < n_prompts; n_columns++)
      ;

  g_autoptr (VardImage) grid = vard_image_new_grid ((VardImage **) self->kept->pdata,
                                                    self->kept->len, n_columns, GRID_GAP, error);

  return grid != NULL && cli_pictures_write (grid, self->folder, "grid.png", error);
}

gboolean
cli_pictures_make (VardSampling *sampling,
                   const char *const *prompts,
                   const char *folder,
                   gboolean with_grid,
                   GCancellable *cancellable,
                   GError **error)
{
  g_autoptr (GPtrArray) kept = with_grid ? g_ptr_array_new_with_free_func (g_object_unref) : NULL;
  CliPictures self = {
    .prompts = prompts,
    .folder = folder,
    .kept = kept,
    .stop = cancellable,
    .is_terminal = isatty (STDERR_FILENO),
  };
  g_autoptr (GPtrArray) made = NULL;

  g_object_get (sampling, "seed", &self.seed, "count", &self.count, "batch", &self.batch, NULL);
  vard_sampling_set_keep_pictures (sampling, FALSE);
  g_signal_connect (sampling, "picture", G_CALLBACK (cli_pictures_take), &self);
  g_signal_connect (sampling, "progress", G_CALLBACK (cli_pictures_draw_bar), &self);

  made = vard_sampling_run (sampling, cancellable, error);

  g_signal_handlers_disconnect_by_data (sampling, &self);
  if (self.error != NULL)
    {
      g_clear_error (error);
      g_propagate_error (error, self.error);
      return FALSE;
    }

  return made != NULL && (!with_grid || cli_pictures_write_grid (&self, error));
}
