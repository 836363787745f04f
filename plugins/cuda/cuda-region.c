/* cuda-region.c - generates the source of one kernel for a group of elementwise nodes
 *
 * Extents, strides, attributes and addresses are arguments, so that one text serves all shapes: a
 * model has few different regions, and their code is compiled once and found in the cache from then
 * on.
 *
 * A thread computes four neighbours where all addresses and the number of elements allow it: values
 * that lie side by side are then read and written together, and an index is found once for the
 * four. Such a text has both loops.
 *
 * A region that reads a normalised value computes it: blocks then go by the groups that are
 * normalised, each measures its own, and walks over its elements.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-region.h"
#include "cuda-storage.h"

/* ---- the plan: source, and arguments but for the addresses ---- */

typedef struct
{
  VardFusion *fusion;
  CudaStorage *storage;
  VardFusionGroup *group;
  CudaRegionArgs args;
  GString *loads, *members, *stores; /* of the loop over single elements */
  /* of the loop over fours; lanes: what each of them begins with */
  GString *wide_loads, *lanes, *packs, *wide_stores;
  GPtrArray *inputs;  /* nodes whose storage is read */
  GHashTable *values; /* node -> number of its variable + 1 */
  guint n_values, n_maps, n_numbers;
  gint at_normalized; /* the input that is normalised, or -1 */
} Builder;

#define N_TEXTS 7

static void
cuda_list_texts (Builder *self, GString ***texts)
{
  GString **all[N_TEXTS] = { &self->loads, &self->members, &self->stores,     &self->wide_loads,
                             &self->lanes, &self->packs,   &self->wide_stores };

  memcpy (texts, all, sizeof all);
}

static void
builder_begin (Builder *self)
{
  GString **texts[N_TEXTS];

  cuda_list_texts (self, texts);
  for (guint i = 0; i < N_TEXTS; i++)
    *texts[i] = g_string_new (NULL);
}

static void
builder_end (Builder *self)
{
  GString **texts[N_TEXTS];

  cuda_list_texts (self, texts);
  for (guint i = 0; i < N_TEXTS; i++)
    g_string_free (*texts[i], TRUE);
}

static guint
builder_add_value (Builder *self, VardNode *node)
{
  g_hash_table_insert (self->values, node, GUINT_TO_POINTER (self->n_values + 1));
  return self->n_values++;
}

static guint
builder_get_value (Builder *self, const VardNode *node)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->values, node)) - 1;
}

static guint
builder_add_number (Builder *self, double number)
{
  g_assert (self->n_numbers < CUDA_REGION_MAX_NUMBERS);
  self->args.numbers[self->n_numbers] = number;
  return self->n_numbers++;
}

static guint
builder_add_input (Builder *self, VardNode *node)
{
  guint index;

  if (g_ptr_array_find (self->inputs, node, &index))
    return index;
  g_ptr_array_add (self->inputs, node);
  g_assert (self->inputs->len <= CUDA_REGION_MAX_INPUTS);

  return self->inputs->len - 1;
}

/* strides of a pattern over what it reads, by its own axes */
static gint64
cuda_get_strides (const VardNode *node, gint64 *strides)
{
  const VardShape *x = &node->inputs[0]->shape;
  gint64 offset = 0;

  for (guint d = 0; d < node->shape.n_dims; d++)
    {
      guint from = node->op == &vard_op_permute ? ((const VardPermuteAttrs *) node->attrs)->order[d]
                                                : d;

      strides[d] = vard_shape_get_span (x, from + 1, x->n_dims);
      if (node->op == &vard_op_broadcast && x->dims[d] == 1)
        strides[d] = 0;
      if (node->op == &vard_op_slice && d == ((const VardSliceAttrs *) node->attrs)->axis)
        offset = ((const VardSliceAttrs *) node->attrs)->start * strides[d];
    }

  return offset;
}

/* neighbouring axes that are walked as one are joined; returns how many are left */
static guint
cuda_set_map (CudaMap *map, const VardNode *node)
{
  gint64 strides[VARD_MAX_DIMS];
  guint n_dims = 0;

  map->offset = cuda_get_strides (node, strides);
  for (guint d = 0; d < node->shape.n_dims; d++)
    {
      gint64 extent = node->shape.dims[d];

      if (extent == 1)
        continue;
      if (n_dims > 0 && map->strides[n_dims - 1] == strides[d] * extent)
        {
          map->extents[n_dims - 1] *= extent;
          map->strides[n_dims - 1] = strides[d];
          continue;
        }
      map->extents[n_dims] = extent;
      map->strides[n_dims++] = strides[d];
    }

  return n_dims;
}

