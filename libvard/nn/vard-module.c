/* vard-module.c - a tree of named parameters that records itself into graphs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/vard-module.h"

typedef struct
{
  const char *name;   /* interned; NULL for a root */
  VardModule *parent; /* not owned */
  GPtrArray *children;
  GPtrArray *parameters;
  gboolean adapters_are_off;
  gboolean has_segments;
} VardModulePrivate;

G_DEFINE_TYPE_WITH_PRIVATE (VardModule, vard_module, G_TYPE_OBJECT)

#define PRIVATE(self) ((VardModulePrivate *) vard_module_get_instance_private (self))

static void
vard_module_parameter_free (VardParameter *self)
{
  g_object_unref (self->tensor);
  g_free (self);
}

static void
vard_module_finalize (GObject *object)
{
  VardModulePrivate *priv = PRIVATE (VARD_MODULE (object));

  for (guint i = 0; i < priv->children->len; i++)
    PRIVATE (VARD_MODULE (priv->children->pdata[i]))->parent = NULL;
  g_ptr_array_unref (priv->children);
  g_ptr_array_unref (priv->parameters);
  G_OBJECT_CLASS (vard_module_parent_class)->finalize (object);
}

static void
vard_module_class_init (VardModuleClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vard_module_finalize;
}

static void
vard_module_init (VardModule *self)
{
  VardModulePrivate *priv = PRIVATE (self);

  priv->children = g_ptr_array_new_with_free_func (g_object_unref);
  priv->parameters = g_ptr_array_new_with_free_func ((GDestroyNotify) vard_module_parameter_free);
}

gpointer
vard_module_add_child (VardModule *self, const char *name, gpointer child)
{
  g_return_val_if_fail (VARD_IS_MODULE (self), NULL);
  g_return_val_if_fail (VARD_IS_MODULE (child), NULL);

  VardModulePrivate *priv = PRIVATE (VARD_MODULE (child));

  g_return_val_if_fail (priv->parent == NULL, NULL);
  priv->parent = self;
  priv->name = g_intern_string (name);
  g_ptr_array_add (PRIVATE (self)->children, child);

  return child;
}

void
vard_module_remove_child (VardModule *self, VardModule *child)
{
  g_return_if_fail (VARD_IS_MODULE (self));
  g_return_if_fail (VARD_IS_MODULE (child) && PRIVATE (child)->parent == self);

  PRIVATE (child)->parent = NULL;
  g_ptr_array_remove (PRIVATE (self)->children, child);
}

VardParameter *
vard_module_add_parameter (VardModule *self, const char *name, VardShape shape, VardLayout layout)
{
  g_return_val_if_fail (VARD_IS_MODULE (self), NULL);

  VardParameter *parameter = g_new0 (VardParameter, 1);

  parameter->name = g_intern_string (name);
  parameter->shape = shape;
  parameter->tensor = vard_tensor_new (VARD_DTYPE_F32, &shape);
  parameter->layout = layout;
  parameter->owner = self;
  g_ptr_array_add (PRIVATE (self)->parameters, parameter);

  return parameter;
}

const char *
vard_module_get_name (VardModule *self)
{
  g_return_val_if_fail (VARD_IS_MODULE (self), NULL);

  return PRIVATE (self)->name != NULL ? PRIVATE (self)->name : "";
}

char *
vard_module_dup_path (VardModule *self)
{
  g_return_val_if_fail (VARD_IS_MODULE (self), NULL);

  VardModulePrivate *priv = PRIVATE (self);
  g_autofree char *above = priv->parent != NULL ? vard_module_dup_path (priv->parent) : NULL;

  if (above == NULL || !*above)
    return g_strdup (vard_module_get_name (self));

  return g_strconcat (above, ".", priv->name, NULL);
}

/* calls either function on every module or parameter below, with the path in a buffer that grows
 * and shrinks */
