/* vard-lora.c - low-rank adapters: y + scale B A x beside a frozen weight (arXiv 2106.09685)
 *
 * A is normal with deviation 1 / rank and B is zero, as the training scripts of diffusers begin, so
 * that a model with fresh adapters computes exactly what it did without: B A x, or B A, is a sum of
 * zeros. Where the layer is not much wider than the rank is high, (W + scale B A) x costs less.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/vard-lora.h"

#include "base/vard-error.h"
#include "base/vard-random.h"

#include <string.h>

struct _VardLora
{
  VardAdapter parent_instance;

  guint rank;
  double scale;
  gboolean may_merge;  /* into the weight while it is recorded */
  VardParameter *down; /* A [rank, n_in] */
  VardParameter *up;   /* B [n_out, rank] */
};

G_DEFINE_FINAL_TYPE (VardLora, vard_lora, VARD_TYPE_ADAPTER)

VardLora *
vard_lora_new (gint64 n_in, gint64 n_out, guint rank, double alpha, guint64 key)
{
  g_return_val_if_fail (rank > 0, NULL);

  VardLora *self = g_object_new (VARD_TYPE_LORA, NULL);
  VardModule *module = VARD_MODULE (self);
  float *a;

  self->rank = rank;
  self->scale = alpha / rank;
  self->down =
    vard_module_add_parameter (module, "down.weight", VARD_SHAPE (rank, n_in), VARD_LAYOUT_PLAIN);
  self->up =
    vard_module_add_parameter (module, "up.weight", VARD_SHAPE (n_out, rank), VARD_LAYOUT_PLAIN);
  self->down->is_optional = self->up->is_optional = TRUE;
  a = vard_tensor_peek_f32 (self->down->tensor);
  vard_random_fill_normal (key, 0, a, rank * n_in);
  for (gint64 i = 0; i < rank * n_in; i++)
    a[i] /= rank;

  return self;
}

/* rows of A one below the other, columns of B side by side with the scale in them */
static void
vard_lora_stack_into (VardLora *self, VardLora *part, guint at)
{
  const VardShape *a_shape = vard_tensor_peek_shape (part->down->tensor);
  gint64 n_in = a_shape->dims[1], n_out = vard_tensor_peek_shape (part->up->tensor)->dims[0];
  const float *b = vard_tensor_peek_f32 (part->up->tensor);

  memcpy (vard_tensor_peek_f32 (self->down->tensor) + at * n_in,
          vard_tensor_peek_f32 (part->down->tensor), vard_tensor_get_n_bytes (part->down->tensor));
  for (gint64 o = 0; o < n_out; o++)
    for (guint r = 0; r < part->rank; r++)
      vard_tensor_peek_f32 (self->up->tensor)[o * self->rank + at + r] = part->scale
                                                                         * b[o * part->rank + r];
}

VardLora *
vard_lora_new_stacked (VardLora *first, VardLora *second)
{
  g_return_val_if_fail (VARD_IS_LORA (first) && VARD_IS_LORA (second), NULL);

  guint rank = first->rank + second->rank;
  gint64 n_in = vard_tensor_peek_shape (first->down->tensor)->dims[1];
  gint64 n_out = vard_tensor_peek_shape (first->up->tensor)->dims[0];
  VardLora *self = vard_lora_new (n_in, n_out, rank, rank, 0);

  vard_lora_stack_into (self, first, 0);
  vard_lora_stack_into (self, second, first->rank);

  return self;
}

static VardNode *
vard_lora_record (VardAdapter *adapter, VardNode *x, VardNode *y)
{
  VardLora *self = VARD_LORA (adapter);
  VardGraph *graph = x->graph;

  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *low = vard_matmul (x, vard_parameter_record (self->down, graph), FALSE, TRUE);
  VardNode *delta = vard_matmul (low, vard_parameter_record (self->up, graph), FALSE, TRUE);

  y = vard_add (y, self->scale == 1 ? delta : vard_scale (delta, self->scale));
  vard_module_leave (VARD_MODULE (self), graph);

  return y;
}

/* An engine whose products round their operands would lose small changes that are merged into the
 * weight, so adapters are merged on exact engines only. A merged layer costs one more product, for
 * the gradient dW. An adapter beside the weight costs six thin products (two forward, four for the
 * gradients), each of which reads or writes all rows at about a quarter of the speed per
 * multiplication */
#define THIN_COST 12

static VardNode *
vard_lora_record_weight (VardAdapter *adapter, VardNode *weight, gint64 n_rows)
{
  VardLora *self = VARD_LORA (adapter);
  VardGraph *graph = weight->graph;
  gint64 n_out = weight->shape.dims[0], n_in = weight->shape.dims[1];

  if (!self->may_merge || n_out * n_in > (n_out + n_in) * MIN (THIN_COST * self->rank, n_rows))
    return NULL;
  vard_module_enter (VARD_MODULE (self), graph);

  VardNode *delta = vard_matmul (vard_parameter_record (self->up, graph),
                                 vard_parameter_record (self->down, graph), FALSE, FALSE);

  weight = vard_add (weight, self->scale == 1 ? delta : vard_scale (delta, self->scale));
  vard_module_leave (VARD_MODULE (self), graph);

  return weight;
}

static void
vard_lora_merge (VardAdapter *adapter, float *weight, gint64 n_out, gint64 n_in)
{
  VardLora *self = VARD_LORA (adapter);
  const float *a = vard_tensor_peek_f32 (self->down->tensor);
  const float *b = vard_tensor_peek_f32 (self->up->tensor);

  for (gint64 o = 0; o < n_out; o++)
    for (guint r = 0; r < self->rank; r++)
      {
        float factor = self->scale * b[o * self->rank + r];

        for (gint64 i = 0; i < n_in; i++)
          weight[o * n_in + i] += factor * a[r * n_in + i];
      }
}

