/* vard-algorithm.h - the interface of algorithms, which turn rollouts and scores into updates
 *
 * An algorithm is a class in a folder of its own, and a line in vard-algorithm-table.c. The trainer
 * is the loop around it: it creates the #VardTraining, calls advance until each phase is done,
 * evaluates the base model, and calls step until all steps are done. The trainer alone handles
 * evaluations, checkpoints and guards.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "learn/vard-state-file.h"
#include "learn/vard-training.h"
#include "track/vard-metric-table.h"

G_BEGIN_DECLS

/* What a trainer must provide before it creates an algorithm */
typedef enum
{
  /* latents that a value network takes: height and width in multiples of 4 */
  VARD_ALGORITHM_NEEDS_VALUE = 1 << 0,
  /* several trajectories of one prompt in a batch: see get_group_size */
  VARD_ALGORITHM_NEEDS_GROUPS = 1 << 1,
  /* a score for every trajectory of every step */
  VARD_ALGORITHM_NEEDS_SCORES = 1 << 2,
} VardAlgorithmNeeds;

/* Which of its own settings lower a number of a run's forecast. The loop's settings are known. */
typedef struct
{
  const char *row;         /* by name, as VardForecast has it: "memory/pool" */
  const char *settings[4]; /* up to NULL: a name, or name=value where one value does */
} VardAlgorithmRemedy;

/* What a run of it costs besides the loop's rollouts and evaluations */
typedef struct
{
  gsize optimizer;  /* bytes of gradients and moments beside those of the policy */
  gsize pool, ring; /* bytes of trajectories: those that stay, and the newest ones */
  gsize workspace;  /* bytes of activations of its largest program */
  double pictures;  /* rolled out and scored before the first step */
  double updates;   /* of what it fits to them, before the first step too */
  double states;    /* in each of these updates */
  double calls;     /* of the rewards in all steps */
  /* evaluations of the denoiser in all steps, or as much work; 0 where policy-updates and
   * states-per-update mean nothing to it. Guidance doubles them. */
  double forwards;
} VardAlgorithmCosts;

#define VARD_TYPE_ALGORITHM (vard_algorithm_get_type ())
G_DECLARE_DERIVABLE_TYPE (VardAlgorithm, vard_algorithm, VARD, ALGORITHM, GObject)

/**
 * VardAlgorithmClass:
 * @name: its name on the command line, in run.json and in checkpoints
 * @summary: what it does, a sentence
 * @settings_type: the type of its settings: an object with a fields table; %G_TYPE_NONE without any
 * @needs: what the trainer has to see to
 * @phases: what it does before the first step, by name, %NULL-terminated; %NULL for nothing
 * @metrics: what the numbers mean that it adds to the core's: rows of the table of metrics
 * @n_metrics: how many rows
 * @remedies: which of its settings make a run cheaper
 * @n_remedies: how many rows
 * @check: whether settings and model agree with each other, found before anything is loaded; may
 *   be left out
 * @get_group_size: how many trajectories in a row show one prompt; left out without groups
 * @prepare: makes and compiles what it trains with
 * @advance: one unit of work of a phase, after which a checkpoint may be taken; @is_done says
 *   whether it was the phase's last
 * @describe: the numbers of step 0, once all phases are done; may be left out
 * @step: one step; returns its numbers, of vard_training_new_metrics()
 * @measure_kl: the KL of trajectory @i to the pretrained model, in nats, for each step of the
 *   sampler: exact, and as its objective counts it; may be left out
 * @save: adds its state to a checkpoint, or writes files of its own beside it
 * @load: reads that state, once the trainer has read its own and the statistics of the rewards.
 *   @n_done: phases that are done, at most one more than there are
 * @export_files: writes final files beside the model's; may be left out
 * @forecast: what a run would cost; may be left out
 *
 * Functions return %FALSE (@step: %NULL) with an error; after that the trainer is of no more use.
 * Every random number has to be a function of the seed and of counters that are saved, so that a
 * resume is exact.
 */