static gboolean
cuda_is_half (Builder *self, const VardNode *node)
{
  return vard_lowering_get_storage (self->fusion->lowering, node) == VARD_DTYPE_BF16;
}

/* the type is in the text, so that no thread asks */
static void
cuda_write_load (Builder *self,
                 GString *to,
                 const char *name,
                 guint value,
                 VardNode *from,
                 const char *index)
{
  guint input = builder_add_input (self, from);

  if (cuda_is_half (self, from))
    g_string_append_printf (to,
                            "      float %s%u = bf16_to_float (((const unsigned short *) "
                            "args.in[%u])[%s]);\n",
                            name, value, input, index);
  else
    g_string_append_printf (to, "      float %s%u = ((const float *) args.in[%u])[%s];\n", name,
                            value, input, index);
}

/* the same of four neighbours, and each of them in its lane */
static void
cuda_write_wide_load (Builder *self, guint value, VardNode *from, const char *index)
{
  g_string_append_printf (self->wide_loads,
                          "      float l%u[4];\n      %s (args.in[%u], %s, l%u);\n", value,
                          cuda_is_half (self, from) ? "load_halves" : "load_floats",
                          builder_add_input (self, from), index, value);
  g_string_append_printf (self->lanes, "      float v%u = l%u[k];\n", value, value);
}

static void
cuda_write_store (Builder *self, guint k, const VardNode *output)
{
  guint value = builder_get_value (self, output);
  gboolean is_short = cuda_is_half (self, output);

  g_string_append_printf (self->stores,
                          is_short
                            ? "      ((unsigned short *) args.out[%u])[i] = float_to_bf16 (v%u);\n"
                            : "      ((float *) args.out[%u])[i] = v%u;\n",
                          k, value);
  g_string_append_printf (self->wide_loads, "      float s%u[4];\n", k);
  g_string_append_printf (self->packs, "      s%u[k] = v%u;\n", k, value);
  g_string_append_printf (self->wide_stores, "      %s (args.out[%u], i, s%u);\n",
                          is_short ? "store_halves" : "store_floats", k, k);
}

/* the innermost index first; the outermost needs no remainder */
static void
cuda_write_index (GString *to, guint value, guint map, guint n_dims)
{
  g_string_append_printf (to, "      CudaInt a%u = args.maps[%u].offset;\n", value, map);
  g_string_append_printf (to, "      INDEX r%u = i;\n", value);
  for (guint d = n_dims; d-- > 0;)
    if (d == 0)
      g_string_append_printf (to, "      a%u += r%u * args.maps[%u].strides[0];\n", value, value,
                              map);
    else
      g_string_append_printf (to,
                              "      a%u += r%u %% (INDEX) args.maps[%u].extents[%u] * "
                              "args.maps[%u].strides[%u];\n"
                              "      r%u /= (INDEX) args.maps[%u].extents[%u];\n",
                              value, value, map, d, map, d, value, map, d);
}

/* whether four neighbours lie side by side in what is read, from a multiple of four on; @is_same:
 * or are one and the same */
static gboolean
cuda_has_fours (const CudaMap *map, guint n_dims, gboolean *is_same)
{
  guint last = n_dims - 1;

  *is_same = n_dims == 0 || (map->extents[last] % 4 == 0 && map->strides[last] == 0);
  if (n_dims == 0 || map->extents[last] % 4 != 0 || map->strides[last] != 1 || map->offset % 4 != 0)
    return FALSE;
  for (guint d = 0; d < last; d++)
    if (map->strides[d] % 4 != 0)
      return FALSE;

  return TRUE;
}

