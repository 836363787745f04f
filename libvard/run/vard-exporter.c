/* vard-exporter.c - writes adapters and models in files that other programs load
 *
 * The usual failure is a file without effect, because other readers skip names that they do not
 * know. The exporter therefore reads its file back by the rules of those readers, and compares the
 * output with the model's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-exporter.h"

#include "base/vard-error.h"
#include "base/vard-random.h"
#include "engine/vard-executable.h"
#include "adapters/vard-lora-names.h"
#include "models/vard-model-class.h"
#include "tensor/vard-safetensors.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

G_DEFINE_ENUM_TYPE (VardExportFormat,
                    vard_export_format,
                    G_DEFINE_ENUM_VALUE (VARD_EXPORT_FORMAT_DIFFUSERS, "diffusers"),
                    G_DEFINE_ENUM_VALUE (VARD_EXPORT_FORMAT_KOHYA, "kohya"),
                    G_DEFINE_ENUM_VALUE (VARD_EXPORT_FORMAT_MERGED_FOLDER, "merged-folder"),
                    G_DEFINE_ENUM_VALUE (VARD_EXPORT_FORMAT_MERGED_SINGLE_FILE,
                                         "merged-single-file"))

/* what rounding may do: sums in another order, and half precision */
#define TOLERANCE_F32 1e-4
#define TOLERANCE_F16 3e-2
/* latents of the comparison: small, and what eight times halving needs */
#define SIDE 8
#define TIMESTEP 481
#define PROMPT "a b c"
#define CONDITION "condition"

static gboolean
vard_exporter_is_lora_format (VardExportFormat format)
{
  return format == VARD_EXPORT_FORMAT_DIFFUSERS || format == VARD_EXPORT_FORMAT_KOHYA;
}

/* ---- one forward pass ---- */

typedef struct
{
  float *values;
  gsize n;
} Output;

