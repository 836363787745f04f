/* fuzz-pth.c - any bytes as a weight file of PyTorch, and as the pickle in one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz-driver.h"

#include "tensor/vard-pickle.h"

#include <string.h>
#include <vard-internal.h>

static const char pickle[] = "\200\2}q\0(X\1\0\0\0aq\1ctorch._utils\n_rebuild_tensor_v2\nq\2(("
                             "X\7\0\0\0storageq\3ctorch\nFloatStorage\nq\4X\1\0\0\0"
                             "0q\5X\3\0\0\0cpuq\6K\24tq\7QK\2K\3K\2\206q\10K\2K\1\206q\t\211ccollec"
                             "tions\nOrderedDict\nq\n)Rq\13tq\14RK\1K\2u.";

GBytes *
fuzz_target_get_seed (guint i)
{
  static const char *const names[] = { "views.pth", "tiny-clip/predictor.pth" };
  char *data = NULL;
  gsize size = 0;

  if (i == 0)
    return g_bytes_new_static (pickle, sizeof pickle - 1);
  if (i > G_N_ELEMENTS (names))
    return NULL;

  g_autofree char *path =
    g_build_filename (g_getenv ("VARD_TEST_DATA"), "data", names[i - 1], NULL);

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  return g_bytes_new_take (data, size);
}

/* whatever opens can be read to its last element */
static void
read_all (VardPth *file)
{
  for (const char *const *name = vard_pth_peek_names (file); *name != NULL; name++)
    {
      g_autoptr (VardTensor) tensor = vard_pth_lookup (file, *name, NULL);
      g_autoptr (VardTensor) copy = tensor != NULL ? vard_tensor_convert (tensor, VARD_DTYPE_F32)
                                                   : NULL;
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL, pickle_error = NULL;
  g_autoptr (VardPth) file = vard_pth_open (fuzz_driver_path (data, size), &error);
  g_autoptr (GPtrArray) tensors = vard_pickle_read_tensors ("pickle", data, size, &pickle_error);

  g_assert_true ((file == NULL) == (error != NULL));
  g_assert_true ((tensors == NULL) == (pickle_error != NULL));
  if (file != NULL)
    read_all (file);
  return 0;
}
