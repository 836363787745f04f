/* run-parts.c - each part of a model by itself, for the scripts that compare it with diffusers
 *
 * run-parts MODEL IN.safetensors OUT.safetensors. In: ids [1, tokens] i32, latents [1, h, w, c],
 * timestep [1], context [1, tokens, width], picture [1, H, W, 3]. Out: states, prediction, moments,
 * decoded; pictures are channels-last.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <vard-internal.h>

#include "models/vard-stable-diffusion.h"
#include "engine/vard-engine-loader.h"
#include "tensor/vard-safetensors.h"

#include <stdio.h>

typedef struct
{
  VardModel *model;
  VardEngine *engine;
  VardSafetensors *in;
  GPtrArray *tensors; /* of entries, owned */
  GArray *entries;    /* VardSafetensorsEntry */
} Parts;

typedef VardNode *(*Record) (Parts *parts, VardNode *x, VardNode *t, VardNode *context);

static VardNode *
record_states (Parts *parts, VardNode *x, VardNode *t, VardNode *context)
{
  return vard_clip_text_record (vard_stable_diffusion_peek_text (
                                  VARD_STABLE_DIFFUSION (parts->model)),
                                x);
}

static VardNode *
record_prediction (Parts *parts, VardNode *x, VardNode *t, VardNode *context)
{
  return vard_model_record_predict (parts->model, x, t, &context);
}

static VardNode *
record_moments (Parts *parts, VardNode *x, VardNode *t, VardNode *context)
{
  return vard_autoencoder_record_encode (vard_stable_diffusion_peek_autoencoder (
                                           VARD_STABLE_DIFFUSION (parts->model)),
                                         x);
}

static VardNode *
record_decoded (Parts *parts, VardNode *x, VardNode *t, VardNode *context)
{
  return vard_model_record_decode (parts->model, x);
}

static const struct
{
  const char *output, *inputs[4];
  Record record;
} rows[] = {
  { "states", { "ids" }, record_states },
  { "prediction", { "latents", "timestep", "context" }, record_prediction },
  { "moments", { "picture" }, record_moments },
  { "decoded", { "latents" }, record_decoded },
};

static VardTensor *
lookup (Parts *parts, const char *name, GError **error)
{
  g_autoptr (VardTensor) tensor = vard_safetensors_lookup (parts->in, name, error);
  gboolean is_integer = tensor != NULL && vard_tensor_get_dtype (tensor) == VARD_DTYPE_I32;

  return tensor == NULL ? NULL
         : is_integer   ? g_steal_pointer (&tensor)
                        : vard_tensor_convert (tensor, VARD_DTYPE_F32);
}

static gboolean
set_inputs (Parts *parts, VardExecutable *executable, const char *const *names, GError **error)
{
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autoptr (VardTensor) values = lookup (parts, names[i], error);

      if (values == NULL
          || !vard_executable_set_input (executable, names[i], vard_tensor_peek_data (values),
                                         vard_tensor_get_n_bytes (values), error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
run_part (Parts *parts, guint row, GError **error)
{
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *inputs[3] = { NULL };

  for (guint i = 0; rows[row].inputs[i] != NULL; i++)
    {
      g_autoptr (VardTensor) values = lookup (parts, rows[row].inputs[i], error);

      if (values == NULL)
        return FALSE;
      inputs[i] = vard_input (graph, rows[row].inputs[i], vard_tensor_get_dtype (values),
                              *vard_tensor_peek_shape (values));
    }

  VardNode *output = rows[row].record (parts, inputs[0], inputs[1], inputs[2]);

  vard_graph_add_output (graph, "output", output);

  g_autoptr (VardExecutable) executable = vard_engine_compile (parts->engine, graph, error);
  VardTensor *tensor = vard_tensor_new (VARD_DTYPE_F32, &output->shape);
  VardSafetensorsEntry entry = { .name = rows[row].output,
                                 .tensor = tensor,
                                 .dtype = VARD_DTYPE_F32 };

  g_ptr_array_add (parts->tensors, tensor);
  g_array_append_val (parts->entries, entry);
  return executable != NULL && set_inputs (parts, executable, rows[row].inputs, error)
         && vard_executable_run (executable, NULL, error)
         && vard_executable_get_output (executable, "output", vard_tensor_peek_f32 (tensor),
                                        vard_tensor_get_n_bytes (tensor), error);
}

static gboolean
run_all (char **argv, GError **error)
{
  g_autoptr (VardModel) model = vard_model_load (argv[1], error);
  g_autoptr (VardEngine) engine = model != NULL ? vard_load_engine ("cpu", 0, error) : NULL;
  g_autoptr (VardSafetensors) in = engine != NULL ? vard_safetensors_open (argv[2], error) : NULL;
  g_autoptr (GPtrArray) tensors = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (VardSafetensorsEntry));
  Parts parts = { model, engine, in, tensors, entries };

  if (in == NULL)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (!run_part (&parts, i, error))
      return FALSE;
  return vard_safetensors_write (argv[3], (VardSafetensorsEntry *) entries->data, entries->len,
                                 NULL, error);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (argc == 4 && run_all (argv, &error))
    return 0;
  fprintf (stderr, "%s\n",
           error != NULL ? error->message : "run-parts MODEL IN.safetensors OUT.safetensors");
  return 1;
}
