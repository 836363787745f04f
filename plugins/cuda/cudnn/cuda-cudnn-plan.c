/* cuda-cudnn-plan.c - lists the plans that cuDNN proposes, filters them, and runs one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-cudnn-private.h"

#include <string.h>

/* proposals that are looked at */
#define N_PROPOSALS 24
#define MAX_WAYS 8

struct _CudaDnnPlan
{
  CudaDnnGraph *graph;
  cudnnBackendDescriptor_t ways[MAX_WAYS];
  gint places[MAX_WAYS];
  guint n_ways;
  gsize workspace;
};

static void
cuda_set_target (CudaDnnGraph *graph,
                 cudnnBackendDescriptor_t descriptor,
                 cudnnBackendAttributeName_t for_handle,
                 cudnnBackendAttributeName_t for_properties)
{
  const CudaDnnTarget *target = graph->target;

  if (target->handle != NULL)
    cuda_dnn_graph_set (graph, descriptor, for_handle, CUDNN_TYPE_HANDLE, 1, &target->handle);
  else
    cuda_dnn_graph_set (graph, descriptor, for_properties, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                        &target->properties);
}

static cudnnBackendDescriptor_t
cuda_make_operations (CudaDnnGraph *graph)
{
  cudnnBackendDescriptor_t all =
    cuda_dnn_graph_create (graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);

  if (graph->target->handle != NULL)
    cuda_dnn_graph_set (graph, all, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1,
                        &graph->target->handle);
  cuda_dnn_graph_set (graph, all, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                      graph->operations->len, graph->operations->pdata);
  cuda_dnn_graph_finalize (graph, all, "the operations together");

  return all;
}

