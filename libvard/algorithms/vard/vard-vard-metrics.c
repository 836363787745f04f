/* vard-vard-metrics.c - the metrics that VARD adds to the core's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "algorithms/vard/vard-vard-metrics.h"

#define NONE VARD_METRIC_DIRECTION_NONE
#define HIGHER VARD_METRIC_DIRECTION_HIGHER
#define LOWER VARD_METRIC_DIRECTION_LOWER
#define START VARD_METRIC_LINES_START
#define STEP VARD_METRIC_LINES_STEP

const VardMetricInfo vard_vard_metrics[] = {
  { "kl-weight", "base sd per nat", NONE, START | STEP, NULL,
    "Reward that one nat of KL must buy, in standard deviations of the base model.",
    "It is constant unless kl-target steers it; if it runs to an extreme, kl-target is out of "
    "reach "
    "for this reward." },
  { "policy/loss", "base sd", LOWER, STEP, NULL,
    "Mean loss of the policy's updates: the KL penalty minus the value.",
    "It should fall; if it jumps, lower learning-rate." },
  { "policy/value", "base sd", HIGHER, STEP, NULL,
    "Mean value that the network predicts for the states after the policy's steps.",
    "It should rise with reward/mean; if it rises while the reward falls, the network is deceived: "
    "turn value-refresh on." },
  { "value/gradient-norm", "base sd per unit of latent", NONE, STEP, NULL,
    "Mean norm of the value's gradient with respect to the noisy state.",
    "It should stay within a factor of ten; if single steps exceed that, lower "
    "value-gradient-quantile." },
  { "value/loss", "1", LOWER, START | STEP, "in steps with value-refresh",
    "Mean squared error of the value network's updates, in units of the pool's variance.",
    "Below 1 it predicts better than the mean; if it rises, raise value-updates." },
  { "value/r2", "1", HIGHER, START, NULL,
    "Share of the reward's variance that the network explains on held-out pictures, mean over the "
    "noise levels.",
    "Above 0.3 is good; near 0 it has learned nothing: raise pool-size or value-fit-updates." },
  { "value/r2/<time>", "1", HIGHER, START, NULL,
    "The same at one noise level; time 0 is the finished picture.",
    "It should fall from time 0 to pure noise; levels below q-min get no value gradient." },
  { "seconds/value", "s", LOWER, STEP, NULL, "Time of the value network's updates.",
    "If it is most of a step, lower value-updates or value-batch." },
  { "seconds/policy", "s", LOWER, STEP, NULL, "Time of the policy's updates.",
    "If it is most of a step, lower policy-updates or states-per-update." },
};

const guint vard_n_vard_metrics = G_N_ELEMENTS (vard_vard_metrics);
