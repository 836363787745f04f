/* cpu-lower.c - lowers a graph to steps: regions, views, and the rest by the table
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cpu-fuse.h"
#include "cpu-step.h"

typedef struct
{
  VardFusionGroup *group;
  CpuRegion *region;
  GPtrArray *inputs;  /* nodes the region reads */
  GHashTable *values; /* node -> value + 1 */
} RegionBuilder;

static guint
cpu_builder_input (RegionBuilder *self, VardNode *node)
{
  guint index;

  if (!g_ptr_array_find (self->inputs, node, &index))
    {
      index = self->inputs->len;
      g_ptr_array_add (self->inputs, node);
    }

  return index;
}

/* strides of a broadcast or a slice over what it reads */
static gboolean
cpu_set_pattern (CpuLoad *load, const VardNode *node)
{
  const VardShape *x = &node->inputs[0]->shape;
  gint64 strides[VARD_MAX_DIMS], step = 1, offset = 0;

  for (guint d = x->n_dims; d-- > 0; step *= x->dims[d])
    {
      strides[d] = node->op == &vard_op_broadcast && x->dims[d] == 1 ? 0 : step;
      if (node->op == &vard_op_slice && d == ((const VardSliceAttrs *) node->attrs)->axis)
        offset = ((const VardSliceAttrs *) node->attrs)->start * step;
    }

  return cpu_load_set_strided (load, node->shape.dims, strides, x->n_dims, offset);
}

static void
cpu_set_padded (CpuLoad *load, const VardNode *node)
{
  const VardPadAttrs *attrs = node->attrs;
  const VardShape *x = &node->inputs[0]->shape;
  gint64 unit = vard_shape_get_span (x, attrs->axis + 1, x->n_dims);

  load->kind = CPU_LOAD_PADDED;
  load->extents[0] = node->shape.dims[attrs->axis] * unit;
  load->strides[0] = x->dims[attrs->axis] * unit;
  load->offset = attrs->before * unit;
}

static void
cpu_builder_set_load (RegionBuilder *self, CpuLoad *load, VardNode *node)
{
  VardNode *source = node->op == &vard_op_broadcast ? node->inputs[0] : node;

  if (node == self->group->producer)
    {
      load->kind = CPU_LOAD_OUTPUT;
      load->in = MAX (self->group->producer_output, 0);
    }
  else if (source->op == &vard_op_fill)
    {
      load->kind = CPU_LOAD_VALUE;
      load->value = ((const VardFillAttrs *) source->attrs)->value;
    }
  else if (!cpu_fusion_is_pattern (node))
    {
      load->kind = CPU_LOAD_FLAT;
      load->in = cpu_builder_input (self, node);
    }
  else if (node->op == &vard_op_pad)
    {
      cpu_set_padded (load, node);
      load->in = cpu_builder_input (self, node->inputs[0]);
    }
  else
    {
      gboolean can = cpu_set_pattern (load, node);

      g_assert (can);
      load->in = cpu_builder_input (self, node->inputs[0]);
    }
}

static VardNode *
cpu_skip_through (RegionBuilder *self, VardFusion *fusion, VardNode *node)
{
  while (vard_fusion_passes_through (node) && fusion->group_of[node->id] == self->group)
    node = node->inputs[0];
  return node;
}

/* loads for everything that members read and no member computes */
static void
cpu_builder_add_loads (RegionBuilder *self, VardFusion *fusion)
{
  for (guint i = 0; i < self->group->members->len; i++)
    {
      VardNode *member = self->group->members->pdata[i];

      if (vard_fusion_passes_through (member))
        continue;
      for (guint k = 0; k < member->n_inputs; k++)
        {
          VardNode *input = cpu_skip_through (self, fusion, member->inputs[k]);
          gboolean is_member = fusion->group_of[input->id] == self->group
                               && input != self->group->producer;

          if (is_member || g_hash_table_contains (self->values, input))
            continue;
          cpu_builder_set_load (self, &self->region->loads[self->region->n_loads++], input);
          g_hash_table_insert (self->values, input, GUINT_TO_POINTER (self->region->n_loads));
        }
    }
}

