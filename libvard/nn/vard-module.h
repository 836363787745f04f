/* vard-module.h - a tree of named parameters that records itself into graphs
 *
 * Modules only record: they know no engine. A class adds parameters and children when it is built
 * and has a record function of its own (vard_linear_record, vard_unet_record, ...).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/vard-ops.h"

G_BEGIN_DECLS

#define VARD_TYPE_MODULE (vard_module_get_type ())
G_DECLARE_DERIVABLE_TYPE (VardModule, vard_module, VARD, MODULE, GObject)

struct _VardModuleClass
{
  GObjectClass parent_class;
};

/* How weight files keep it; in graphs a convolution is [c_out, kh, kw, c_in] */
typedef enum
{
  VARD_LAYOUT_PLAIN,
  VARD_LAYOUT_CONV,      /* file: [c_out, c_in, kh, kw] */
  VARD_LAYOUT_POINTWISE, /* file: [c_out, c_in, 1, 1] (or [c_out, c_in]); in graphs a matrix */
} VardLayout;

typedef struct
{
  const char *name;   /* interned: "weight" */
  VardShape shape;    /* in the graph's layout */
  VardTensor *tensor; /* owned; single precision in the graph's layout, unless stored */
  /* the tensor is as the weight file has it: its type, its layout, often its pages; read-only */
  gboolean is_stored;
  VardLayout layout;
  gboolean is_trainable;
  gboolean is_optional; /* may be absent from weight files (an adapter's, a value net's) */
  VardModule *owner;    /* not owned */
} VardParameter;

typedef void (*VardParameterFunc) (const char *path, VardParameter *parameter, gpointer data);

/* ownership of the child passes to the module, which returns it */
gpointer vard_module_add_child (VardModule *self, const char *name, gpointer child);
void vard_module_remove_child (VardModule *self, VardModule *child);
/* zeros, in the graph's layout; not trainable until vard_module_set_trainable () */
VardParameter *vard_module_add_parameter (VardModule *self,
                                          const char *name,
                                          VardShape shape,
                                          VardLayout layout);
const char *vard_module_get_name (VardModule *self);
/* from the root of the tree, joined by '.'; "" for the root */
char *vard_module_dup_path (VardModule *self);
/* depth first, in the order they were added; paths are joined by '.' and begin below @self */
void vard_module_foreach_parameter (VardModule *self, VardParameterFunc func, gpointer data);
typedef void (*VardModuleFunc) (const char *path, VardModule *module, gpointer data);
void vard_module_foreach (VardModule *self, VardModuleFunc func, gpointer data);
/* what is trained is no longer stored: it becomes single precision of the module's own */
void vard_module_set_trainable (VardModule *self, gboolean is_trainable);
/* the param node, for a stored one with what makes it single precision in the graph's layout; equal
 * params of one graph are one node */
VardNode *vard_parameter_record (VardParameter *self, VardGraph *graph);
/* the param node alone, in the type it is stored in; not for convolutions */
VardNode *vard_parameter_record_stored (VardParameter *self, VardGraph *graph);
/* the tensor as a weight file has it, in any floating type, takes the place of the parameter's
 * own */
void vard_parameter_store (VardParameter *self, VardTensor *stored);
/* a weight file's values are copied */
void vard_parameter_copy (VardParameter *self, VardTensor *stored);
/* the shape in weight files */
VardShape vard_parameter_get_file_shape (const VardParameter *self);
/* single precision in the graph's layout: the tensor itself unless it is stored; (transfer full) */
VardTensor *vard_parameter_dup_values (VardParameter *self);

/* scopes around a record function */
void vard_module_enter (VardModule *self, VardGraph *graph);
void vard_module_leave (VardModule *self, VardGraph *graph);

/* Adapters are recorded while enabled (the default). The frozen reference of a policy is the same
 * tree recorded with adapters off, in the same graph. */
void vard_module_set_adapters_enabled (VardModule *self, gboolean are_enabled);
gboolean vard_module_get_adapters_enabled (VardModule *self);

/* Whether blocks (residual, transformer) record themselves as graph segments, which the reverse
 * sweep recomputes instead of keeping: less memory for about a quarter more work. Off by default;
 * for the whole tree. */
void vard_module_set_segments (VardModule *self, gboolean are_segments);
/* around a block's record function: nothing while segments are off */
void vard_module_begin_block (VardModule *self, VardGraph *graph);
void vard_module_end_block (VardModule *self, VardGraph *graph);

G_END_DECLS