static void
output_clear (Output *self)
{
  g_clear_pointer (&self->values, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Output, output_clear)

static gboolean
vard_exporter_set_inputs (VardExecutable *executable,
                          const VardCondition *condition,
                          gsize n,
                          GError **error)
{
  g_autofree float *latents = g_new (float, n);
  const float timestep = TIMESTEP;

  vard_random_fill_normal (1, 0, latents, n);

  return vard_executable_set_input (executable, "latents", latents, n * sizeof (float), error)
         && vard_executable_set_input (executable, "timestep", &timestep, sizeof timestep, error)
         && vard_condition_bind (&condition, 1, executable, CONDITION, error);
}

/* by the model as it is now: its text encoders may have adapters */
static VardCondition *
vard_exporter_encode_prompt (VardModel *model, VardEngine *engine, GError **error)
{
  g_autoptr (VardExecutable) encoder = NULL;

  return vard_model_compile_encoder (model, engine, &encoder, error)
           ? vard_model_encode (model, encoder, PROMPT, NULL, error)
           : NULL;
}

/* prompt to prediction, and the same latents decoded where @is_decoded */
static gboolean
vard_exporter_run_model (VardModel *model,
                         VardEngine *engine,
                         gboolean is_decoded,
                         Output *output,
                         GError **error)
{
  const VardModelInfo *info = vard_model_peek_info (model);
  VardShape shape =
    VARD_SHAPE (1, MIN (info->height, SIDE), MIN (info->width, SIDE), info->channels);
  gsize n = vard_shape_get_count (&shape),
        n_pixels = is_decoded ? n / info->channels * 3 * info->scale * info->scale : 0;
  g_autoptr (VardGraph) graph = vard_graph_new ();
  VardNode *latents = vard_input (graph, "latents", VARD_DTYPE_F32, shape);
  VardNode *timestep = vard_input (graph, "timestep", VARD_DTYPE_F32, VARD_SHAPE (1));
  VardNode *slots[VARD_CONDITION_MAX_SLOTS];

  vard_condition_layout_record_inputs (&info->condition, graph, CONDITION, 1, slots);
  vard_graph_add_output (graph, "prediction",
                         vard_model_record_predict (model, latents, timestep, slots));
  if (is_decoded)
    vard_graph_add_output (graph, "picture", vard_model_record_decode (model, latents));

  g_autoptr (VardCondition) condition = vard_exporter_encode_prompt (model, engine, error);
  g_autoptr (VardExecutable) executable =
    condition != NULL ? vard_engine_compile (engine, graph, error) : NULL;
  g_autofree float *values = g_new (float, n + n_pixels);

  if (executable == NULL || !vard_exporter_set_inputs (executable, condition, n, error)
      || !vard_executable_run (executable, NULL, error)
      || !vard_executable_get_output (executable, "prediction", values, n * sizeof (float), error)
      || (is_decoded
          && !vard_executable_get_output (executable, "picture", values + n,
                                          n_pixels * sizeof (float), error)))
    return FALSE;
  output->values = g_steal_pointer (&values);
  output->n = n + n_pixels;

  return TRUE;
}

static gboolean
vard_exporter_run_without_adapters (VardModel *model,
                                    VardEngine *engine,
                                    gboolean is_decoded,
                                    Output *output,
                                    GError **error)
{
  VardLoraTarget target = vard_model_get_lora_target (model);

  for (guint i = 0; i < target.n_places; i++)
    vard_module_set_adapters_enabled (target.places[i].module, FALSE);

  gboolean ok = vard_exporter_run_model (model, engine, is_decoded, output, error);

  for (guint i = 0; i < target.n_places; i++)
    vard_module_set_adapters_enabled (target.places[i].module, TRUE);

  return ok;
}

/* the largest difference by the largest value; infinite where either has a value that is no
 * number */
static double
vard_exporter_compare (const Output *a, const Output *b)
{
  double worst = 0, largest = 0;

  for (gsize i = 0; i < MIN (a->n, b->n); i++)
    {
      if (!isfinite (a->values[i]) || !isfinite (b->values[i]))
        return INFINITY;
      worst = MAX (worst, fabs ((double) a->values[i] - b->values[i]));
      largest = MAX (largest, fabs (b->values[i]));
    }

  return a->n != b->n ? INFINITY : largest > 0 ? worst / largest : worst;
}

/* ---- writing and reading back ---- */

static void
vard_exporter_count_layer (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  ++*(guint *) data;
}

static guint
vard_exporter_count_layers (VardModel *model)
{
  VardLoraTarget target = vard_model_get_lora_target (model);
  guint n = 0;

  for (guint i = 0; i < target.n_places; i++)
    vard_lora_foreach (target.places[i].module, vard_exporter_count_layer, &n);

  return n;
}

static gboolean
vard_exporter_write_export (VardModel *model,
                            const char *path,
                            const VardExportRequest *request,
                            GError **error)
{
  if (vard_exporter_is_lora_format (request->format))
    return vard_model_save_lora (model, path,
                                 request->format == VARD_EXPORT_FORMAT_KOHYA
                                   ? VARD_LORA_FORMAT_KOHYA
                                   : VARD_LORA_FORMAT_DIFFUSERS,
                                 request->metadata, NULL, error);

  return vard_model_export (model, path,
                            request->format == VARD_EXPORT_FORMAT_MERGED_FOLDER
                              ? VARD_MODEL_FORM_FOLDER
                              : VARD_MODEL_FORM_SINGLE_FILE,
                            request->dtype, request->metadata, error);
}

/* readers of LoRA files take their path by the names' beginnings: one stray tensor breaks the
 * file */
static gboolean
vard_exporter_check_names (VardModel *model,
                           const char *path,
                           VardExportFormat format,
                           guint *n_tensors,
                           GError **error)
{
  g_autoptr (VardSafetensors) file = vard_safetensors_open (path, error);
  VardLoraTarget target = vard_model_get_lora_target (model);
  guint spelling = format == VARD_EXPORT_FORMAT_KOHYA ? VARD_LORA_SPELLING_KOHYA
                                                      : VARD_LORA_SPELLING_DIFFUSERS;

  if (file == NULL)
    return FALSE;
  *n_tensors = g_strv_length ((char **) vard_safetensors_peek_names (file));
  for (const char *const *name = vard_safetensors_peek_names (file);
       vard_exporter_is_lora_format (format) && *name != NULL; name++)
    if (!vard_lora_names_fit (spelling, &target, *name))
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "%s: other programs would not read %s",
                     path, *name);
        return FALSE;
      }

  return TRUE;
}

