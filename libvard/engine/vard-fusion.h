/* vard-fusion.h - decides which elementwise nodes an engine computes in one step
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "engine/vard-engine-class.h"

G_BEGIN_DECLS

#define VARD_FUSION_MAX_OUTPUTS 8

/* Nodes whose values meet in a root. The step runs when the root is due, the last of its nodes. */
typedef struct
{
  VardNode *root;
  GPtrArray *members; /* from the root backwards */
  VardNode *outputs[VARD_FUSION_MAX_OUTPUTS];
  guint n_outputs; /* the root is the first */
  guint n_arguments;
  /* for engines whose steps do more than the group */
  /* computed by the same step just before, or NULL; it may be one of the outputs */
  VardNode *producer;
  gint producer_output; /* which, or -1 */
  /* its step computes the root as it goes, instead of a step of the group; or NULL */
  VardNode *consumer;
} VardFusionGroup;

/* What an engine can put into one step */
typedef struct
{
  guint max_outputs; /* at most VARD_FUSION_MAX_OUTPUTS */
  gboolean (*is_elementwise) (const VardNode *node);
  gboolean (*has_room) (const VardFusionGroup *group, const VardNode *node);
} VardFusionRules;

typedef struct
{
  const VardFusionRules *rules;
  VardLowering *lowering;
  VardGraph *graph;
  guint n_nodes;
  guint *first_reader; /* by node id, into readers; n_nodes + 1 entries */
  VardNode **readers;
  gboolean *is_sink;          /* an output or a value to assign */
  VardNode **replaced;        /* by node id: the param that the value is assigned to, or NULL */
  VardFusionGroup **group_of; /* by node id, or NULL */
  GPtrArray *groups;
} VardFusion;

/* @rules must outlive it */
VardFusion *vard_fusion_new (VardLowering *lowering, const VardFusionRules *rules);
void vard_fusion_free (VardFusion *self);
/* a node that a group looks through: its value is its input's */
gboolean vard_fusion_passes_through (const VardNode *node);
guint vard_fusion_count_readers (VardFusion *self, const VardNode *node);
VardNode *vard_fusion_get_reader (VardFusion *self, const VardNode *node, guint index);
/* Whether a group may be computed along with a node that it reads, element by element; @is_output:
 * somebody needs the node's value after that, and the group has room for it among its outputs */
gboolean vard_fusion_can_feed (VardFusion *self,
                               const VardNode *node,
                               const VardFusionGroup *group,
                               gboolean *is_output);
/* one of its values replaces a param that it reads: a step of the group alone may write it straight
 * over the param */
gboolean vard_fusion_is_update (const VardFusion *self, const VardFusionGroup *group);
/* makes it the group's producer */
void vard_fusion_set_producer (VardFusion *self,
                               VardFusionGroup *group,
                               VardNode *node,
                               gboolean is_output);
/* somebody reads the value as a whole, and not within a group */
gboolean vard_fusion_is_needed (VardFusion *self, const VardNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VardFusion, vard_fusion_free)

G_END_DECLS
