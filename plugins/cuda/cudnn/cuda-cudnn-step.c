/* cuda-cudnn-step.c - a step that cuDNN computes: the fastest plan and its buffers
 *
 * The engine refuses plans whose order of summation varies, and plans that compute with fewer bits
 * than the precision.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-cudnn-step.h"

#include "cuda-gemm.h"

#define ALIGNMENT 16

/* how many ways are timed, and how often each: the fastest round counts */
#define N_WAYS 4
#define N_ROUNDS 3
#define N_RUNS 4

#define NOTE(name) (1u << CUDNN_NUMERICAL_NOTE_##name)

/* ---- the library and the device ---- */

static const CudaDnnTarget *
cuda_ensure_target (CudaDevice *device)
{
  const CudaDnnLibrary *library = cuda_dnn_library_open ();

  if (device->dnn == NULL && library != NULL && cuda_device_enter (device, NULL))
    device->dnn = cuda_dnn_target_new (library, device->stream);
  return device->dnn;
}

const CudaDnnTarget *
cuda_dnn_step_get_target (CudaClaim *claim)
{
  CudaDevice *device = claim->program->device;

  return device->uses_dnn ? cuda_ensure_target (device) : NULL;
}

char *
cuda_dnn_describe (CudaDevice *device)
{
  const CudaDnnTarget *target = cuda_ensure_target (device);
  gsize version = target != NULL ? target->library->cudnnGetVersion () : 0;

  if (target == NULL)
    return g_strdup (cuda_dnn_library_open () != NULL ? "cuDNN does not start"
                                                      : "no libcudnn.so.9");

  return g_strdup_printf ("cuDNN %" G_GSIZE_FORMAT ".%" G_GSIZE_FORMAT ".%" G_GSIZE_FORMAT,
                          version / 10000, version / 100 % 100, version % 100);
}

void
cuda_dnn_close (CudaDevice *device)
{
  g_clear_pointer (&device->dnn_works, g_hash_table_unref);
  g_clear_pointer ((CudaDnnTarget **) &device->dnn, cuda_dnn_target_free);
}

/* ---- the plan ---- */

guint
cuda_dnn_get_refused_notes (CudaPrecision precision)
{
  guint always = NOTE (NONDETERMINISTIC) | NOTE (REDUCED_PRECISION_REDUCTION);

  if (precision == CUDA_PRECISION_BF16)
    return always;
  always |= NOTE (DOWN_CONVERT_INPUTS) | NOTE (WINOGRAD_TILE_6x6) | NOTE (WINOGRAD_TILE_13x13);

  return precision == CUDA_PRECISION_TF32 ? always : always | NOTE (TENSOR_CORE);
}

static void
cuda_work_free (gpointer data)
{
  CudaDnnWork *work = data;

  cuda_dnn_plan_free (work->plan);
  g_free (work->key);
  g_free (work);
}

/* how a way is kept that was not chosen by measuring */
#define FIRST_WAY -1 /* nothing is measured, and it was the first that fits */
#define ONLY_WAY -2

/* a way that was taken before, as it was compiled */
static CudaDnnPlan *
cuda_restore (CudaDevice *device, CudaDnnGraph *graph, const char *key, gint way)
{
  g_autofree char *text = cuda_dnn_dup_kept (device, key,
                                             way >= 0           ? way
                                             : device->measures ? ONLY_WAY
                                                                : FIRST_WAY);

  return text != NULL ? cuda_dnn_plan_restore (graph, text, way) : NULL;
}

static void
cuda_keep (CudaDevice *device, CudaDnnWork *work, gint way)
{
  g_autofree char *text = cuda_dnn_plan_dup_text (work->plan, work->chosen);

  if (text != NULL)
    cuda_dnn_keep (device, work->key, way, text);
}