struct _VardAlgorithmClass
{
  GObjectClass parent_class;

  const char *name;
  const char *summary;
  GType settings_type;
  VardAlgorithmNeeds needs;
  const char *const *phases;
  const VardMetricInfo *metrics;
  guint n_metrics;
  const VardAlgorithmRemedy *remedies;
  guint n_remedies;

  gboolean (*check) (VardAlgorithm *self,
                     const VardTrainingSettings *settings,
                     VardModel *model,
                     GError **error);
  guint (*get_group_size) (VardAlgorithm *self);
  gboolean (*prepare) (VardAlgorithm *self, GError **error);
  gboolean (*advance) (VardAlgorithm *self,
                       guint phase,
                       gboolean *is_done,
                       GCancellable *cancellable,
                       GError **error);
  void (*describe) (VardAlgorithm *self, VardMetrics *metrics);
  VardMetrics *(*step) (VardAlgorithm *self, GCancellable *cancellable, GError **error);
  gboolean (*measure_kl) (VardAlgorithm *self,
                          const VardTrajectory *rollout,
                          guint i,
                          double *kl,
                          double *kl_capped,
                          GCancellable *cancellable,
                          GError **error);
  gboolean (*save) (VardAlgorithm *self,
                    VardStateWriter *writer,
                    const char *directory,
                    GError **error);
  gboolean (*load) (VardAlgorithm *self,
                    VardStateReader *reader,
                    const char *directory,
                    guint n_done,
                    GError **error);
  gboolean (*export_files) (VardAlgorithm *self, const char *directory, GError **error);
  void (*forecast) (VardAlgorithm *self, VardAlgorithmCosts *costs);
};

/* @settings: of the class's settings_type, copied; NULL for every default */
VardAlgorithm *vard_algorithm_new (GType type, GObject *settings);
/* The algorithm's own settings, or NULL where it has none */
gpointer vard_algorithm_peek_settings (VardAlgorithm *self);
/* What it trains with; NULL before it is prepared */
VardTraining *vard_algorithm_peek_training (VardAlgorithm *self);
guint vard_algorithm_count_phases (VardAlgorithm *self);

gboolean vard_algorithm_check (VardAlgorithm *self,
                               const VardTrainingSettings *settings,
                               VardModel *model,
                               GError **error);
guint vard_algorithm_get_group_size (VardAlgorithm *self);
/* @training has to outlive the algorithm */
gboolean vard_algorithm_prepare (VardAlgorithm *self, VardTraining *training, GError **error);
gboolean vard_algorithm_advance (VardAlgorithm *self,
                                 guint phase,
                                 gboolean *is_done,
                                 GCancellable *cancellable,
                                 GError **error);
void vard_algorithm_describe (VardAlgorithm *self, VardMetrics *metrics);
VardMetrics *vard_algorithm_step (VardAlgorithm *self, GCancellable *cancellable, GError **error);
gboolean vard_algorithm_can_measure_kl (VardAlgorithm *self);
gboolean vard_algorithm_measure_kl (VardAlgorithm *self,
                                    const VardTrajectory *rollout,
                                    guint i,
                                    double *kl,
                                    double *kl_capped,
                                    GCancellable *cancellable,
                                    GError **error);
gboolean vard_algorithm_save (VardAlgorithm *self,
                              VardStateWriter *writer,
                              const char *directory,
                              GError **error);
gboolean vard_algorithm_load (VardAlgorithm *self,
                              VardStateReader *reader,
                              const char *directory,
                              guint n_done,
                              GError **error);
gboolean vard_algorithm_export_files (VardAlgorithm *self, const char *directory, GError **error);
/* Once it is prepared */
void vard_algorithm_forecast (VardAlgorithm *self, VardAlgorithmCosts *costs);
/* The settings of the algorithm's own that lower a row of a forecast, up to NULL; never NULL */
const char *const *vard_algorithm_peek_remedies (VardAlgorithm *self, const char *row);

G_END_DECLS