/* ways that the library's estimate puts first come first; returns how many */
static guint
cuda_propose (CudaDnnGraph *graph,
              cudnnBackendDescriptor_t operations,
              cudnnBackendHeurMode_t mode,
              cudnnBackendDescriptor_t *configurations)
{
  cudnnBackendDescriptor_t heuristics =
    cuda_dnn_graph_create (graph, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  gint64 n_found = 0;

  cuda_dnn_graph_set (graph, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                      CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operations);
  cuda_dnn_graph_set (graph, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1,
                      &mode);
#if CUDNN_VERSION >= 90800
  if (graph->target->properties != NULL)
    cuda_dnn_graph_set (graph, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph->target->properties);
#endif
  cuda_dnn_graph_finalize (graph, heuristics, "proposals");
  for (guint i = 0; i < N_PROPOSALS; i++)
    configurations[i] = cuda_dnn_graph_create (graph, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  if (graph->failure != NULL
      || !cuda_dnn_graph_check (graph,
                                graph->target->library
                                  ->cudnnBackendGetAttribute (heuristics,
                                                              CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                              CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                                              N_PROPOSALS, &n_found,
                                                              configurations),
                                "proposals"))
    return 0;

  return MIN (n_found, N_PROPOSALS);
}

/* what the library says of how a way computes; all of it when it does not answer */
static guint
cuda_get_notes (CudaDnnGraph *graph, cudnnBackendDescriptor_t configuration)
{
  const CudaDnnLibrary *library = graph->target->library;
  cudnnBackendDescriptor_t engine = cuda_dnn_graph_create (graph, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  gint64 n = 0;
  guint found = 0;

  if (library->cudnnBackendGetAttribute (configuration, CUDNN_ATTR_ENGINECFG_ENGINE,
                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine)
        != CUDNN_STATUS_SUCCESS
      || library->cudnnBackendGetAttribute (engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                            CUDNN_TYPE_NUMERICAL_NOTE, G_N_ELEMENTS (notes), &n,
                                            notes)
           != CUDNN_STATUS_SUCCESS)
    return G_MAXUINT;
  for (gint64 i = 0; i < MIN (n, (gint64) G_N_ELEMENTS (notes)); i++)
    found |= 1u << notes[i];

  return found;
}

/* A proposal that cannot be made is no failure of the graph: the next may do. Some take seconds to
 * compile. */
static gboolean
cuda_try_way (CudaDnnPlan *self,
              cudnnBackendDescriptor_t configuration,
              const CudaDnnWish *wish,
              gint place)
{
  CudaDnnGraph *graph = self->graph;
  const CudaDnnLibrary *library = graph->target->library;
  cudnnBackendDescriptor_t way =
    cuda_dnn_graph_create (graph, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  gint64 n = 0, workspace = 0;

#if CUDNN_VERSION >= 90800
  cuda_set_target (graph, way, CUDNN_ATTR_EXECUTION_PLAN_HANDLE,
                   CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
#else
  cuda_set_target (graph, way, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, 0);
#endif
  cuda_dnn_graph_set (graph, way, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                      CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &configuration);
  if (graph->failure != NULL || library->cudnnBackendFinalize (way) != CUDNN_STATUS_SUCCESS
      || library->cudnnBackendGetAttribute (way, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                            CUDNN_TYPE_INT64, 1, &n, &workspace)
           != CUDNN_STATUS_SUCCESS
      || workspace > (gint64) wish->workspace)
    return FALSE;
  self->ways[self->n_ways] = way;
  self->places[self->n_ways++] = place;
  self->workspace = MAX (self->workspace, (gsize) workspace);

  return TRUE;
}

static void
cuda_find_ways_of (CudaDnnPlan *self,
                   cudnnBackendDescriptor_t operations,
                   cudnnBackendHeurMode_t mode,
                   gint first,
                   const CudaDnnWish *wish)
{
  cudnnBackendDescriptor_t configurations[N_PROPOSALS];
  guint n = cuda_propose (self->graph, operations, mode, configurations);

  for (guint i = 0; i < n && self->n_ways < MIN (wish->n_ways, MAX_WAYS); i++)
    if ((wish->way < 0 || wish->way == first + (gint) i)
        && (cuda_get_notes (self->graph, configurations[i]) & wish->refused_notes) == 0)
      cuda_try_way (self, configurations[i], wish, first + i);
}

static void
cuda_find_ways (CudaDnnPlan *self, cudnnBackendDescriptor_t operations, const CudaDnnWish *wish)
{
  cuda_find_ways_of (self, operations, CUDNN_HEUR_MODE_A, 0, wish);
  if (self->n_ways == 0 && self->graph->failure == NULL)
    cuda_find_ways_of (self, operations, CUDNN_HEUR_MODE_FALLBACK, N_PROPOSALS, wish);
}

/* A way that was wished for and no longer fits is as none wished for */
CudaDnnPlan *
cuda_dnn_plan_new (CudaDnnGraph *graph, const CudaDnnWish *wish)
{
  g_autoptr (CudaDnnPlan) self = g_new0 (CudaDnnPlan, 1);
  cudnnBackendDescriptor_t operations;
  CudaDnnWish any = *wish;

  any.way = -1;
  self->graph = graph;
  operations = cuda_make_operations (graph);
  if (graph->failure != NULL)
    return NULL;
  cuda_find_ways (self, operations, wish);
  if (wish->way >= 0 && self->n_ways == 0 && graph->failure == NULL)
    cuda_find_ways (self, operations, &any);

  return self->n_ways > 0 && graph->failure == NULL ? g_steal_pointer (&self) : NULL;
}

char *
cuda_dnn_plan_dup_text (CudaDnnPlan *self, guint index)
{
  const CudaDnnLibrary *library = self->graph->target->library;
  cudnnBackendDescriptor_t way = self->ways[index];
  gint64 size = 0, n = 0;
  g_autofree char *text = NULL;

  if (library->cudnnBackendGetAttribute (way, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                         CUDNN_TYPE_CHAR, 0, &size, NULL)
        != CUDNN_STATUS_SUCCESS
      || size < 1)
    return NULL;
  text = g_malloc0 (size + 1);
  if (library->cudnnBackendGetAttribute (way, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                         CUDNN_TYPE_CHAR, size, &n, text)
      != CUDNN_STATUS_SUCCESS)
    return NULL;

  return g_steal_pointer (&text);
}

static gboolean
cuda_finish_restored (const CudaDnnTarget *target,
                      cudnnBackendDescriptor_t way,
                      const char *text,
                      gint64 *workspace)
{
  const CudaDnnLibrary *library = target->library;
  cudnnStatus_t status;
  gint64 n = 0;

  if (target->handle != NULL)
    status = library->cudnnBackendSetAttribute (way, CUDNN_ATTR_EXECUTION_PLAN_HANDLE,
                                                CUDNN_TYPE_HANDLE, 1, &target->handle);
  else
#if CUDNN_VERSION >= 90800
    status = library->cudnnBackendSetAttribute (way, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                                CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                                &target->properties);
#else
    status = CUDNN_STATUS_NOT_SUPPORTED;
#endif

  return status == CUDNN_STATUS_SUCCESS
         && library->cudnnBackendSetAttribute (way, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                               CUDNN_TYPE_CHAR, strlen (text), text)
              == CUDNN_STATUS_SUCCESS
         && library->cudnnBackendFinalize (way) == CUDNN_STATUS_SUCCESS
         && library->cudnnBackendGetAttribute (way, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                               CUDNN_TYPE_INT64, 1, &n, workspace)
              == CUDNN_STATUS_SUCCESS;
}

/* a failure is none of the graph's, from which a plan can still be made */
CudaDnnPlan *
cuda_dnn_plan_restore (CudaDnnGraph *graph, const char *text, gint way)
{
  const CudaDnnLibrary *library = graph->target->library;
  cudnnBackendDescriptor_t restored = NULL;
  gint64 workspace = 0;
  CudaDnnPlan *self;

  if (graph->failure != NULL
      || library->cudnnBackendCreateDescriptor (CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &restored)
           != CUDNN_STATUS_SUCCESS)
    return NULL;
  if (!cuda_finish_restored (graph->target, restored, text, &workspace))
    {
      library->cudnnBackendDestroyDescriptor (restored);
      return NULL;
    }
  g_ptr_array_add (graph->descriptors, restored);
  self = g_new0 (CudaDnnPlan, 1);
  self->graph = graph;
  self->ways[0] = restored;
  self->places[0] = way;
  self->n_ways = 1;
  self->workspace = workspace;

  return self;
}

void
cuda_dnn_plan_free (CudaDnnPlan *self)
{
  if (self == NULL)
    return;
  cuda_dnn_graph_free (self->graph);
  g_free (self);
}

guint
cuda_dnn_plan_get_n_ways (CudaDnnPlan *self)
{
  return self->n_ways;
}

gint
cuda_dnn_plan_get_way (CudaDnnPlan *self, guint index)
{
  return self->places[index];
}

gsize
cuda_dnn_plan_get_workspace (CudaDnnPlan *self)
{
  return self->workspace;
}

/* The pack of addresses is made each time: a program is queued twice in its life, and then
 * replayed */
gboolean
cuda_dnn_plan_execute (CudaDnnPlan *self, guint index, const gpointer *pointers, gpointer workspace)
{
  const CudaDnnLibrary *library = self->graph->target->library;
  cudnnBackendDescriptor_t pack = NULL;
  gpointer bound[CUDA_DNN_MAX_TENSORS];
  gint64 ids[CUDA_DNN_MAX_TENSORS], n = 0;
  gboolean is_done;

  for (guint i = 0; i < self->graph->n_tensors; i++)
    if (self->graph->is_bound[i])
      {
        bound[n] = pointers[i];
        ids[n++] = i + 1;
      }
  if (library->cudnnBackendCreateDescriptor (CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack)
      != CUDNN_STATUS_SUCCESS)
    return FALSE;
  library->cudnnBackendSetAttribute (pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n,
                                     ids);
  library->cudnnBackendSetAttribute (pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                     CUDNN_TYPE_VOID_PTR, n, bound);
  library->cudnnBackendSetAttribute (pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
                                     1, &workspace);
  is_done = library->cudnnBackendFinalize (pack) == CUDNN_STATUS_SUCCESS
            && library->cudnnBackendExecute (self->graph->target->handle, self->ways[index], pack)
                 == CUDNN_STATUS_SUCCESS;
  library->cudnnBackendDestroyDescriptor (pack);

  return is_done;
}
