/* fuzz-safetensors.c - any bytes as a weight file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz-driver.h"

#include <string.h>
#include <vard-internal.h>

static const char header[] =
  "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":"
  "[0,24]},"
  "\"b.weight\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[24,26]},"
  "\"c\":{\"dtype\":\"F64\",\"shape\":[0,7],\"data_offsets\":[26,26]}}  ";

GBytes *
fuzz_target_get_seed (guint i)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  const guint8 length[8] = { sizeof header - 1 }, data[26] = { 0 };

  if (i > 0)
    return NULL;
  g_byte_array_append (bytes, length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) header, sizeof header - 1);
  g_byte_array_append (bytes, data, sizeof data);
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

/* whatever opens can be read to its last element */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VardSafetensors) file = vard_safetensors_open (fuzz_driver_path (data, size), &error);

  g_assert_true ((file == NULL) == (error != NULL));
  for (const char *const *name = file != NULL ? vard_safetensors_peek_names (file) : NULL;
       name != NULL && *name != NULL; name++)
    {
      g_autoptr (VardTensor) tensor = vard_safetensors_lookup (file, *name, NULL);
      g_autoptr (VardTensor) copy = tensor != NULL ? vard_tensor_convert (tensor, VARD_DTYPE_F32)
                                                   : NULL;
    }
  return 0;
}
