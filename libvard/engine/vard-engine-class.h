/* vard-engine-class.h - the seam between graphs and what computes them, for engines
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine.h"
#include "graph/vard-op-classes.h"
#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _VardLowering VardLowering;
typedef struct _VardProgram VardProgram;
typedef struct _VardStep VardStep;

/* Bytes of a device's memory that the programs compiled so far need, run or not */
typedef struct
{
  gsize weights;   /* as the steps read them */
  gsize buffers;   /* what is trained, moments, inputs and outputs */
  gsize workspace; /* what the largest program needs: all share it */
  gsize libraries;
  gsize needed;  /* the sum */
  gsize peak;    /* the most that was held so far */
  gsize missing; /* of needed, what is not allocated yet */
  /* as the device reports them: memory that the driver and other processes hold is not free */
  gsize free, total;
} VardDeviceMemory;

/* in and out follow the step's nodes; scratch has the bytes the step asked for */
typedef void (*VardKernel) (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch);

/* outputs behind these have memory of their own */
#define VARD_STEP_MAX_IN_PLACE 8

/* One call of an engine: one or more nodes computed together */
struct _VardStep
{
  const char *name; /* kernel and algorithm, for traces: "conv2d/winograd" */
  VardKernel kernel;
  gpointer data; /* the engine's own, freed with free_data */
  GDestroyNotify free_data;
  VardEngine *engine; /* filled in by the lowering */
  guint n_in, n_out;
  VardNode **in, **out; /* what it reads and what it computes */
  gsize scratch_size;
  /* bit k of each output: it may lie over in[k], if that is as large and nothing reads it later */
  guint64 in_place[VARD_STEP_MAX_IN_PLACE];
  double flops; /* an estimate for traces, may be 0 */
};

struct _VardEngineClass
{
  GObjectClass parent_class;

  /* a sentence: device, threads, libraries */
  char *(*describe) (VardEngine *self);

  VardBuffer *(*alloc) (VardEngine *self, gsize size, GError **error);
  gboolean (*write) (VardEngine *self,
                     VardBuffer *to,
                     gsize offset,
                     gconstpointer from,
                     gsize size,
                     GError **error);
  gboolean (*read) (VardEngine *self,
                    VardBuffer *from,
                    gsize offset,
                    gpointer to,
                    gsize size,
                    GError **error);
  gboolean (*copy) (VardEngine *self,
                    VardBuffer *from,
                    gsize from_offset,
                    VardBuffer *to,
                    gsize to_offset,
                    gsize size,
                    GError **error);
  gboolean (*fill) (VardEngine *self,
                    VardBuffer *to,
                    gsize offset,
                    guint8 value,
                    gsize size,
                    GError **error);

  gboolean (*lower) (VardEngine *self, VardLowering *lowering, GError **error);
  gboolean (*execute) (VardEngine *self,
                       VardProgram *program,
                       GCancellable *cancellable,
                       GError **error);
  gboolean (*wait) (VardEngine *self, GError **error);

  /* whether products read their operands as they are, in single precision; without it they may
   * round them */
  gboolean (*is_exact) (VardEngine *self);
  /* what a program needs before its addresses are looked up; without it nothing */
  gboolean (*prepare) (VardEngine *self, VardProgram *program, GError **error);
  /* for an engine that has memory of its own; workspace is filled in */
  gboolean (*describe_memory) (VardEngine *self, VardDeviceMemory *memory);

  gpointer padding[6];
};

gsize vard_engine_get_arena_size (VardEngine *self);

/* ---- lowering: what an engine's lower() sees ----
 * It walks the live nodes in order, and either adds a step that computes one or more of them or
 * declares a node to be a view. Nodes that stay unclaimed fail the compile with all of them
 * named. */
VardGraph *vard_lowering_get_graph (VardLowering *self);
gboolean vard_lowering_is_live (VardLowering *self, const VardNode *node);
gboolean vard_lowering_is_claimed (VardLowering *self, const VardNode *node);
/* how many live nodes (and outputs, assignments) read it: 1 means that it may be fused into its
 * reader */
guint vard_lowering_get_n_uses (VardLowering *self, const VardNode *node);
/* (the only) live reader when there is just one and it is a node, else NULL */
VardNode *vard_lowering_get_reader (VardLowering *self, const VardNode *node);
/* copies the record; steps execute in the order they were added */
void vard_lowering_add_step (VardLowering *self, const VardStep *step);
/* node is the same bytes as source from an offset on */
void vard_lowering_add_view (VardLowering *self, VardNode *node, VardNode *source, gsize offset);
gboolean vard_lowering_add_slice_view (VardLowering *self, VardNode *node);
/* node is computed inside another step and has no storage (fused away) */
void vard_lowering_absorb (VardLowering *self, VardNode *node);
/* A computed node that is neither an output nor assigned may lie in memory as another type than its
 * own, if all steps of the engine write and read it so. Views of it follow. */
void vard_lowering_set_storage (VardLowering *self, VardNode *node, VardDType dtype);
VardDType vard_lowering_get_storage (VardLowering *self, const VardNode *node);
/* The engine has the value of a param, a constant, or a node of these in a buffer of its own, which
 * must outlive the program; a param that is kept is not adopted. NULL: no step reads it. */
void vard_lowering_keep (VardLowering *self, VardNode *node, VardBuffer *buffer);

/* ---- program: what an engine's execute() sees ---- */
guint vard_program_get_n_steps (VardProgram *self);
const VardStep *vard_program_get_step (VardProgram *self, guint i);
/* ends a duration of the trace that vard_trace_begin() began, with the step's shapes and
 * operations */
void vard_step_trace (const VardStep *self, gint64 begin, const char *category);
/* addresses of step i, resolved for this execution */
gpointer *vard_program_get_in (VardProgram *self, guint i);
gpointer *vard_program_get_out (VardProgram *self, guint i);
gpointer vard_program_get_scratch (VardProgram *self, guint i);

G_END_DECLS
