/* cuda-cudnn-none.c - stubs for a build without cuDNN
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cuda-attention.h"

char *
cuda_dnn_describe (CudaDevice *device)
{
  return g_strdup ("built without cuDNN");
}

void
cuda_dnn_close (CudaDevice *device)
{
}

gboolean
cuda_claim_conv_cudnn (CudaClaim *claim)
{
  return FALSE;
}

gboolean
cuda_claim_attention_cudnn (CudaClaim *claim)
{
  return FALSE;
}

gboolean
cuda_claim_attention_gradient_cudnn (CudaClaim *claim)
{
  return FALSE;
}