/* takes the key */
static CudaDnnWork *
cuda_work_new (CudaDevice *device, CudaPrecision precision, CudaDnnGraph *graph, char *key)
{
  CudaDnnWork *self = g_new0 (CudaDnnWork, 1);
  CudaDnnWish wish = { cuda_dnn_get_refused_notes (precision), device->dnn_workspace,
                       device->measures ? N_WAYS : 1, -1 };
  gint32 way = -1;
  gboolean is_restored;

  self->key = key;
  if (device->measures && cuda_device_recall (device, key, &way, sizeof way))
    wish.way = MAX (way, -1);
  self->plan = cuda_restore (device, graph, key, wish.way);
  is_restored = self->plan != NULL;
  if (is_restored && cuda_dnn_plan_get_workspace (self->plan) > wish.workspace)
    {
      g_clear_pointer (&self->plan, cuda_dnn_plan_free);
      return self;
    }
  if (!is_restored)
    self->plan = cuda_dnn_plan_new (graph, &wish);
  if (self->plan == NULL)
    return self;
  if (wish.way >= 0 && cuda_dnn_plan_get_way (self->plan, 0) == wish.way)
    device->n_recalled++;
  self->chosen = cuda_dnn_plan_get_n_ways (self->plan) > 1 ? -1 : 0;
  if (!is_restored && self->chosen == 0)
    cuda_keep (device, self,
               !device->measures ? FIRST_WAY
               : wish.way >= 0   ? cuda_dnn_plan_get_way (self->plan, 0)
                                 : ONLY_WAY);

  return self;
}

CudaDnnStep *
cuda_dnn_step_new (CudaClaim *claim, CudaDnnGraph *graph, const char *key)
{
  CudaDevice *device = claim->program->device;
  CudaPrecision precision = claim->program->precision;
  const CudaDnnTarget *target = device->dnn;
  g_autofree char *full_key =
    g_strdup_printf ("cudnn-%" G_GSIZE_FORMAT "-%s-%s", target->library->cudnnGetVersion (),
                     ((const char *[]) { "fp32", "tf32", "bf16" })[precision], key);
  CudaDnnWork *work;
  CudaDnnStep *self;

  if (device->dnn_works == NULL)
    device->dnn_works = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, cuda_work_free);
  work = g_hash_table_lookup (device->dnn_works, full_key);
  if (work != NULL)
    cuda_dnn_graph_free (graph);
  else
    {
      work = cuda_work_new (device, precision, graph, g_steal_pointer (&full_key));
      g_hash_table_insert (device->dnn_works, work->key, work);
    }
  if (work->plan == NULL)
    return NULL;
  self = g_new0 (CudaDnnStep, 1);
  self->device = device;
  self->work = work;
  self->workspace_at =
    cuda_scratch_add (&claim->step.scratch_size, cuda_dnn_plan_get_workspace (work->plan));

  return self;
}

/* ---- execution ---- */

/* seconds of the fastest round, by the host's clock: the device has nothing else to do */
static double
cuda_time_way (CudaDevice *device,
               CudaDnnPlan *plan,
               guint index,
               const gpointer *pointers,
               gpointer workspace)
{
  double best = G_MAXDOUBLE;

  for (guint round = 0; round <= N_ROUNDS; round++)
    {
      gint64 begin;

      if (!cuda_device_wait (device, NULL))
        return G_MAXDOUBLE;
      begin = g_get_monotonic_time ();
      for (guint i = 0; i < N_RUNS; i++)
        if (!cuda_dnn_plan_execute (plan, index, pointers, workspace))
          return G_MAXDOUBLE;
      if (!cuda_device_wait (device, NULL))
        return G_MAXDOUBLE;
      if (round > 0)
        best = MIN (best, (g_get_monotonic_time () - begin) * 1e-6);
    }

  return best;
}

/* inputs are not written, so running it more than once changes nothing */
static void
cuda_choose_way (CudaDevice *device,
                 CudaDnnWork *work,
                 const gpointer *pointers,
                 gpointer workspace)
{
  double best = G_MAXDOUBLE;
  gint32 way;

  work->chosen = 0;
  for (guint i = 0; i < cuda_dnn_plan_get_n_ways (work->plan); i++)
    {
      double seconds = cuda_time_way (device, work->plan, i, pointers, workspace);

      if (seconds < best)
        work->chosen = i;
      best = MIN (best, seconds);
    }
  way = cuda_dnn_plan_get_way (work->plan, work->chosen);
  device->n_measured++;
  cuda_device_remember (device, work->key, &way, sizeof way);
  cuda_keep (device, work, way);
}

