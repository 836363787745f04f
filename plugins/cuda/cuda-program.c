/* cuda-program.c - executes a lowered graph: queued and captured once, then replayed
 *
 * A capture contains addresses. They change, rarely, when the arena grows or a tensor moves. The
 * program compares them before each execution and captures again if one changed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-weights.h"
#include "cuda-step.h"

#include <string.h>

CudaProgram *
cuda_program_new (CudaDevice *device, CudaPrecision precision)
{
  CudaProgram *self = g_new0 (CudaProgram, 1);

  g_ref_count_init (&self->ref_count);
  self->device = cuda_device_ref (device);
  self->precision = precision;
  self->addresses = g_array_new (FALSE, FALSE, sizeof (gpointer));
  self->weights = g_ptr_array_new_with_free_func (cuda_weight_unref);
  self->assigned = g_ptr_array_new ();

  return self;
}

CudaProgram *
cuda_program_ref (CudaProgram *self)
{
  g_ref_count_inc (&self->ref_count);
  return self;
}

static void
cuda_program_drop_graph (CudaProgram *self)
{
  if (self->graph != NULL)
    self->device->cuda->cuGraphExecDestroy (self->graph);
  self->graph = NULL;
}

void
cuda_program_unref (CudaProgram *self)
{
  if (!g_ref_count_dec (&self->ref_count))
    return;
  self->device->cuda->cuCtxSetCurrent (self->device->context);
  cuda_program_drop_graph (self);
  g_array_unref (self->addresses);
  g_ptr_array_unref (self->weights);
  g_ptr_array_unref (self->assigned);
  cuda_device_unref (self->device);
  g_free (self);
}

/* ---- addresses ---- */

static GArray *
cuda_collect_addresses (CudaProgram *self, VardProgram *program)
{
  GArray *addresses = g_array_new (FALSE, FALSE, sizeof (gpointer));

  for (guint i = 0; i < vard_program_get_n_steps (program); i++)
    {
      const VardStep *step = vard_program_get_step (program, i);
      gpointer scratch = vard_program_get_scratch (program, i);

      g_array_append_vals (addresses, vard_program_get_in (program, i), step->n_in);
      g_array_append_vals (addresses, vard_program_get_out (program, i), step->n_out);
      g_array_append_val (addresses, scratch);
    }
  for (guint i = 0; i < self->weights->len; i++)
    g_array_append_val (addresses, ((CudaWeight *) self->weights->pdata[i])->values->data);

  return addresses;
}

static gboolean
cuda_has_addresses (CudaProgram *self, GArray *addresses)
{
  return self->addresses->len == addresses->len
         && (addresses->len == 0
             || memcmp (self->addresses->data, addresses->data, addresses->len * sizeof (gpointer))
                  == 0);
}

/* ---- execution ---- */

gboolean
cuda_program_prepare (CudaProgram *self, GError **error)
{
  if (!cuda_device_enter (self->device, error))
    return FALSE;
  for (guint i = 0; i < self->weights->len; i++)
    if (!cuda_weight_refresh (self->weights->pdata[i], error))
      return FALSE;

  return TRUE;
}

static gboolean
cuda_queue_steps (CudaProgram *self,
                  VardProgram *program,
                  gboolean is_timed,
                  GCancellable *cancellable,
                  GError **error)
{
  for (guint i = 0; i < vard_program_get_n_steps (program) && self->device->error == NULL; i++)
    {
      const VardStep *step = vard_program_get_step (program, i);
      gint64 begin = is_timed ? vard_trace_begin () : 0;

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      step->kernel (step, vard_program_get_in (program, i), vard_program_get_out (program, i),
                    vard_program_get_scratch (program, i));
      if (begin != 0 && cuda_device_wait (self->device, NULL))
        vard_step_trace (step, begin, "cuda");
    }

  return cuda_device_report (self->device, error);
}

static gboolean
cuda_program_capture (CudaProgram *self, VardProgram *program, GArray *addresses, GError **error)
{
  const CudaLibraries *cuda = self->device->cuda;
  CUgraph graph = NULL;
  gboolean is_queued;

  cuda_program_drop_graph (self);
  if (!cuda_device_check (self->device,
                          cuda->cuStreamBeginCapture (self->device->stream,
                                                      CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                          "starting a capture"))
    return cuda_device_report (self->device, error);
  self->device->is_capturing = TRUE;
  is_queued = cuda_queue_steps (self, program, FALSE, NULL, error);
  self->device->is_capturing = FALSE;
  cuda_device_check (self->device, cuda->cuStreamEndCapture (self->device->stream, &graph),
                     "ending a capture");
  if (is_queued && self->device->error == NULL)
    cuda_device_check (self->device, cuda->cuGraphInstantiate (&self->graph, graph, 0),
                       "preparing a replay");
  if (graph != NULL)
    cuda->cuGraphDestroy (graph);
  if (!is_queued || self->device->error != NULL)
    {
      self->graph = NULL;
      return is_queued ? cuda_device_report (self->device, error) : FALSE;
    }
  g_array_set_size (self->addresses, 0);
  g_array_append_vals (self->addresses, addresses->data, addresses->len);
  self->n_captures++;

  return TRUE;
}

static void
cuda_touch_assigned (CudaProgram *self)
{
  g_autoptr (GHashTable) buffers = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < self->assigned->len; i++)
    g_hash_table_add (buffers, vard_tensor_peek_buffer (self->assigned->pdata[i]));
  if (self->assigned->len > 0)
    cuda_weights_touch (self->device, buffers);
}

/* The first execution is queued call by call, which also lets the libraries do what they may not do
 * in a capture */
gboolean
cuda_program_run (CudaProgram *self,
                  VardProgram *program,
                  gboolean use_graph,
                  GCancellable *cancellable,
                  GError **error)
{
  g_autoptr (GArray) addresses = cuda_collect_addresses (self, program);

  if (!cuda_device_enter (self->device, error)
      || g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  cuda_touch_assigned (self);
  /* durations of single steps need them one by one */
  if (!use_graph || !self->has_run || vard_trace_is_enabled ())
    {
      gboolean is_queued =
        cuda_queue_steps (self, program, vard_trace_is_enabled (), cancellable, error);

      self->has_run = TRUE;
      cuda_device_save_choices (self->device);
      return is_queued;
    }
  if ((self->graph == NULL || !cuda_has_addresses (self, addresses))
      && !cuda_program_capture (self, program, addresses, error))
    return FALSE;
  cuda_device_check (self->device,
                     self->device->cuda->cuGraphLaunch (self->graph, self->device->stream),
                     "replaying");

  return cuda_device_report (self->device, error);
}
