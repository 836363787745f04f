/* cpu-fuse.h - which elementwise nodes become one step
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "cpu-step.h"

G_BEGIN_DECLS

/* Nodes whose values meet in a root. The step runs when the root is due, the last of its nodes. */
typedef struct
{
  VardNode *root;
  GPtrArray *members;     /* from the root backwards */
  VardNode *outputs[CPU_REGION_MAX_OUTPUTS];
  guint n_outputs;        /* the root is the first */
  guint n_arguments;
  VardNode *producer;     /* computed by the same step just before, or NULL; it may be one of the outputs */
  gint producer_output;   /* which, or -1 */
  VardNode *consumer;     /* its step computes the root as it goes, instead of a step of the group; or NULL */
} CpuGroup;

typedef struct
{
  VardLowering *lowering;
  VardGraph *graph;
  guint n_nodes;
  guint *first_reader;    /* by node id, into readers; n_nodes + 1 entries */
  VardNode **readers;
  gboolean *is_sink;      /* an output or a value to assign */
  CpuGroup **group_of;    /* by node id, or NULL */
  GPtrArray *groups;
} CpuFusion;

CpuFusion *cpu_fusion_new      (VardLowering *lowering);
void       cpu_fusion_free     (CpuFusion    *self);
/* nodes that regions read as a pattern or an immediate: broadcasts, fills, slices, pads */
gboolean   cpu_fusion_is_pattern (const VardNode *node);
/* a pattern that somebody reads as a whole */
gboolean   cpu_fusion_is_needed (CpuFusion      *self,
                                 const VardNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CpuFusion, cpu_fusion_free)

G_END_DECLS