static void
cuda_write_mapped_load (Builder *self, guint value, VardNode *node)
{
  g_autofree char *index = g_strdup_printf ("a%u", value);
  guint map = self->n_maps++;
  g_assert (map < CUDA_REGION_MAX_MAPS);
  guint n_dims = cuda_set_map (&self->args.maps[map], node);
  gboolean is_same, is_wide = cuda_has_fours (&self->args.maps[map], n_dims, &is_same);

  cuda_write_index (self->loads, value, map, n_dims);
  cuda_write_load (self, self->loads, "v", value, node->inputs[0], index);
  cuda_write_index (is_wide || is_same ? self->wide_loads : self->lanes, value, map, n_dims);
  if (is_wide)
    cuda_write_wide_load (self, value, node->inputs[0], index);
  else if (!is_same)
    cuda_write_load (self, self->lanes, "v", value, node->inputs[0], index);
  else
    {
      cuda_write_load (self, self->wide_loads, "l", value, node->inputs[0], index);
      g_string_append_printf (self->lanes, "      float v%u = l%u;\n", value, value);
    }
}

/* as memory would round it */
static void
cuda_write_rounding (Builder *self, GString *to, guint value, const VardNode *node)
{
  if (self->storage->is_half[node->id])
    g_string_append_printf (to, "      v%u = bf16_to_float (float_to_bf16 (v%u));\n", value, value);
}

static gboolean
cuda_is_normalized (Builder *self, const VardNode *node)
{
  return self->group != NULL && node == self->group->producer;
}

/* mean and r are the group's */
static void
cuda_write_normalized (Builder *self, guint value, VardNode *node)
{
  self->at_normalized = builder_add_input (self, node->inputs[0]);
  cuda_write_load (self, self->loads, "v", value, node->inputs[0], "i");
  g_string_append_printf (self->loads, "      v%u = (v%u - mean) * r;\n", value, value);
  cuda_write_rounding (self, self->loads, value, node);
}

/* a weight that is kept in another order is read as it is kept */
static gboolean
cuda_is_mapped (Builder *self, const VardNode *node)
{
  return cuda_op_is_pattern (node) && self->storage->weights[node->id].base != node;
}

static void
builder_load (Builder *self, VardNode *node)
{
  guint value;

  if (g_hash_table_contains (self->values, node))
    return;
  value = builder_add_value (self, node);
  if (node->op == &vard_op_fill)
    {
      guint number = builder_add_number (self, ((const VardFillAttrs *) node->attrs)->value);

      g_string_append_printf (self->loads, "      float v%u = args.numbers[%u];\n", value, number);
      g_string_append_printf (self->lanes, "      float v%u = args.numbers[%u];\n", value, number);
    }
  else if (cuda_is_normalized (self, node))
    cuda_write_normalized (self, value, node);
  else if (cuda_is_mapped (self, node))
    cuda_write_mapped_load (self, value, node);
  else
    {
      cuda_write_load (self, self->loads, "v", value, node, "i");
      cuda_write_wide_load (self, value, node, "i");
    }
}

static VardNode *
cuda_skip_through (Builder *self, VardNode *node)
{
  while (vard_fusion_passes_through (node) && self->fusion->group_of[node->id] == self->group)
    node = node->inputs[0];
  return node;
}

static void
builder_load_arguments (Builder *self, VardNode *member)
{
  for (guint k = 0; k < member->n_inputs; k++)
    {
      VardNode *input = cuda_skip_through (self, member->inputs[k]);

      if (self->fusion->group_of[input->id] != self->group || input == self->group->producer)
        builder_load (self, input);
    }
}

static void
cuda_get_attributes (const VardNode *node, double *p, double *q)
{
  if (node->op == &vard_op_affine)
    {
      *p = ((const VardAffineAttrs *) node->attrs)->scale;
      *q = ((const VardAffineAttrs *) node->attrs)->shift;
    }
  else
    {
      *p = ((const VardClampAttrs *) node->attrs)->low;
      *q = ((const VardClampAttrs *) node->attrs)->high;
    }
}

