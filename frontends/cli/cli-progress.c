/* cli-progress.c - shows the progress of training: a bar on a terminal, lines elsewhere
 *
 * Everything goes to stderr; stdout is for results.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Between two drawings of the bar */
#define DRAW_INTERVAL (G_USEC_PER_SEC / 8)
#define BAR_WIDTH 24

struct _CliProgress
{
  gboolean is_quiet, is_terminal, is_drawn;
  guint64 step, first_step, n_steps;
  char *phase;
  double fraction;
  gint64 phase_began, steps_began, drawn; /* monotonic microseconds */
  double reward, deviation, kl;
  gboolean has_reward, has_kl;
};

CliProgress *
cli_progress_new (guint64 first_step, guint64 n_steps, gboolean is_quiet)
{
  CliProgress *self = g_new0 (CliProgress, 1);

  self->is_quiet = is_quiet;
  self->is_terminal = isatty (STDERR_FILENO);
  self->step = self->first_step = first_step;
  self->n_steps = n_steps;

  return self;
}

void
cli_progress_free (CliProgress *self)
{
  g_free (self->phase);
  g_free (self);
}

void
cli_progress_clear (CliProgress *self)
{
  if (self->is_drawn)
    fprintf (stderr, "\r\033[K");
  self->is_drawn = FALSE;
}

void
cli_progress_say (CliProgress *self, const char *text)
{
  cli_progress_clear (self);
  if (!self->is_quiet)
    fprintf (stderr, "%s\n", text);
}

/* Steps that are done, with the share of the current one: in that phase the fraction counts all
 * steps */
static double
cli_count_steps (CliProgress *self)
{
  return g_strcmp0 (self->phase, "step") == 0 ? MAX (self->step, self->fraction * self->n_steps)
                                              : self->step;
}

/* Seconds until all steps are done, estimated from the steps so far; before the first step, until
 * the phase is done */
static double
cli_estimate_left (CliProgress *self, gint64 now)
{
  double done = cli_count_steps (self);

  if (self->steps_began != 0 && done > self->first_step)
    return (now - self->steps_began) * 1e-6 / (done - self->first_step) * (self->n_steps - done);

  return self->fraction > 0
           ? (now - self->phase_began) * 1e-6 * (1 - self->fraction) / self->fraction
           : -1;
}

static char *
cli_describe_numbers (CliProgress *self)
{
  GString *text = g_string_new (NULL);

  if (self->has_reward)
    g_string_append_printf (text, "  reward %+.2f \302\261 %.2f", self->reward, self->deviation);
  if (self->has_kl)
    g_string_append_printf (text, "  KL %.*f", self->kl < 10 ? 2 : 1, self->kl);

  return g_string_free (text, FALSE);
}

static void
cli_draw (CliProgress *self, gint64 now)
{
  gboolean is_stepping = g_strcmp0 (self->phase, "step") == 0;
  double done = self->fraction;
  guint n_full = CLAMP (done, 0, 1) * BAR_WIDTH + 0.5;
  double left = cli_estimate_left (self, now);
  g_autofree char *time = left < 0 ? g_strdup ("") : cli_format_time (left);
  g_autofree char *numbers = cli_describe_numbers (self);
  g_autofree char *place = is_stepping
                             ? g_strdup_printf ("step %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT,
                                                MIN (self->step + 1, self->n_steps), self->n_steps)
                             : g_strdup_printf ("%s %3.0f %%", self->phase, 100 * self->fraction);
  g_autofree char *line = g_strdup_printf ("%-18s%s%s%s%s", place, numbers, *time ? "  " : "", time,
                                           *time ? " left" : "");
  int room = cli_get_width (STDERR_FILENO) - 1 - (BAR_WIDTH + 3);
  const char *end = g_utf8_strlen (line, -1) > room ? g_utf8_offset_to_pointer (line, room) : NULL;
  char bar[BAR_WIDTH + 1] = { 0 };

  for (guint i = 0; i < BAR_WIDTH; i++)
    bar[i] = i < n_full ? '#' : '.';
  fprintf (stderr, "\r\033[K[%s] %.*s", bar, end != NULL ? (int) (end - line) : (int) strlen (line),
           line);
  fflush (stderr);
  self->is_drawn = TRUE;
  self->drawn = now;
}

void
cli_progress_update (CliProgress *self, const char *phase, double fraction)
{
  gint64 now = g_get_monotonic_time ();

  if (g_strcmp0 (self->phase, phase) != 0)
    {
      if (!self->is_terminal && g_strcmp0 (phase, "step") != 0)
        cli_progress_say (self, phase);
      g_free (self->phase);
      self->phase = g_strdup (phase);
      self->phase_began = now;
      if (g_str_equal (phase, "step") && self->steps_began == 0)
        self->steps_began = now;
    }
  self->fraction = fraction;
  if (self->is_terminal && !self->is_quiet && now - self->drawn >= DRAW_INTERVAL)
    cli_draw (self, now);
}

void
cli_progress_set_steps (CliProgress *self, guint64 n_steps)
{
  self->n_steps = n_steps;
}

void
cli_progress_step (CliProgress *self, guint64 step, VardMetrics *metrics)
{
  gint64 now = g_get_monotonic_time ();

  self->step = step;
  self->has_reward = vard_metrics_lookup (metrics, "reward/mean", &self->reward) | self->has_reward;
  vard_metrics_lookup (metrics, "reward/std", &self->deviation);
  self->has_kl = vard_metrics_lookup (metrics, "kl/trajectory", &self->kl) | self->has_kl;
  if (self->is_quiet)
    return;
  if (self->is_terminal)
    {
      cli_draw (self, now);
      return;
    }

  double left = cli_estimate_left (self, now);
  g_autofree char *numbers = cli_describe_numbers (self);
  g_autofree char *time = cli_format_time (MAX (left, 0));
  gboolean is_known = self->steps_began != 0 && left >= 0;

  fprintf (stderr, "step %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT "%s%s%s%s\n", step,
           self->n_steps, numbers, is_known ? "  " : "", is_known ? time : "",
           is_known ? " left" : "");
}