static void
cpu_builder_add_instructions (RegionBuilder *self, VardFusion *fusion)
{
  CpuRegion *region = self->region;

  /* members stand from the root backwards */
  for (guint i = self->group->members->len; i-- > 0;)
    {
      VardNode *member = self->group->members->pdata[i];
      CpuInstruction instruction = cpu_instruction_for (member);

      if (vard_fusion_passes_through (member))
        continue;
      for (guint k = 0; k < member->n_inputs; k++)
        {
          VardNode *input = cpu_skip_through (self, fusion, member->inputs[k]);

          instruction.args[k] = GPOINTER_TO_UINT (g_hash_table_lookup (self->values, input)) - 1;
        }
      for (guint k = 0; k < self->group->n_outputs; k++)
        if (self->group->outputs[k] == member)
          instruction.out = k;
      region->instructions[region->n_instructions++] = instruction;
      g_hash_table_insert (self->values, member,
                           GUINT_TO_POINTER (region->n_loads + region->n_instructions));
    }
}

/* The first input is the one whose place the result may take: one read here alone, element by
 * element */
static void
cpu_builder_put_dying_first (RegionBuilder *self, VardLowering *lowering)
{
  CpuRegion *region = self->region;

  for (guint i = 0; i < region->n_loads; i++)
    {
      guint best = region->loads[i].in;
      VardNode *node;

      if (region->loads[i].kind != CPU_LOAD_FLAT)
        continue;
      node = self->inputs->pdata[best];
      if (vard_lowering_get_n_uses (lowering, node) > 1 || (node->op->flags & VARD_OP_FLAG_SOURCE))
        continue;
      self->inputs->pdata[best] = self->inputs->pdata[0];
      self->inputs->pdata[0] = node;
      for (guint k = 0; k < region->n_loads; k++)
        if (region->loads[k].kind != CPU_LOAD_OUTPUT
            && (region->loads[k].in == best || region->loads[k].in == 0))
          region->loads[k].in = best - region->loads[k].in;
      return;
    }
}

/* whether an input is read at each element's own place, and not after an instruction */
static gboolean
cpu_is_read_by (const CpuRegion *region, guint in, guint instruction)
{
  for (guint i = 0; i < region->n_loads; i++)
    if (region->loads[i].in == in && region->loads[i].kind != CPU_LOAD_FLAT
        && region->loads[i].kind != CPU_LOAD_VALUE)
      return FALSE;
  for (guint i = instruction + 1; i < region->n_instructions; i++)
    for (guint k = 0; k < cpu_op_get_arity (region->instructions[i].op); k++)
      {
        guint value = region->instructions[i].args[k];

        if (value < region->n_loads && region->loads[value].kind == CPU_LOAD_FLAT
            && region->loads[value].in == in)
          return FALSE;
      }

  return TRUE;
}

/* an output is written by its instruction, tile by tile */
static void
cpu_find_in_place (const CpuRegion *region, guint n_in, guint64 *in_place)
{
  for (guint i = 0; i < region->n_instructions; i++)
    {
      gint out = region->instructions[i].out;

      for (guint k = 0; out >= 0 && out < VARD_STEP_MAX_IN_PLACE && k < MIN (n_in, 64); k++)
        if (cpu_is_read_by (region, k, i))
          in_place[out] |= G_GUINT64_CONSTANT (1) << k;
    }
}

static CpuRegion *
cpu_build_region (VardFusion *fusion, VardFusionGroup *group, GPtrArray *inputs)
{
  g_autoptr (GHashTable) values = g_hash_table_new (NULL, NULL);
  RegionBuilder builder = { group, g_new0 (CpuRegion, 1), inputs, values };

  builder.region->count = vard_node_get_count (group->root);
  builder.region->n_out = group->n_outputs;
  cpu_builder_add_loads (&builder, fusion);
  cpu_builder_put_dying_first (&builder, fusion->lowering);
  cpu_builder_add_instructions (&builder, fusion);
  cpu_region_finish (builder.region);

  return builder.region;
}