static void
builder_write_member (Builder *self, VardNode *member)
{
  const char *text = cuda_op_find_expression (member->op);
  guint args[3], numbers[2] = { 0 }, value;
  double p, q;

  for (guint k = 0; k < member->n_inputs; k++)
    args[k] = builder_get_value (self, cuda_skip_through (self, member->inputs[k]));
  if (member->op == &vard_op_affine || member->op == &vard_op_clamp)
    {
      cuda_get_attributes (member, &p, &q);
      numbers[0] = builder_add_number (self, p);
      numbers[1] = builder_add_number (self, q);
    }
  value = builder_add_value (self, member);
  g_string_append_printf (self->members, "      float v%u = ", value);
  for (const char *c = text; *c != 0; c++)
    if (*c != '$')
      g_string_append_c (self->members, *c);
    else if (*++c == 'p' || *c == 'q')
      g_string_append_printf (self->members, "args.numbers[%u]", numbers[*c - 'p']);
    else
      g_string_append_printf (self->members, "v%u", args[*c - '0']);
  g_string_append (self->members, ";\n");
  cuda_write_rounding (self, self->members, value, member);
}

/* Loads come before their first use, so that several are under way at once */
static void
builder_write_body (Builder *self)
{
  for (guint i = self->group->members->len; i-- > 0;)
    if (!vard_fusion_passes_through (self->group->members->pdata[i]))
      builder_load_arguments (self, self->group->members->pdata[i]);
  for (guint i = self->group->members->len; i-- > 0;)
    if (!vard_fusion_passes_through (self->group->members->pdata[i]))
      builder_write_member (self, self->group->members->pdata[i]);
}

/* four at a time; the caller is left if it was done so */
static void
cuda_write_wide_loop (Builder *self, GString *source)
{
  g_string_append_printf (source,
                          "  if (args.is_wide)\n    {\n      FOR_GRID (four, args.count / 4)\n     "
                          " {\n      CudaInt i = 4 * four;\n%s"
                          "#pragma unroll\n      for (int k = 0; k < 4; k++)\n      {\n      "
                          "CudaInt i = 4 * four + k;\n%s%s%s      }\n"
                          "%s      }\n      return;\n    }\n",
                          self->wide_loads->str, self->lanes->str, self->members->str,
                          self->packs->str, self->wide_stores->str);
}

static char *
builder_write (Builder *self, VardNode **outputs, guint n_outputs)
{
  gboolean begins_normalized = self->group != NULL && self->group->producer != NULL;
  GString *source = g_string_new (NULL);

  if (self->group != NULL)
    builder_write_body (self);
  else
    builder_load (self, outputs[0]);
  for (guint k = 0; k < n_outputs; k++)
    cuda_write_store (self, k, outputs[k]);
  g_string_append_printf (source, "typedef %s INDEX;\n\n%s (region, CudaRegionArgs)\n{\n",
                          self->args.count < G_MAXINT32 ? "unsigned" : "CudaInt",
                          begins_normalized ? "LARGE_KERNEL" : "KERNEL");
  if (begins_normalized)
    g_string_append (source, "  Group group = find_group (&args.normalize);\n"
                             "  float r, mean = measure_group (&group, &args.normalize, &r);\n\n");
  self->args.is_wide = !begins_normalized && self->args.count % 4 == 0;
  if (self->args.is_wide)
    cuda_write_wide_loop (self, source);
  g_string_append (source, begins_normalized ? "  FOR_GROUP (i, group)\n    {\n"
                                             : "  FOR_GRID (i, args.count)\n    {\n");
  g_string_append_printf (source, "%s%s%s    }\n}\n", self->loads->str, self->members->str,
                          self->stores->str);

  return g_string_free (source, FALSE);
}

/* ---- the step ---- */

typedef struct
{
  CudaRegionArgs args; /* but for the addresses */
  gint at_normalized;  /* in the step's inputs, or -1 */
} RegionPlan;

static gboolean
cuda_are_aligned (const VardStep *step, gpointer *in, gpointer *out)
{
  guintptr all = 0;

  for (guint i = 0; i < step->n_in; i++)
    all |= (guintptr) in[i];
  for (guint i = 0; i < step->n_out; i++)
    all |= (guintptr) out[i];

  return all % sizeof (float[4]) == 0;
}

static void
cuda_region_kernel (const VardStep *step, gpointer *in, gpointer *out, gpointer scratch)
{
  const RegionPlan *plan = CUDA_DATA (step)->plan;
  CudaRegionArgs args = plan->args;
  gint64 group = args.normalize.rows * args.normalize.width;

  for (guint i = 0; i < step->n_in; i++)
    args.in[i] = in[i];
  for (guint i = 0; i < step->n_out; i++)
    args.out[i] = out[i];
  if (plan->at_normalized < 0)
    {
      args.is_wide = args.is_wide && cuda_are_aligned (step, in, out);
      cuda_device_launch_over (CUDA_DEVICE (step), CUDA_DATA (step)->function,
                               args.is_wide ? args.count / 4 : args.count, &args);
      return;
    }
  args.normalize.x = in[plan->at_normalized];
  cuda_device_launch (CUDA_DEVICE (step), CUDA_DATA (step)->function, args.count / group, 1,
                      cuda_normalize_block_size (group), &args);
}

