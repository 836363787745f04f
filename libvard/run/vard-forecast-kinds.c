/* vard-forecast-kinds.c - the rows that a forecast can have
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/vard-forecast-kinds.h"

/* clang-format off */
static const VardForecastKind kinds[] = {
  { "work/steps", "steps", "count", { "steps" } },
  { "work/trajectories", "trajectories per step", "count", { "batch-size" } },
  { "work/denoising-steps", "denoising steps per trajectory", "count", { "sampler-steps" } },
  { "work/policy-updates", "policy updates per step", "count", { "policy-updates" } },
  { "work/states", "states per policy update", "count", { "states-per-update" } },
  { "work/pool", "pictures of the base model", "count", { NULL } },
  { "work/value-updates", "updates of the first value fit", "count", { NULL } },
  { "work/value-states", "states per value update", "count", { NULL } },
  { "work/evaluations", "evaluations, the base model's included", "count",
    { "evaluation-interval" } },
  { "work/evaluation-prompts", "prompts of an evaluation", "count", { "evaluation-prompts" } },
  { "work/evaluation-seeds", "pictures per evaluated prompt", "count", { "evaluation-seeds" } },
  { "calls/pool", "reward calls for the pool", "count", { NULL } },
  { "calls/training", "reward calls in training", "count", { NULL } },
  { "calls/evaluation", "reward calls in evaluations", "count",
    { "evaluation-prompts", "evaluation-seeds" } },
  { "calls/total", "reward calls", "count", { NULL } },
  { "weights/all", "weights of the denoiser", "count", { NULL } },
  { "weights/trained", "weights that are trained", "count", { "weights=lora", "lora-rank" } },
  { "memory/denoiser", "denoiser", "bytes", { NULL } },
  { "memory/text-encoder", "text encoder", "bytes", { NULL } },
  { "memory/frozen", "frozen copy for the KL", "bytes", { "weights=lora" } },
  { "memory/loaded", "decoder, rewards and program", "bytes", { NULL } },
  { "memory/optimizer", "gradients and Adam's moments", "bytes", { "weights=lora" } },
  { "memory/pool", "pool of trajectories", "bytes", { NULL } },
  { "memory/ring", "ring of trajectories", "bytes", { NULL } },
  { "memory/activations", "activations", "bytes", { "micro-batch", "segments" } },
  { "memory/batch", "a batch of pictures", "bytes", { "batch-size" } },
  { "memory/peak", "at its peak, about", "bytes", { NULL } },
  { "device/weights", "weights", "bytes", { "engine=cuda:precision=bf16" } },
  { "device/buffers", "trained, moments, inputs, outputs", "bytes", { "weights=lora" } },
  { "device/activations", "activations", "bytes", { "micro-batch", "batch-size", "segments" } },
  { "device/libraries", "matrix library", "bytes", { NULL } },
  { "device/needed", "in all, beside the driver's own", "bytes", { NULL } },
  { "device/room", "room there", "bytes", { NULL } },
  { "disk/checkpoint", "a checkpoint, about", "bytes", { NULL } },
  { "disk/checkpoints", "checkpoints that are kept", "bytes", { "keep-checkpoints" } },
  { "disk/free", "free there", "bytes", { NULL } },
  { "time/evaluations", "evaluations of the denoiser, or as much work", "count",
    { "steps", "batch-size", "sampler-steps" } },
  { "time/evaluation", "an evaluation of the denoiser", "seconds", { "width", "height" } },
  { "time/total", "in all, beside the rewards", "seconds",
    { "steps", "batch-size", "sampler-steps" } },
};
/* clang-format on */

const VardForecastKind *
vard_forecast_find_kind (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (kinds[i].name, name))
      return &kinds[i];
  g_assert_not_reached ();
}