static void
cpu_region_task (gpointer data, gint64 from, gint64 to, guint thread)
{
  cpu_epilogue_run (data, from, to, thread);
}

void
cpu_region_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const CpuStepData *data = step->data;
  CpuEpilogue epilogue = cpu_step_epilogue (step, in, out, scratch);
  gint64 tile = data->region->tile, n_tiles = (data->region->count + tile - 1) / tile;

  cpu_pool_run (data->pool, data->region->count, tile * cpu_pool_get_grain (data->pool, n_tiles, 4),
                cpu_region_task, &epilogue);
}

static gsize
cpu_align_scratch (gsize size)
{
  return (size + 63) / 64 * 64;
}

/* A step's inputs while it is put together: its own, a prologue's, a region's */
static void
cpu_step_add_inputs (VardStep *step, GPtrArray *all, GPtrArray *more)
{
  const VardNode *first = step->n_in > 0 ? step->in[0] : NULL;

  for (guint i = 0; i < more->len; i++)
    {
      if (more->pdata[i] == first)
        step->in_place[0] = 0; /* the region reads what the kernel would have written over */
      g_ptr_array_add (all, more->pdata[i]);
    }
  step->in = (VardNode **) all->pdata;
  step->n_in = all->len;
}

static void
cpu_step_add_scratch (VardStep *step, CpuStepData *data, const CpuRegion *region)
{
  data->own_scratch = cpu_align_scratch (data->own_scratch);
  data->region_scratch = MAX (data->region_scratch, cpu_region_get_scratch_size (region));
  step->scratch_size = data->own_scratch + data->n_threads * data->region_scratch;
}

/* joins a region to a step that ends with it */
static void
cpu_step_add_region (VardStep *step,
                     CpuStepData *data,
                     CpuRegion *region,
                     GPtrArray *all,
                     GPtrArray *inputs)
{
  data->region = region;
  cpu_step_add_inputs (step, all, inputs);
  cpu_step_add_scratch (step, data, region);
}

/* joins the group that computes a gradient's cotangent, if there is one; the cotangent is no input
 * then */
static void
cpu_step_add_prologue (VardFusion *fusion,
                       VardNode *node,
                       VardStep *step,
                       CpuStepData *data,
                       GPtrArray *all)
{
  g_autoptr (GPtrArray) inputs = g_ptr_array_new ();
  VardFusionGroup *group = NULL;

  if (node->op == &vard_op_normalize_gradient)
    group = fusion->group_of[node->inputs[1]->id];
  if (group == NULL || group->consumer != node)
    return;
  data->prologue = cpu_build_region (fusion, group, inputs);
  data->n_own = 1;
  data->n_prologue = inputs->len;
  g_ptr_array_set_size (all, 1);
  cpu_step_add_inputs (step, all, inputs);
  cpu_step_add_scratch (step, data, data->prologue);
  step->in_place[0] = 0;
}

static const char *
cpu_fused_name (const CpuStepData *data, const char *name)
{
  g_autofree char *text = g_strconcat (data->prologue != NULL ? "region+" : "", name,
                                       data->region != NULL ? "+region" : "", NULL);

  return g_intern_string (text);
}

/* ---- stored weights ---- */

static gboolean
cpu_takes_weight (const VardNode *reader, const VardNode *weight)
{
  return (reader->op == &vard_op_matmul || reader->op == &vard_op_conv2d
          || reader->op == &vard_op_conv2d_input_gradient)
         && reader->inputs[1] == weight && reader->inputs[0] != weight;
}

/* whether every reader takes the weight as it is stored; a cast may be half way to one that they
 * take */