guint
vard_lora_get_rank (VardLora *self)
{
  g_return_val_if_fail (VARD_IS_LORA (self), 0);

  return self->rank;
}

double
vard_lora_get_scale (VardLora *self)
{
  g_return_val_if_fail (VARD_IS_LORA (self), 0);

  return self->scale;
}

VardParameter *
vard_lora_peek_down (VardLora *self)
{
  g_return_val_if_fail (VARD_IS_LORA (self), NULL);

  return self->down;
}

VardParameter *
vard_lora_peek_up (VardLora *self)
{
  g_return_val_if_fail (VARD_IS_LORA (self), NULL);

  return self->up;
}

typedef struct
{
  const char *const *targets;
  gboolean *is_found;
  GPtrArray *paths;
  GPtrArray *layers;
} Search;

static gboolean
vard_lora_matches (const char *path, const char *target)
{
  gsize n_path = strlen (path), n_target = strlen (target);

  if (n_target > n_path || !g_str_equal (path + n_path - n_target, target))
    return FALSE;
  return n_target == n_path || path[n_path - n_target - 1] == '.';
}

static void
vard_lora_collect (const char *path, VardModule *module, gpointer data)
{
  Search *search = data;
  gboolean is_wanted = FALSE;

  if (!VARD_IS_LINEAR (module))
    return;
  for (guint i = 0; search->targets[i] != NULL; i++)
    if (vard_lora_matches (path, search->targets[i]))
      is_wanted = search->is_found[i] = TRUE;
  if (is_wanted)
    {
      g_ptr_array_add (search->paths, g_strdup (path));
      g_ptr_array_add (search->layers, module);
    }
}

static gboolean
vard_lora_check_search (const Search *search, GError **error)
{
  for (guint i = 0; search->targets[i] != NULL; i++)
    if (!search->is_found[i])
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                     "the LoRA target “%s” matches no linear layer of the model",
                     search->targets[i]);
        return FALSE;
      }
  for (guint i = 0; i < search->layers->len; i++)
    if (vard_linear_peek_adapter (search->layers->pdata[i]) != NULL)
      {
        g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "%s already has an adapter",
                     (const char *) search->paths->pdata[i]);
        return FALSE;
      }

  return TRUE;
}

gboolean
vard_lora_attach (VardModule *root,
                  const char *const *targets,
                  guint rank,
                  double alpha,
                  guint64 seed,
                  GError **error)
{
  static const char *const defaults[] = { "to_q", "to_k", "to_v", "to_out.0", NULL };

  g_return_val_if_fail (VARD_IS_MODULE (root), FALSE);
  g_return_val_if_fail (rank > 0, FALSE);

  const char *const *wanted = targets != NULL && targets[0] != NULL ? targets : defaults;
  g_autofree gboolean *is_found = g_new0 (gboolean, g_strv_length ((char **) wanted));
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) layers = g_ptr_array_new ();
  Search search = { wanted, is_found, paths, layers };

  vard_module_foreach (root, vard_lora_collect, &search);
  if (!vard_lora_check_search (&search, error))
    return FALSE;
  vard_module_set_trainable (root, FALSE);
  for (guint i = 0; i < layers->len; i++)
    {
      VardLinear *layer = layers->pdata[i];
      /* keyed by path: which other layers are targets does not change a layer's numbers */
      guint64 key = vard_random_derive_key (seed, paths->pdata[i], 0);
      VardLora *lora = vard_lora_new (vard_linear_get_n_in (layer), vard_linear_get_n_out (layer),
                                      rank, alpha, key);

      vard_module_set_trainable (VARD_MODULE (lora), TRUE);
      vard_linear_take_adapter (layer, "lora", VARD_ADAPTER (lora));
    }

  return TRUE;
}

typedef struct
{
  VardLoraFunc func;
  gpointer data;
} Visit;

static void
vard_lora_visit (const char *path, VardModule *module, gpointer data)
{
  Visit *v = data;
  VardAdapter *adapter = VARD_IS_LINEAR (module) ? vard_linear_peek_adapter (VARD_LINEAR (module))
                                                 : NULL;

  if (adapter != NULL && VARD_IS_LORA (adapter))
    v->func (path, VARD_LINEAR (module), VARD_LORA (adapter), v->data);
}

void
vard_lora_foreach (VardModule *root, VardLoraFunc func, gpointer data)
{
  Visit v = { func, data };

  vard_module_foreach (root, vard_lora_visit, &v);
}

static void
vard_lora_collect_adapted (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  g_ptr_array_add (data, layer);
}

guint
vard_lora_detach (VardModule *root)
{
  g_autoptr (GPtrArray) layers = g_ptr_array_new ();

  vard_lora_foreach (root, vard_lora_collect_adapted, layers);
  for (guint i = 0; i < layers->len; i++)
    vard_linear_drop_adapter (layers->pdata[i]);

  return layers->len;
}

static void
vard_lora_do_set_merging (const char *path, VardLinear *layer, VardLora *lora, gpointer data)
{
  lora->may_merge = GPOINTER_TO_INT (data);
}

void
vard_lora_set_merging (VardModule *root, gboolean may_merge)
{
  vard_lora_foreach (root, vard_lora_do_set_merging, GINT_TO_POINTER (may_merge));
}

static void
vard_lora_class_init (VardLoraClass *klass)
{
  VARD_ADAPTER_CLASS (klass)->record = vard_lora_record;
  VARD_ADAPTER_CLASS (klass)->merge = vard_lora_merge;
  VARD_ADAPTER_CLASS (klass)->record_weight = vard_lora_record_weight;
}

static void
vard_lora_init (VardLora *self)
{
}