/* A node whose elements are read each at its own place, and by no index map. What is normalised is,
 * too: a block has measured its group before it writes. */
static gboolean
cuda_is_read_flat (Builder *self, const VardNode *node)
{
  GHashTableIter iter;
  gpointer key;
  gboolean is_flat = FALSE;

  g_hash_table_iter_init (&iter, self->values);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      const VardNode *value = key;

      if (value == node || (cuda_is_normalized (self, value) && value->inputs[0] == node))
        is_flat = TRUE;
      else if (cuda_is_mapped (self, value) && value->n_inputs > 0 && value->inputs[0] == node)
        return FALSE;
    }

  return is_flat;
}

/* The result may take the place of the first input: one that nobody else reads is put there. The
 * texts of loads name inputs by number, so this comes before anything is written. */
static void
builder_put_dying_first (Builder *self)
{
  for (guint i = 0; i < self->group->members->len; i++)
    {
      VardNode *member = self->group->members->pdata[i];

      for (guint k = 0; k < member->n_inputs; k++)
        {
          VardNode *input = cuda_skip_through (self, member->inputs[k]);

          if (cuda_is_normalized (self, input))
            input = input->inputs[0];
          if (self->fusion->group_of[input->id] == self->group || cuda_is_mapped (self, input)
              || (input->op->flags & VARD_OP_FLAG_SOURCE)
              || vard_lowering_get_n_uses (self->fusion->lowering, input) != 1)
            continue;
          builder_add_input (self, input);
          return;
        }
    }
}

static const char *
cuda_find_name (const VardFusionGroup *group, const VardNode *node)
{
  if (group == NULL)
    return node->op->name;
  return group->producer != NULL ? "normalize+region" : "region";
}

gboolean
cuda_region_lower (CudaProgram *program, VardFusion *fusion, VardFusionGroup *group, VardNode *node)
{
  g_autofree char *source = NULL;
  g_autoptr (GPtrArray) inputs = g_ptr_array_new ();
  g_autoptr (GHashTable) values = g_hash_table_new (NULL, NULL);
  Builder builder = { .fusion = fusion,
                      .storage = program->storage,
                      .group = group,
                      .inputs = inputs,
                      .values = values,
                      .at_normalized = -1 };
  CudaStepData *data = cuda_step_data_new (program);
  VardStep step = { .name = cuda_find_name (group, node),
                    .kernel = cuda_region_kernel,
                    .data = data,
                    .free_data = cuda_step_data_free,
                    .out = group != NULL ? group->outputs : &node,
                    .n_out = group != NULL ? group->n_outputs : 1 };
  RegionPlan *plan = g_new0 (RegionPlan, 1);

  builder.args.count = vard_node_get_count (node);
  if (group != NULL)
    builder_put_dying_first (&builder);
  builder_begin (&builder);
  source = builder_write (&builder, step.out, step.n_out);
  builder_end (&builder);
  plan->args = builder.args;
  plan->at_normalized = builder.at_normalized;
  if (plan->at_normalized >= 0)
    plan->args.normalize = cuda_normalize_get_args (fusion->lowering, group->producer);
  data->plan = plan;
  data->free_plan = g_free;
  data->function = cuda_device_compile (program->device, source, "region");
  step.in = (VardNode **) inputs->pdata;
  step.n_in = inputs->len;
  for (guint k = 0; group != NULL && k < MIN (inputs->len, 64); k++)
    if (cuda_is_read_flat (&builder, inputs->pdata[k]))
      for (guint i = 0; i < MIN (step.n_out, VARD_STEP_MAX_IN_PLACE); i++)
        step.in_place[i] |= G_GUINT64_CONSTANT (1) << k;
  vard_lowering_add_step (fusion->lowering, &step);

  return data->function != NULL;
}