/* of all weight files in the folders of a folder */
static gboolean
vard_exporter_count_tensors (const char *path, guint *n_tensors, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  if (dir == NULL && g_str_has_suffix (path, ".safetensors"))
    {
      g_autoptr (VardSafetensors) file = vard_safetensors_open (path, error);

      if (file != NULL)
        *n_tensors += g_strv_length ((char **) vard_safetensors_peek_names (file));
      return file != NULL;
    }
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (!vard_exporter_count_tensors (child, n_tensors, error))
        return FALSE;
    }

  return TRUE;
}

static gboolean
vard_exporter_read_back (VardModel *model,
                         VardEngine *engine,
                         const char *path,
                         const VardExportRequest *request,
                         VardExportReport *report,
                         Output *output,
                         GError **error)
{
  VardModelOptions options = { .tokenizer = request->tokenizer };
  guint n_layers = 0;

  if (!(request->format == VARD_EXPORT_FORMAT_MERGED_FOLDER
          ? vard_exporter_count_tensors (path, &report->n_tensors, error)
          : vard_exporter_check_names (model, path, request->format, &report->n_tensors, error)))
    return FALSE;
  if (!vard_exporter_is_lora_format (request->format))
    {
      g_autoptr (VardModel) again = vard_model_load_full (path, &options, error);

      return again != NULL && vard_exporter_run_model (again, engine, TRUE, output, error);
    }
  vard_model_detach_lora (model);
  if (!vard_model_add_lora (model, path, 1, &n_layers, error))
    return FALSE;
  if (n_layers == report->n_layers)
    return vard_exporter_run_model (model, engine, FALSE, output, error);
  g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED,
               "%s: %u layers have an adapter, but the file has %u", path, report->n_layers,
               n_layers);

  return FALSE;
}

/* the files of a folder that was just written: two levels */
static void
vard_exporter_remove_export (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      vard_exporter_remove_export (child);
    }
  g_remove (path);
}

static gboolean
vard_exporter_check_export (VardModel *model,
                            VardEngine *engine,
                            const char *path,
                            const VardExportRequest *request,
                            const Output *expected,
                            VardExportReport *report,
                            GError **error)
{
  double limit = !vard_exporter_is_lora_format (request->format) && request->dtype != VARD_DTYPE_F32
                   ? TOLERANCE_F16
                   : TOLERANCE_F32;
  g_auto (Output) found = { NULL };

  if (!vard_exporter_read_back (model, engine, path, request, report, &found, error))
    return FALSE;
  report->error = vard_exporter_compare (&found, expected);
  if (report->error <= limit)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED,
               "%s does not reproduce the model: its output differs by %.2g of the largest value; "
               "the limit is %.2g",
               path, report->error, limit);

  return FALSE;
}

/**
 * vard_export_model: (skip)
 * @model: the model, with its adapters
 * @engine: computes the comparison
 * @path: (type filename): what to write; it must not exist
 * @request: what to write, and how
 * @report: (out): what was written and how well it reads back
 * @error: return location for an error
 *
 * Writes @path, reads it back and compares the outputs of one forward pass with those of the live
 * model. A file that does not reproduce them is removed again. LoRA formats take the adapters off
 * the model.
 *
 * Returns: %FALSE with an error when nothing was written
 */
gboolean
vard_export_model (VardModel *model,
                   VardEngine *engine,
                   const char *path,
                   const VardExportRequest *request,
                   VardExportReport *report,
                   GError **error)
{
  g_return_val_if_fail (VARD_IS_MODEL (model) && VARD_IS_ENGINE (engine), FALSE);

  gboolean is_decoded = !vard_exporter_is_lora_format (request->format);
  g_auto (Output) live = { NULL };
  g_auto (Output) base = { NULL };
  VardExportReport result = { .n_layers = vard_exporter_count_layers (model) };

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_EXISTS,
                   "%s exists, and vard does not overwrite it: choose another name", path);
      return FALSE;
    }
  if (!vard_exporter_run_model (model, engine, is_decoded, &live, error)
      || !vard_exporter_run_without_adapters (model, engine, is_decoded, &base, error))
    return FALSE;
  result.change = vard_exporter_compare (&live, &base);
  if (!isfinite (result.change))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_DIVERGED,
                   "the model's output has values that are not numbers");
      return FALSE;
    }
  if (!vard_exporter_write_export (model, path, request, error))
    return FALSE;
  if (!vard_exporter_check_export (model, engine, path, request, &live, &result, error))
    {
      vard_exporter_remove_export (path);
      return FALSE;
    }
  *report = result;

  return TRUE;
}