void
cuda_dnn_step_run (CudaDnnStep *self, const gpointer *pointers, guint8 *scratch)
{
  CudaDevice *device = self->device;
  CudaDnnWork *work = self->work;
  gpointer workspace = scratch + self->workspace_at;

  if (device->error != NULL)
    return;
  if (work->chosen < 0 && !device->is_capturing)
    cuda_choose_way (device, work, pointers, workspace);
  if (!cuda_dnn_plan_execute (work->plan, MAX (work->chosen, 0), pointers, workspace))
    cuda_device_fail (device,
                      "%s: cuDNN failed while computing %s: set cudnn=false to compute without it",
                      device->name, work->key);
}

/* ---- places ---- */

static gsize
cuda_get_size (CudaClaim *claim, const VardNode *node)
{
  return vard_node_get_count (node)
         * (claim->program->precision == CUDA_PRECISION_BF16 ? sizeof (guint16) : sizeof (float));
}

/* values that have a place of their own begin at a multiple of 64 bytes */
static gboolean
cuda_is_surely_aligned (CudaClaim *claim, const VardNode *node)
{
  const CudaStorage *storage = claim->program->storage;
  const CudaWeightView *view = &storage->weights[node->id];

  if (view->base != NULL && claim->program->precision == CUDA_PRECISION_BF16)
    return view->offset == 0 && !view->is_flat;
  while (node->op->flags & VARD_OP_FLAG_VIEW || vard_fusion_passes_through (node))
    node = node->inputs[0];

  return node->op != &vard_op_slice
         && (node->op != &vard_op_source
             || ((const VardSourceAttrs *) node->attrs)->kind == VARD_SOURCE_INPUT);
}

static void
cuda_add_room (CudaDnnPlace *self, CudaClaim *claim)
{
  self->has_room = TRUE;
  self->room_at = cuda_scratch_add (&claim->step.scratch_size, self->size);
}

void
cuda_dnn_place_init (CudaDnnPlace *self, CudaClaim *claim, VardNode *node)
{
  *self = (CudaDnnPlace) { .size = cuda_get_size (claim, node) };
  cuda_operand_init (&self->operand, claim, node);
  if (!self->operand.converts && !cuda_is_surely_aligned (claim, node))
    cuda_add_room (self, claim);
}

/* what the graph gives out may lie in the middle of somebody's buffer */
void
cuda_dnn_place_init_out (CudaDnnPlace *self, CudaClaim *claim, VardNode *node)
{
  *self = (CudaDnnPlace) { .size = cuda_get_size (claim, node) };
  if (claim->program->storage->fusion->is_sink[node->id])
    cuda_add_room (self, claim);
}

static gboolean
cuda_is_aligned (gconstpointer address)
{
  return (guintptr) address % ALIGNMENT == 0;
}

gpointer
cuda_dnn_place_read (const CudaDnnPlace *self,
                     CudaDevice *device,
                     gconstpointer in,
                     guint8 *scratch)
{
  gconstpointer values = cuda_operand_read (&self->operand, device, in, scratch);

  if (!self->has_room || cuda_is_aligned (values))
    return (gpointer) values;
  cuda_device_copy (device, values, scratch + self->room_at, self->size);

  return scratch + self->room_at;
}

gpointer
cuda_dnn_place_begin (const CudaDnnPlace *self, gpointer out, guint8 *scratch)
{
  return !self->has_room || cuda_is_aligned (out) ? out : scratch + self->room_at;
}

void
cuda_dnn_place_end (const CudaDnnPlace *self, CudaDevice *device, gpointer out, gpointer written)
{
  if (written != out)
    cuda_device_copy (device, written, out, self->size);
}
