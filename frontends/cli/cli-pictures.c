/* cli-pictures.c - pictures of prompts and seeds, sampled and written with what made them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-pictures.h"

#include "diffusion/vard-pipeline-private.h"
#include "tensor/vard-safetensors.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GRID_GAP 2

/* ---- latents in files: [n, channels, height, width] there, [n, height, width, channels] here
 * ---- */

static void
swap_layout (const float *from,
             float *to,
             gint64 n,
             const VardModelInfo *info,
             gboolean to_channels_last)
{
  gint64 area = info->height * info->width, n_channels = info->channels;

  for (gint64 i = 0; i < n; i++)
    for (gint64 p = 0; p < area; p++)
      for (gint64 c = 0; c < n_channels; c++)
        {
          gint64 last = (i * area + p) * n_channels + c, first = (i * n_channels + c) * area + p;

          if (to_channels_last)
            to[last] = from[first];
          else
            to[first] = from[last];
        }
}

/* Tensor "name", of @n latents in all, as floats in the graph's layout; NULL where the file does
 * not have it */
static float *
read_latents (VardSafetensors *file,
              const char *name,
              gint64 n,
              const VardModelInfo *info,
              GError **error)
{
  g_autoptr (VardTensor) stored = vard_safetensors_lookup (file, name, error);
  g_autoptr (VardTensor) tensor = stored ? vard_tensor_convert (stored, VARD_DTYPE_F32) : NULL;
  gint64 count = n * info->height * info->width * info->channels;

  if (!tensor)
    return NULL;
  if (vard_tensor_get_count (tensor) != count)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "%s: the tensor %s has %" G_GINT64_FORMAT " values, and %" G_GINT64_FORMAT
                   " latents of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                   " are needed",
                   vard_safetensors_get_path (file), name, vard_tensor_get_count (tensor), n,
                   info->channels, info->height, info->width);
      return NULL;
    }

  float *latents = g_new (float, count);

  swap_layout (vard_tensor_peek_f32 (tensor), latents, n, info, TRUE);
  return latents;
}

static gboolean
write_latents (const char *path,
               const float *latents,
               guint n,
               const VardModelInfo *info,
               GError **error)
{
  VardShape shape = VARD_SHAPE (n, info->channels, info->height, info->width);
  g_autoptr (VardTensor) tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);
  VardSafetensorsEntry entry = { .name = "latents", .tensor = tensor, .dtype = VARD_DTYPE_F32 };

  swap_layout (latents, vard_tensor_peek_f32 (tensor), n, info, FALSE);
  return vard_safetensors_write (path, &entry, 1, NULL, error);
}

/* ---- sampling ---- */

typedef struct
{
  gboolean is_terminal;
} Bar;

static void
draw_bar (double fraction, gpointer data)
{
  Bar *bar = data;

  if (bar->is_terminal)
    fprintf (stderr, "\r\033[K%3.0f %%%s", 100 * fraction, fraction >= 1 ? "\r\033[K" : "");
}

static gboolean
read_noise (const CliPictures *request,
            VardPipeline *pipeline,
            guint n,
            float **initial,
            float **steps,
            GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (vard_pipeline_peek_model (pipeline));
  g_autoptr (VardSafetensors) file = vard_safetensors_open (request->noise, error);

  if (!file)
    return FALSE;
  *initial = read_latents (file, "noise", n, info, error);
  if (!*initial)
    return FALSE;
  if (!vard_safetensors_contains (file, "steps"))
    return TRUE;
  *steps = read_latents (file, "steps", (gint64) request->steps * n, info, error);
  return *steps != NULL;
}

GPtrArray *
cli_pictures_sample (VardPipeline *pipeline,
                     const CliPictures *request,
                     GCancellable *cancellable,
                     GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (vard_pipeline_peek_model (pipeline));
  guint n = g_strv_length ((char **) request->prompts) * request->count;
  g_autoptr (VardSampler) sampler = vard_sampler_new (vard_pipeline_peek_process (pipeline),
                                                      request->sampler, request->steps,
                                                      request->eta, error);
  g_autofree guint *prompts = g_new (guint, n);
  g_autofree guint64 *seeds = g_new (guint64, n);
  g_autofree float *initial = NULL, *steps = NULL;
  Bar bar = { isatty (STDERR_FILENO) };

  if (!sampler || (request->noise && !read_noise (request, pipeline, n, &initial, &steps, error)))
    return NULL;
  for (guint i = 0; i < n; i++)
    {
      prompts[i] = i / request->count;
      seeds[i] = request->seed + i % request->count;
    }

  VardSampleRequest sample = {
    .n = n,
    .prompts = request->prompts,
    .prompt_of = prompts,
    .seeds = seeds,
    .sampler = sampler,
    .guidance_scale = request->guidance_scale,
    .negative_prompt = request->negative_prompt,
    .batch = request->batch,
    .initial_noise = initial,
    .step_noise = steps,
  };
  g_autoptr (VardTrajectory) trajectory =
    vard_pipeline_rollout (pipeline, &sample, draw_bar, &bar, cancellable, error);

  if (!trajectory
      || (request->latents
          && !write_latents (request->latents, trajectory->states, n, info, error)))
    return NULL;
  return vard_pipeline_decode (pipeline, trajectory->states, n, request->batch, cancellable, error);
}