static gboolean
cpu_is_weight_inside (VardFusion *fusion, VardNode *node)
{
  CpuWeight weight;

  if (fusion->is_sink[node->id] || cpu_weight_match (node, &weight) == NULL)
    return FALSE;
  for (guint i = fusion->first_reader[node->id]; i < fusion->first_reader[node->id + 1]; i++)
    {
      VardNode *reader = fusion->readers[i];

      if (!cpu_takes_weight (reader, node)
          && !(reader->op == &vard_op_permute && cpu_is_weight_inside (fusion, reader)))
        return FALSE;
    }

  return TRUE;
}

/* the parameter in place of the node that makes it single precision, and room for that in
 * scratch */
static void
cpu_step_take_weight (VardFusion *fusion,
                      VardNode *node,
                      VardStep *step,
                      CpuStepData *data,
                      GPtrArray *all)
{
  VardNode *weight = node->n_inputs > 1 ? node->inputs[1] : NULL;

  if (weight == NULL || !cpu_takes_weight (node, weight) || !cpu_is_weight_inside (fusion, weight))
    return;
  all->pdata[1] = cpu_weight_match (weight, &data->weight);
  data->has_weight = TRUE;
  data->reads_stored = data->reads_stored && data->weight.taps > 1;
  if (data->reads_stored)
    return;
  if (data->keeps_order && data->weight.taps > 1)
    {
      data->plan.conv.conv.taps_last = TRUE;
      data->weight.columns *= data->weight.taps;
      data->weight.taps = 1;
    }
  data->has_weight = data->weight.taps > 1 || data->weight.dtype != VARD_DTYPE_F32;
  if (!data->has_weight)
    return;
  data->weight_scratch = cpu_align_scratch (data->own_scratch);
  data->own_scratch = data->weight_scratch + vard_node_get_count (weight) * sizeof (float);
  step->scratch_size = data->own_scratch;
}

static void
cpu_step_own_inputs (VardStep *step, GPtrArray *all)
{
  for (guint i = 0; i < step->n_in; i++)
    g_ptr_array_add (all, step->in[i]);
  step->in = (VardNode **) all->pdata;
}

static void
cpu_lower_group (CpuPool *pool, VardFusion *fusion, VardFusionGroup *group)
{
  g_autoptr (GPtrArray) inputs = g_ptr_array_new (), all = g_ptr_array_new ();
  CpuRegion *region = cpu_build_region (fusion, group, inputs);
  CpuStepData *data;
  CpuClaim claim = { 0 };

  if (group->producer != NULL && cpu_claim_node (pool, fusion->lowering, group->producer, &claim))
    {
      data = claim.data;
      data->own_out = MAX (group->producer_output, 0);
      cpu_step_own_inputs (&claim.step, all);
      cpu_step_take_weight (fusion, group->producer, &claim.step, data, all);
      cpu_step_add_prologue (fusion, group->producer, &claim.step, data, all);
      data->region = region;
      claim.step.name = cpu_fused_name (data, claim.step.name);
      if (group->producer_output < 0)
        vard_lowering_absorb (fusion->lowering, group->producer);
    }
  else
    {
      data = g_new0 (CpuStepData, 1);
      data->pool = pool;
      data->n_threads = cpu_pool_get_n_threads (pool);
      claim.step = (VardStep) { .name = "region",
                                .kernel = cpu_region_kernel,
                                .data = data,
                                .free_data = cpu_step_data_free };
      cpu_find_in_place (region, inputs->len, claim.step.in_place);
    }
  cpu_step_add_region (&claim.step, data, region, all, inputs);
  claim.step.out = group->outputs;
  claim.step.n_out = group->n_outputs;
  vard_lowering_add_step (fusion->lowering, &claim.step);
}

