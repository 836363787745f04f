/* vard-image.c - an 8-bit RGB picture with text
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-image.h"

#include "base/vard-error.h"
#include "tensor/vard-image-private.h"

#include <string.h>

/**
 * VardImage:
 *
 * A picture of 8-bit RGB pixels and named texts (a prompt, a seed) that are kept in its PNG file.
 */
struct _VardImage
{
  GObject parent_instance;

  guint width;
  guint height;
  GBytes *rgb;
  GHashTable *texts;
};

enum
{
  PROP_WIDTH = 1,
  PROP_HEIGHT,
  PROP_RGB,
  N_PROPS,
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (VardImage, vard_image, G_TYPE_OBJECT)

static VardImage *
vard_image_take_rgb (guint width, guint height, GBytes *rgb)
{
  VardImage *self = g_object_new (VARD_TYPE_IMAGE, NULL);

  self->width = width;
  self->height = height;
  self->rgb = rgb;

  return self;
}

static gboolean
vard_image_check_size (guint width, guint height, GError **error)
{
  if (width > 0 && height > 0 && width <= VARD_IMAGE_MAX_SIDE && height <= VARD_IMAGE_MAX_SIDE)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
               "a picture of %u x %u is out of range: each side must be 1 to %d", width, height,
               VARD_IMAGE_MAX_SIDE);

  return FALSE;
}

/**
 * vard_image_new:
 * @width: pixels in a row
 * @height: rows
 * @rgb: three bytes a pixel, row after row
 * @error: return location
 *
 * Returns: (transfer full): a picture, or %NULL when the sizes disagree
 */
VardImage *
vard_image_new (guint width, guint height, GBytes *rgb, GError **error)
{
  g_return_val_if_fail (rgb != NULL, NULL);

  if (!vard_image_check_size (width, height, error))
    return NULL;
  if (g_bytes_get_size (rgb) != (gsize) width * height * 3)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "%u x %u pixels take %" G_GSIZE_FORMAT " bytes of RGB, but %" G_GSIZE_FORMAT
                   " were given",
                   width, height, (gsize) width * height * 3, g_bytes_get_size (rgb));
      return NULL;
    }

  return vard_image_take_rgb (width, height, g_bytes_ref (rgb));
}

/**
 * vard_image_new_from_file:
 * @path: (type filename): a PNG or JPEG file
 * @error: return location
 *
 * Transparency is dropped, grey becomes RGB. A PNG file's texts come along.
 *
 * Returns: (transfer full): the picture, or %NULL
 */
VardImage *
vard_image_new_from_file (const char *path, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);

  g_autoptr (GError) io_error = NULL;
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, &io_error);
  const char *reason = "the file is empty";
  guint8 *rgb = NULL;
  guint width = 0, height = 0;

  if (file == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "cannot open the picture: %s",
                   io_error->message);
      return NULL;
    }
  if (g_mapped_file_get_length (file) > 0)
    rgb = vard_image_decode_rgb ((const guint8 *) g_mapped_file_get_contents (file),
                                 g_mapped_file_get_length (file), &width, &height, &reason);
  if (rgb == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "%s is not a PNG or JPEG picture: %s",
                   path, reason);
      return NULL;
    }

  VardImage *self =
    vard_image_take_rgb (width, height,
                         g_bytes_new_with_free_func (rgb, (gsize) width * height * 3,
                                                     vard_image_free_rgb, rgb));

  vard_image_read_texts (self, (const guint8 *) g_mapped_file_get_contents (file),
                         g_mapped_file_get_length (file));

  return self;
}

static void
vard_image_paste (guint8 *canvas, guint canvas_width, VardImage *image, guint x, guint y)
{
  const guint8 *from = vard_image_peek_pixels (image);

  for (guint row = 0; row < image->height; row++)
    memcpy (canvas + ((gsize) (y + row) * canvas_width + x) * 3,
            from + (gsize) row * image->width * 3, (gsize) image->width * 3);
}

/**
 * vard_image_new_grid:
 * @images: (array length=n_images): pictures of one size
 * @n_images: how many
 * @n_columns: pictures in a row
 * @gap: white pixels between pictures
 * @error: return location
 *
 * Tiles pictures into one, row after row.
 *
 * Returns: (transfer full): the sheet, or %NULL
 */
VardImage *
vard_image_new_grid (VardImage **images, guint n_images, guint n_columns, guint gap, GError **error)
{
  g_return_val_if_fail (images != NULL && n_images > 0 && n_columns > 0, NULL);

  guint columns = MIN (n_columns, n_images), rows = (n_images + columns - 1) / columns;
  guint cell_width = images[0]->width, cell_height = images[0]->height;
  guint64 width = (guint64) columns * cell_width + (guint64) (columns - 1) * gap;
  guint64 height = (guint64) rows * cell_height + (guint64) (rows - 1) * gap;

  if (!vard_image_check_size (MIN (width, G_MAXUINT), MIN (height, G_MAXUINT), error))
    return NULL;
  for (guint i = 1; i < n_images; i++)
    if (images[i]->width != cell_width || images[i]->height != cell_height)
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                     "picture %u is %u x %u, but the first one is %u x %u", i, images[i]->width,
                     images[i]->height, cell_width, cell_height);
        return NULL;
      }

  gsize size = width * height * 3;
  guint8 *canvas = g_malloc (size);

  memset (canvas, 255, size);
  for (guint i = 0; i < n_images; i++)
    vard_image_paste (canvas, width, images[i], i % columns * (cell_width + gap),
                      i / columns * (cell_height + gap));

  return vard_image_take_rgb (width, height, g_bytes_new_take (canvas, size));
}

