/* vard-core-metrics.c - the metrics that every run writes
 *
 * The one description of them: `vard inspect metrics`, the man page, docs/metrics.md and whatever
 * draws a curve read it. Algorithms and rewards add rows of their own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "track/vard-core-metrics.h"

#define NONE VARD_METRIC_DIRECTION_NONE
#define HIGHER VARD_METRIC_DIRECTION_HIGHER
#define LOWER VARD_METRIC_DIRECTION_LOWER
#define START VARD_METRIC_LINES_START
#define STEP VARD_METRIC_LINES_STEP
#define EVALUATION VARD_METRIC_LINES_EVALUATION

#define SCORED "when the step's pictures are scored: score-interval or value-refresh"
#define FAILED "unless every picture failed"

const VardMetricInfo vard_core_metrics[] = {
  { "reward/mean", "base sd", HIGHER, START | STEP, SCORED,
    "Mean total of the training pictures: each score in standard deviations from the base model's "
    "mean, times its weight.",
    "It should rise slowly from its value at step 0; if it stays there, lower kl-weight or raise "
    "learning-rate; if it falls, lower learning-rate." },
  { "reward/std", "base sd", NONE, START | STEP, SCORED, "Standard deviation of the totals.",
    "It usually shrinks as the reward rises; near 0 all pictures score alike and nothing more can "
    "be learned from them." },
  { "reward/min", "base sd", HIGHER, STEP, SCORED, "Lowest total among the step's pictures.",
    "It should follow the mean; if it falls while the mean rises, look at the worst pictures." },
  { "reward/max", "base sd", HIGHER, STEP, SCORED, "Highest total among the step's pictures.",
    "It should rise with the mean; far above the mean it may show a trick that fools the reward: "
    "look at the picture." },
  { "reward/<label>/mean", "score", NONE, STEP, SCORED,
    "Mean raw score of one reward, in that reward's own unit.",
    "Rewards should rise together; if one falls while the total rises, raise its weight." },
  { "reward-calls", "pictures", LOWER, START | STEP, NULL,
    "Training pictures that the rewards have scored since the run began.",
    "It is the cost of the run; lower pool-size or turn value-refresh off if scoring is too "
    "expensive." },
  { "kl/trajectory", "nats", LOWER, START | STEP, NULL,
    "KL divergence of a trajectory from the pretrained model, estimated from the states of the "
    "step's updates.",
    "It should rise with the square of the gain and then level off; if it climbs without more "
    "reward, raise kl-weight or set kl-target." },
  { "kl/capped", "nats", LOWER, STEP, NULL,
    "The same, with the weight of each denoising step capped at w-max: what the loss contains.",
    "It should stay close to kl/trajectory; if it is far below, the last denoising steps are "
    "hardly held back: raise w-max." },
  { "grad-norm", "1", NONE, STEP, NULL, "Mean norm of the policy's gradient before it is clipped.",
    "It should stay within a factor of ten; if it grows, lower learning-rate or clip-norm." },
  { "learning-rate", "1", NONE, STEP, NULL,
    "Learning rate of the step's last policy update, after warm-up and decay.",
    "It rises during warm-up and then falls to learning-rate times learning-rate-end; if it has "
    "fallen too early, set decay-steps." },
  { "seconds/rollout", "s", LOWER, STEP, NULL, "Time to sample the step's pictures.",
    "If it is most of a step, lower batch-size or sampler-steps." },
  { "seconds/reward", "s", LOWER, STEP, NULL, "Time to decode and score the step's pictures.",
    "If it is most of a step, raise score-interval or use a faster reward." },
  { "seconds/reward/<label>", "s", LOWER, STEP, SCORED,
    "Time that one reward took for the step's pictures.",
    "It shows which reward slows the run down; a slow one may run on another machine (remote)." },
  { "images-per-second", "pictures/s", HIGHER, STEP, NULL,
    "Pictures of the step divided by the step's time.",
    "It should stay constant; if it falls, another program uses the processor or memory is "
    "short." },
  { "memory/peak-bytes", "bytes", LOWER, STEP, NULL,
    "Largest resident memory of the process so far.",
    "It should stop growing after the first steps; if memory is short, set micro-batch or "
    "segments." },

  { "evaluation/reward/mean", "base sd", HIGHER, EVALUATION, FAILED,
    "Mean total of the evaluation's pictures, whose seeds training never uses.",
    "It should rise like reward/mean; if it falls behind, the model has learned the training "
    "prompts only: add prompts." },
  { "evaluation/reward/std", "base sd", NONE, EVALUATION, FAILED,
    "Standard deviation of these totals.",
    "It usually shrinks as the reward rises; near 0 all pictures score alike." },
  { "evaluation/reward/min", "base sd", HIGHER, EVALUATION, FAILED,
    "Lowest total of the evaluation.",
    "It should not fall; if it does, look at the worst pictures in samples/." },
  { "evaluation/reward/max", "base sd", HIGHER, EVALUATION, FAILED,
    "Highest total of the evaluation.",
    "Far above the mean it may show a trick that fools the reward: look at the picture." },
  { "evaluation/reward/<label>/mean", "score", NONE, EVALUATION, FAILED,
    "Mean raw score of one reward over the evaluation, in that reward's own unit.",
    "Rewards should rise together; if one falls while the total rises, raise its weight." },
  { "evaluation/reward/gain-sd", "base sd", HIGHER, EVALUATION, "except at step 0",
    "Mean rise of the total over the base model's picture of the same prompt and seed.",
    "It is the result of the run; 1 to 2 is strong, and above 3 the pictures are often spoilt: "
    "look "
    "at the grid." },
  { "evaluation/diversity/pairwise", "grey levels", HIGHER, EVALUATION, NULL,
    "Mean pixel distance (root mean square, 0 to 255) between pictures of one prompt.",
    "It should keep most of its value at step 0; if it collapses, raise kl-weight." },
  { "evaluation/diversity/across", "grey levels", HIGHER, EVALUATION, "with more than one prompt",
    "Mean pixel distance between pictures of different prompts with the same seed.",
    "It should keep most of its value at step 0; if it collapses, all prompts look alike: raise "
    "kl-weight." },
  { "evaluation/diversity/kept", "1", HIGHER, EVALUATION, "except at step 0",
    "diversity/pairwise as a share of the base model's.",
    "Above 0.8 is healthy; below 0.5 the pictures of a prompt have become alike: raise "
    "kl-weight." },
  { "evaluation/kl/trajectory", "nats", LOWER, EVALUATION, NULL,
    "Exact KL divergence of whole trajectories from the pretrained model.",
    "10 to 60 is usual for a visible change; in the hundreds the pictures are leaving the model: "
    "raise kl-weight or set kl-target." },
  { "evaluation/kl/capped", "nats", LOWER, EVALUATION, NULL,
    "The same, with the weight of each denoising step capped at w-max.",
    "It should stay close to evaluation/kl/trajectory; if it is far below, raise w-max." },
  { "evaluation/seconds/reward/<label>", "s", LOWER, EVALUATION, NULL,
    "Time that one reward took for the evaluation's pictures.",
    "If it is too long, lower evaluation-prompts or evaluation-seeds." },
};

const guint vard_n_core_metrics = G_N_ELEMENTS (vard_core_metrics);
