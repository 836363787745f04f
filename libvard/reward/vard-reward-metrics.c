/* vard-reward-metrics.c - what the metrics of a mix's rewards mean
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-mix-private.h"

#include "base/vard-json.h"

static VardMetricDirection
vard_reward_component_get_direction (const VardRewardComponent *self)
{
  if (self->policy == VARD_REWARD_POLICY_MONITOR_ONLY)
    return VARD_METRIC_DIRECTION_NONE;

  return self->weight > 0 ? VARD_METRIC_DIRECTION_HIGHER : VARD_METRIC_DIRECTION_LOWER;
}

static const char *
vard_reward_component_get_advice (const VardRewardComponent *self)
{
  switch (vard_reward_component_get_direction (self))
    {
    case VARD_METRIC_DIRECTION_HIGHER:
      return "It should rise; if it falls while reward/mean rises, raise this reward's weight.";
    case VARD_METRIC_DIRECTION_LOWER:
      return "It should fall, because its weight is negative; if it rises while reward/mean rises, "
             "make the weight more negative.";
    case VARD_METRIC_DIRECTION_NONE:
    default:
      return "The run does not learn from it; if it gets worse while reward/mean rises, give it a "
             "weight.";
    }
}

/**
 * vard_reward_mix_add_metrics:
 * @self: a mix
 * @table: a table of metrics
 *
 * Adds rows for the mean scores of each reward, by its label: its weight says which way is better.
 */
void
vard_reward_mix_add_metrics (VardRewardMix *self, VardMetricTable *table)
{
  static const char *const patterns[] = { "reward/<label>/mean", "evaluation/reward/<label>/mean" };

  g_return_if_fail (VARD_IS_REWARD_MIX (self) && table != NULL);

  for (guint c = 0; c < self->components->len; c++)
    for (guint i = 0; i < G_N_ELEMENTS (patterns); i++)
      {
        const VardRewardComponent *component = vard_reward_mix_peek (self, c);
        const VardMetricInfo *row = vard_metric_table_lookup (table, patterns[i]);
        g_auto (GStrv) parts = g_strsplit (patterns[i], "<label>", 2);
        g_autofree char *name = g_strconcat (parts[0], component->label, parts[1], NULL);
        g_autoptr (GString) summary = g_string_new (NULL);
        VardMetricInfo info = *row;

        g_string_printf (summary, "Mean raw score of the reward %s, weight ", component->label);
        vard_json_append_number (summary, component->weight);
        g_string_append_c (summary, '.');
        info.name = name;
        info.direction = vard_reward_component_get_direction (component);
        info.summary = summary->str;
        info.advice = vard_reward_component_get_advice (component);
        vard_metric_table_add (table, &info);
      }
}