static void
vard_module_walk (VardModule *self,
                  GString *path,
                  VardModuleFunc visit_module,
                  VardParameterFunc visit_parameter,
                  gpointer data)
{
  VardModulePrivate *priv = PRIVATE (self);
  gsize length = path->len;

  if (visit_module != NULL)
    visit_module (path->str, self, data);
  for (guint i = 0; visit_parameter != NULL && i < priv->parameters->len; i++)
    {
      VardParameter *parameter = priv->parameters->pdata[i];

      g_string_append_printf (path, length ? ".%s" : "%s", parameter->name);
      visit_parameter (path->str, parameter, data);
      g_string_truncate (path, length);
    }
  for (guint i = 0; i < priv->children->len; i++)
    {
      VardModule *child = priv->children->pdata[i];

      g_string_append_printf (path, length ? ".%s" : "%s", vard_module_get_name (child));
      vard_module_walk (child, path, visit_module, visit_parameter, data);
      g_string_truncate (path, length);
    }
}

void
vard_module_foreach_parameter (VardModule *self, VardParameterFunc func, gpointer data)
{
  g_return_if_fail (VARD_IS_MODULE (self));

  GString *path = g_string_new (NULL);

  vard_module_walk (self, path, NULL, func, data);
  g_string_free (path, TRUE);
}

void
vard_module_foreach (VardModule *self, VardModuleFunc func, gpointer data)
{
  g_return_if_fail (VARD_IS_MODULE (self));

  GString *path = g_string_new (NULL);

  vard_module_walk (self, path, func, NULL, data);
  g_string_free (path, TRUE);
}

static void
vard_module_do_set_trainable (const char *path, VardParameter *parameter, gpointer data)
{
  parameter->is_trainable = GPOINTER_TO_INT (data);
  if (parameter->is_trainable && parameter->is_stored)
    {
      g_autoptr (VardTensor) values = vard_parameter_dup_values (parameter);

      g_set_object (&parameter->tensor, values);
      parameter->is_stored = FALSE;
    }
}

void
vard_module_set_trainable (VardModule *self, gboolean is_trainable)
{
  vard_module_foreach_parameter (self, vard_module_do_set_trainable,
                                 GINT_TO_POINTER (is_trainable));
}

void
vard_module_enter (VardModule *self, VardGraph *graph)
{
  vard_graph_push_scope (graph, vard_module_get_name (self));
}

void
vard_module_leave (VardModule *self, VardGraph *graph)
{
  vard_graph_pop_scope (graph);
}

static void
vard_module_set_adapters (const char *path, VardModule *module, gpointer data)
{
  PRIVATE (module)->adapters_are_off = !GPOINTER_TO_INT (data);
}

void
vard_module_set_adapters_enabled (VardModule *self, gboolean are_enabled)
{
  vard_module_foreach (self, vard_module_set_adapters, GINT_TO_POINTER (are_enabled));
}

gboolean
vard_module_get_adapters_enabled (VardModule *self)
{
  g_return_val_if_fail (VARD_IS_MODULE (self), FALSE);

  return !PRIVATE (self)->adapters_are_off;
}

static void
vard_module_do_set_segments (const char *path, VardModule *module, gpointer data)
{
  PRIVATE (module)->has_segments = GPOINTER_TO_INT (data);
}

void
vard_module_set_segments (VardModule *self, gboolean are_segments)
{
  vard_module_foreach (self, vard_module_do_set_segments, GINT_TO_POINTER (are_segments));
}

void
vard_module_begin_block (VardModule *self, VardGraph *graph)
{
  vard_module_enter (self, graph);
  if (PRIVATE (self)->has_segments)
    vard_graph_begin_segment (graph);
}

void
vard_module_end_block (VardModule *self, VardGraph *graph)
{
  if (PRIVATE (self)->has_segments)
    vard_graph_end_segment (graph);
  vard_module_leave (self, graph);
}
