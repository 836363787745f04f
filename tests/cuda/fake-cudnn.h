/* fake-cudnn.h - what the parts of the library without a device share: descriptors and tensors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <cudnn_graph.h>
#include <stdint.h>

#define MAX_ATTRIBUTES 16

typedef struct
{
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  int64_t count;
  void *values;
} Attribute;

typedef struct
{
  cudnnBackendDescriptorType_t type;
  Attribute attributes[MAX_ATTRIBUTES];
  int n_attributes, is_finished, way;
} Descriptor;

/* NULL where it is missing, or has another type or count */
const void *fake_find (const Descriptor *self,
                       cudnnBackendAttributeName_t name,
                       cudnnBackendAttributeType_t type,
                       int64_t count);
const Descriptor *fake_find_descriptor (const Descriptor *self,
                                        cudnnBackendAttributeName_t name,
                                        cudnnBackendDescriptorType_t type);
/* of a pack of addresses */
void *fake_find_pointer (const Descriptor *pack, int64_t id);

typedef struct
{
  cudnnDataType_t type;
  int64_t dims[4], strides[4], id;
  int is_virtual, is_by_value;
} Tensor;

int fake_read_tensor (const Descriptor *self, Tensor *tensor);
int64_t fake_tensor_count (const Tensor *tensor);
float fake_load (const Tensor *tensor,
                 const void *from,
                 int64_t a,
                 int64_t b,
                 int64_t c,
                 int64_t d);
void fake_store (const Tensor *tensor,
                 void *to,
                 int64_t a,
                 int64_t b,
                 int64_t c,
                 int64_t d,
                 float value);
/* as it would be if it were stored */
float fake_round (const Tensor *tensor, float value);

/* ---- convolutions (fake-cudnn-conv.c) ---- */

#define CONVOLUTION_WORKSPACE 64

typedef struct
{
  cudnnBackendDescriptorType_t kind;
  Tensor x, w, y;
  int64_t strides[2], before[2], after[2];
} Convolution;

typedef struct
{
  Convolution c;
  void *pointers[3]; /* x, w, y */
  char *workspace;
  unsigned delay; /* microseconds */
} ConvolutionCall;

int fake_window_is_complete (const Descriptor *self);
/* 0: it is not complete, or its tensors do not fit together */
int fake_read_convolution (const Descriptor *self, Convolution *convolution);
int fake_convolution_run (const void *call);

/* ---- graphs of several operations (fake-cudnn-graph.c) ---- */

#define MAX_TENSORS 32
#define MAX_OPERATIONS 24

typedef struct
{
  cudnnBackendDescriptorType_t type;
  int mode;                        /* of an elementwise operation or a reduction */
  int n_inputs, inputs[2], output; /* places among the tensors */
} Operation;

/* everything that is needed when it runs: descriptors may be gone then */
typedef struct
{
  Tensor tensors[MAX_TENSORS];
  Operation operations[MAX_OPERATIONS];
  void *pointers[MAX_TENSORS];
  float numbers[MAX_TENSORS]; /* of tensors by value, read when it is queued */
  int n_tensors, n_operations;
  char *workspace;
  int64_t workspace_size;
  unsigned delay; /* microseconds */
} Graph;

/* What a plan computes, with nothing that points elsewhere: also what its text holds. n_operations
 * 0: the convolution. */
typedef struct
{
  int way;
  Convolution convolution;
  Graph graph;
} Work;

/* 0: an operation is not complete, or its tensors do not fit together */
int fake_read_operation (const Descriptor *self, Graph *graph);
/* whether it is one of the two that the library fuses: attention, or its gradients without sums in
 * an order of their own */
int fake_graph_is_known (const Graph *graph);
int64_t fake_graph_get_workspace (const Graph *graph);
int fake_graph_run (const void *graph);