/* a broadcast or a fill that is needed as a whole: a region of one copy */
static void
cpu_lower_pattern (CpuPool *pool, VardFusion *fusion, VardNode *node)
{
  CpuRegion *region = g_new0 (CpuRegion, 1);
  CpuStepData *data = g_new0 (CpuStepData, 1);
  g_autoptr (GPtrArray) inputs = g_ptr_array_new (), all = g_ptr_array_new ();
  VardFusionGroup group = { .root = node };
  RegionBuilder builder = { &group, region, inputs, NULL };
  VardStep step = { .name = node->op->name,
                    .kernel = cpu_region_kernel,
                    .data = data,
                    .free_data = cpu_step_data_free,
                    .out = &node,
                    .n_out = 1 };

  data->pool = pool;
  data->n_threads = cpu_pool_get_n_threads (pool);
  region->count = vard_node_get_count (node);
  region->n_out = 1;
  cpu_builder_set_load (&builder, &region->loads[region->n_loads++], node);
  region->instructions[region->n_instructions++] = (CpuInstruction) { .op = CPU_OP_COPY };
  cpu_region_finish (region);
  cpu_step_add_region (&step, data, region, all, inputs);
  vard_lowering_add_step (fusion->lowering, &step);
}

/* ---- the walk ---- */

static void
cpu_lower_single (CpuPool *pool, VardFusion *fusion, VardNode *node)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new ();
  CpuClaim claim;

  if (vard_lowering_add_slice_view (fusion->lowering, node))
    return;
  if (!cpu_claim_node (pool, fusion->lowering, node, &claim))
    return;
  cpu_step_own_inputs (&claim.step, all);
  cpu_step_take_weight (fusion, node, &claim.step, claim.data, all);
  cpu_step_add_prologue (fusion, node, &claim.step, claim.data, all);
  claim.step.name = cpu_fused_name (claim.data, claim.step.name);
  vard_lowering_add_step (fusion->lowering, &claim.step);
}

/* members of a group are computed by its step, or by its consumer's; outputs have storage */
static void
cpu_lower_member (CpuPool *pool, VardFusion *fusion, VardFusionGroup *group, VardNode *node)
{
  if (group->producer == node)
    return;
  if (group->root == node && group->consumer == NULL)
    cpu_lower_group (pool, fusion, group);
  else
    {
      for (guint i = 0; i < group->n_outputs && group->consumer == NULL; i++)
        if (group->outputs[i] == node)
          return;
      vard_lowering_absorb (fusion->lowering, node);
    }
}

static void
cpu_lower_node (CpuPool *pool, VardFusion *fusion, VardNode *node)
{
  if (fusion->group_of[node->id] != NULL)
    cpu_lower_member (pool, fusion, fusion->group_of[node->id], node);
  else if (cpu_is_weight_inside (fusion, node))
    vard_lowering_absorb (fusion->lowering, node);
  else if (cpu_fusion_is_pattern (node) && !vard_fusion_is_needed (fusion, node))
    vard_lowering_absorb (fusion->lowering, node);
  else if (node->op == &vard_op_broadcast || node->op == &vard_op_fill)
    {
      if (cpu_claim_supports (node))
        cpu_lower_pattern (pool, fusion, node);
    }
  else if (vard_fusion_passes_through (node) || (node->op->flags & VARD_OP_FLAG_VIEW))
    vard_lowering_add_view (fusion->lowering, node, node->inputs[0], 0);
  else
    cpu_lower_single (pool, fusion, node);
}

gboolean
cpu_lower (CpuPool *pool, VardLowering *lowering)
{
  g_autoptr (VardFusion) fusion = cpu_fusion_new (lowering);

  for (guint id = 0; id < fusion->n_nodes; id++)
    {
      VardNode *node = vard_graph_get_node (fusion->graph, id);

      if (vard_lowering_is_live (lowering, node) && !vard_lowering_is_claimed (lowering, node)
          && !(node->op->flags & VARD_OP_FLAG_SOURCE))
        cpu_lower_node (pool, fusion, node);
    }

  return TRUE;
}