/* ---- writing ---- */

/* what made a picture: enough to make it again */
static void
set_texts (VardImage *image, const CliPictures *request, guint i)
{
  g_autofree char *seed =
    g_strdup_printf ("%" G_GUINT64_FORMAT, request->seed + i % request->count);
  g_autofree char *steps = g_strdup_printf ("%u", request->steps),
                  *batch = g_strdup_printf ("%u", request->batch);
  g_autofree char *eta = g_strdup_printf ("%g", request->eta);
  g_autofree char *scale = g_strdup_printf ("%g", request->guidance_scale);
  g_autofree char *lora = request->lora ? g_strjoinv ("\n", (char **) request->lora) : NULL;
  g_autofree char *noise = request->noise ? g_path_get_basename (request->noise) : NULL;
  g_autofree char *size =
    g_strdup_printf ("%u x %u", vard_image_get_width (image), vard_image_get_height (image));
  const struct
  {
    const char *key, *text;
  } texts[] = {
    { "Software", "vard " VARD_VERSION },
    { "prompt", request->prompts[i / request->count] },
    { "negative-prompt", request->negative_prompt },
    { "seed", seed },
    { "sampler", vard_sampler_kind_to_string (request->sampler) },
    { "steps", steps },
    { "eta",
      vard_sampler_kind_get_flags (request->sampler) & VARD_SAMPLER_FLAGS_HAS_ETA ? eta : NULL },
    { "guidance-scale", scale },
    { "size", size },
    { "batch", batch },
    { "model", request->model },
    { "run", request->run },
    { "noise", noise },
    { "lora", lora && *lora ? lora : NULL },
  };

  for (guint k = 0; k < G_N_ELEMENTS (texts); k++)
    if (texts[k].text)
      vard_image_set_text (image, texts[k].key, texts[k].text);
}

/* "003-red-apple-7.png": the prompt's number and words, and the seed */
static char *
build_name (const CliPictures *request, guint i)
{
  g_autoptr (GString) words = g_string_new (NULL);

  for (const char *p = request->prompts[i / request->count]; *p && words->len < 40; p++)
    if (g_ascii_isalnum (*p))
      g_string_append_c (words, g_ascii_tolower (*p));
    else if (words->len > 0 && words->str[words->len - 1] != '-')
      g_string_append_c (words, '-');
  if (words->len > 0 && words->str[words->len - 1] == '-')
    g_string_truncate (words, words->len - 1);
  return g_strdup_printf ("%03u-%s-%" G_GUINT64_FORMAT ".png", i / request->count,
                          words->len > 0 ? words->str : "picture",
                          request->seed + i % request->count);
}

static gboolean
write_grid (GPtrArray *images, const CliPictures *request, const char *folder, GError **error)
{
  /* a row a prompt; pictures of one prompt alone in a square */
  guint n_prompts = images->len / request->count, n_columns = request->count;
  g_autofree char *path = g_build_filename (folder, "grid.png", NULL);

  if (n_prompts == 1)
    for (n_columns = 1; n_columns * n_columns < request->count; n_columns++)
      ;
  else if (request->count == 1)
    for (n_columns = 1; n_columns * n_columns < n_prompts; n_columns++)
      ;

  g_autoptr (VardImage) grid =
    vard_image_new_grid ((VardImage **) images->pdata, images->len, n_columns, GRID_GAP, error);

  if (!grid || !vard_image_save (grid, path, error))
    return FALSE;
  printf ("%s\n", path);
  return TRUE;
}

gboolean
cli_pictures_write (GPtrArray *images,
                    const CliPictures *request,
                    const char *folder,
                    gboolean with_grid,
                    GCancellable *cancellable,
                    GError **error)
{
  if (g_mkdir_with_parents (folder, 0777) != 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "cannot make the folder %s: %s", folder, g_strerror (errno));
      return FALSE;
    }
  for (guint i = 0; i < images->len; i++)
    {
      g_autofree char *name = build_name (request, i);
      g_autofree char *path = g_build_filename (folder, name, NULL);

      set_texts (images->pdata[i], request, i);
      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !vard_image_save (images->pdata[i], path, error))
        return FALSE;
      printf ("%s\n", path);
    }
  return !with_grid || write_grid (images, request, folder, error);
}