/**
 * vard_image_get_width:
 * @self: a picture
 *
 * Returns: pixels in a row
 */
guint
vard_image_get_width (VardImage *self)
{
  g_return_val_if_fail (VARD_IS_IMAGE (self), 0);

  return self->width;
}

/**
 * vard_image_get_height:
 * @self: a picture
 *
 * Returns: how many rows
 */
guint
vard_image_get_height (VardImage *self)
{
  g_return_val_if_fail (VARD_IS_IMAGE (self), 0);

  return self->height;
}

/**
 * vard_image_get_rgb:
 * @self: a picture
 *
 * Returns: (transfer none): three bytes a pixel, row after row
 */
GBytes *
vard_image_get_rgb (VardImage *self)
{
  g_return_val_if_fail (VARD_IS_IMAGE (self), NULL);

  return self->rgb;
}

/**
 * vard_image_peek_pixels: (skip)
 * @self: a picture
 *
 * Returns: the first byte of the first row
 */
const guint8 *
vard_image_peek_pixels (VardImage *self)
{
  g_return_val_if_fail (VARD_IS_IMAGE (self), NULL);

  return g_bytes_get_data (self->rgb, NULL);
}

gboolean
vard_image_is_text_key (const char *key)
{
  return *key != '\0' && strlen (key) <= 79 && g_str_is_ascii (key);
}

/**
 * vard_image_set_text:
 * @self: a picture
 * @key: up to 79 printable ASCII characters
 * @value: (nullable): UTF-8 text, or %NULL to remove it
 *
 * Sets a text that is kept in the PNG file.
 */
void
vard_image_set_text (VardImage *self, const char *key, const char *value)
{
  g_return_if_fail (VARD_IS_IMAGE (self));
  g_return_if_fail (key != NULL && vard_image_is_text_key (key));

  if (value != NULL)
    g_hash_table_insert (self->texts, g_strdup (key), g_utf8_make_valid (value, -1));
  else
    g_hash_table_remove (self->texts, key);
}

/**
 * vard_image_get_text:
 * @self: a picture
 * @key: the text's name
 *
 * Returns: (nullable): the text, or %NULL where there is none
 */
const char *
vard_image_get_text (VardImage *self, const char *key)
{
  g_return_val_if_fail (VARD_IS_IMAGE (self), NULL);

  return g_hash_table_lookup (self->texts, key);
}

static int
vard_image_compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/**
 * vard_image_list_text_keys:
 * @self: a picture
 *
 * Returns: (transfer full) (array zero-terminated=1): the names of its texts, sorted
 */
char **
vard_image_list_text_keys (VardImage *self)
{
  g_return_val_if_fail (VARD_IS_IMAGE (self), NULL);

  GPtrArray *keys = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, self->texts);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    g_ptr_array_add (keys, g_strdup (key));
  g_ptr_array_sort (keys, vard_image_compare_strings);
  g_ptr_array_add (keys, NULL);

  return (char **) g_ptr_array_free (keys, FALSE);
}

/**
 * vard_image_save:
 * @self: a picture
 * @path: (type filename): where to
 * @error: return location
 *
 * Writes a PNG file, whole or not at all.
 *
 * Returns: %TRUE on success
 */
gboolean
vard_image_save (VardImage *self, const char *path, GError **error)
{
  g_return_val_if_fail (VARD_IS_IMAGE (self), FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  g_autoptr (GBytes) png = vard_image_encode_png (self, error);

  if (png == NULL)
    return FALSE;

  return g_file_set_contents_full (path, g_bytes_get_data (png, NULL), g_bytes_get_size (png),
                                   G_FILE_SET_CONTENTS_CONSISTENT, 0644, error);
}

static void
vard_image_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  VardImage *self = VARD_IMAGE (object);

  switch (id)
    {
    case PROP_WIDTH: g_value_set_uint (value, self->width); break;
    case PROP_HEIGHT: g_value_set_uint (value, self->height); break;
    case PROP_RGB: g_value_set_boxed (value, self->rgb); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
vard_image_finalize (GObject *object)
{
  VardImage *self = VARD_IMAGE (object);

  g_clear_pointer (&self->rgb, g_bytes_unref);
  g_hash_table_unref (self->texts);
  G_OBJECT_CLASS (vard_image_parent_class)->finalize (object);
}

static void
vard_image_class_init (VardImageClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = vard_image_get_property;
  object_class->finalize = vard_image_finalize;

  /**
   * VardImage:width:
   *
   * Pixels in a row.
   */
  properties[PROP_WIDTH] =
    g_param_spec_uint ("width", NULL, NULL, 0, VARD_IMAGE_MAX_SIDE, 0, flags);
  /**
   * VardImage:height:
   *
   * How many rows.
   */
  properties[PROP_HEIGHT] =
    g_param_spec_uint ("height", NULL, NULL, 0, VARD_IMAGE_MAX_SIDE, 0, flags);
  /**
   * VardImage:rgb:
   *
   * Three bytes a pixel, row after row.
   */
  properties[PROP_RGB] = g_param_spec_boxed ("rgb", NULL, NULL, G_TYPE_BYTES, flags);
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
vard_image_init (VardImage *self)
{
  self->texts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}
