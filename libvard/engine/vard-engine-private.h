/* vard-engine-private.h - what the files of engine/ share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-executable.h"
#include "engine/vard-plan.h"

G_BEGIN_DECLS

/* ---- lowering ---- */
typedef struct
{
  gboolean is_claimed, is_absorbed;
  VardNode *view_of; /* NULL: has storage of its own */
  gsize view_offset;
  gboolean has_storage; /* lies in memory as another type than the node's */
  VardDType storage;
  gboolean is_kept;    /* the engine has the value in a buffer of its own */
  VardBuffer *kept_in; /* borrowed; NULL: no step reads it */
} VardClaim;

struct _VardLowering
{
  VardEngine *engine;
  VardGraph *graph;
  guint n_nodes;
  guint8 *live;
  guint *n_uses;
  VardNode **readers;
  VardClaim *claims;
  GArray *steps; /* VardStep, owned nodes arrays */
};

VardLowering *vard_lowering_new (VardEngine *engine, VardGraph *graph);
void vard_lowering_free (VardLowering *self);
gboolean vard_lowering_check (VardLowering *self, GError **error);
/* follows views to the node that has storage, adding up offsets */
VardNode *vard_lowering_get_root (VardLowering *self, VardNode *node, gsize *offset);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardLowering, vard_lowering_free)

/* ---- program ---- */
typedef enum
{
  VARD_PLACE_NONE,
  VARD_PLACE_ARENA,
  VARD_PLACE_BUFFER,
  VARD_PLACE_TENSOR
} VardPlaceKind;

typedef struct
{
  VardPlaceKind kind;
  gsize offset;
  VardBuffer *buffer; /* borrowed from the program */
  VardTensor *tensor; /* borrowed from the graph */
} VardPlace;

typedef struct
{
  const char *name;
  VardNode *node;
  VardBuffer *buffer; /* inputs and outputs: persistent; owned */
  VardPlace source;   /* outputs: copied from here after the steps unless NONE */
} VardPort;

typedef struct
{
  VardPlace from, to;
  gsize size;
} VardCopy;

struct _VardProgram
{
  VardEngine *engine;
  VardGraph *graph;
  GArray *steps;
  GArray *inputs, *outputs; /* VardPort */
  /* VardCopy: outputs that are not computed in place, and assignments */
  GArray *copies;
  GArray *staged;       /* VardCopy: second halves of assignments that read a param */
  GPtrArray *constants; /* VardBuffer, staging buffers among them */
  VardPlace *places;    /* by node id */
  VardPlace *scratch;   /* by step */
  gpointer **in, **out; /* by step: resolved addresses */
  gpointer *scratch_address;
  gsize arena_size;
};

VardProgram *vard_program_new (VardLowering *lowering, GError **error);
/* vard-update.c */
/* Updates of params go right behind the last step that they need */
void vard_lowering_advance_updates (VardLowering *self);
/* whether an output may lie over an input */
gboolean vard_step_may_overwrite (const VardStep *self, const VardNode *out, guint in);
/* Whether the old value of a param was read for the last time, or is read element by element, when
 * the new one is written.
 * @last_use: of each node, the last step that reads it */
gboolean vard_update_may_overwrite (VardProgram *program,
                                    VardLowering *lowering,
                                    const guint *last_use,
                                    const VardNode *param,
                                    const VardNode *value);
/* vard-layout.c */
gboolean vard_program_lay_out (VardProgram *self, VardLowering *lowering, GError **error);
void vard_program_free (VardProgram *self);
gboolean vard_program_run (VardProgram *self, GCancellable *cancellable, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardProgram, vard_program_free)

/* ---- engine: one arena for all its programs, and one execution at a time ---- */
gboolean vard_engine_reserve (VardEngine *self, gsize size, GError **error);
VardBuffer *vard_engine_peek_arena (VardEngine *self);
/* what all programs that were compiled so far need, run or not */
void vard_engine_expect_arena (VardEngine *self, gsize size);
gsize vard_engine_get_expected_arena (VardEngine *self);
void vard_engine_lock (VardEngine *self);
void vard_engine_unlock (VardEngine *self);
gboolean vard_engine_poisons (VardEngine *self);
gboolean vard_engine_copy (VardEngine *self,
                           VardBuffer *from,
                           gsize from_offset,
                           VardBuffer *to,
                           gsize to_offset,
                           gsize size,
                           GError **error);
gboolean vard_engine_prepare (VardEngine *self, VardProgram *program, GError **error);
gboolean vard_engine_execute (VardEngine *self,
                              VardProgram *program,
                              GCancellable *cancellable,
                              GError **error);

G_END_DECLS
