/* vard-model-class.h - the seam between text-to-image models and what samples and trains them
 *
 * The trainer and the pipeline see this interface alone, so that another architecture (SDXL, a
 * flow-matching transformer) is one more class.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "adapters/vard-lora-file.h"
#include "models/vard-condition.h"
#include "models/vard-model.h"
#include "process/vard-schedule.h"

G_BEGIN_DECLS

typedef struct
{
  gint64 height, width, channels; /* of the latent */
  gint64 scale;                   /* picture height = scale x latent height */
  VardConditionLayout condition;  /* what a prompt becomes */
  VardScheduleConfig schedule;
  /* By what names other programs know the family, for the headers of exported files; static, NULL
   * for a family that they do not know: modelspec.architecture, and kohya's
   * ss_base_model_version */
  const char *architecture, *base_version;
} VardModelInfo;

/**
 * VardModelForm:
 * @VARD_MODEL_FORM_FOLDER: a folder as diffusers writes it
 * @VARD_MODEL_FORM_SINGLE_FILE: one file with the names of the original programs
 *
 * How a whole model lies on the disk.
 */
typedef enum
{
  VARD_MODEL_FORM_FOLDER,
  VARD_MODEL_FORM_SINGLE_FILE
} VardModelForm;

struct _VardModelClass
{
  GObjectClass parent_class;

  /* The encoders of one prompt, with inputs and outputs as encode () likes; NULL where a prompt
   * needs no program */
  void (*record_encode) (VardModel *self, VardGraph *graph);
  /* Fills every slot of @condition and its summary. @encoder is what record_encode () recorded, or
   * NULL. Pictures have the size that the info says; when it changes, prompts are encoded again. */
  gboolean (*encode) (VardModel *self,
                      VardExecutable *encoder,
                      const char *prompt,
                      VardCondition *condition,
                      GCancellable *cancellable,
                      GError **error);
  /* latents [n, h, w, c], timesteps f32 [n] (0..999), a node [n, shape] for each slot of the info's
   * layout, in its order -> the prediction, latents' shape */
  VardNode *(*record_predict) (VardModel *self,
                               VardNode *latents,
                               VardNode *timesteps,
                               VardNode *const *condition);
  /* sampler latents (scaled) [n, h, w, c] -> pictures [n, H, W, 3], nominally -1..1 */
  VardNode *(*record_decode) (VardModel *self, VardNode *latents);
  VardModule *(*get_denoiser) (VardModel *self);
  /* what reads prompts; NULL past the last one, and where it has no weights */
  VardModule *(*get_text_encoder) (VardModel *self, guint i);
  /* Where adapters may be and what files call these places, the denoiser first; returns how many.
   * NULL: the denoiser alone, spelled as a UNet. */
  guint (*list_lora_places) (VardModel *self, VardLoraPlace places[VARD_LORA_MAX_PLACES]);
  /* writes a complete model with the present weights, enabled adapters merged in; parts that have
   * no adapters and are no denoiser may be copied as they are. @metadata: for the header of what is
   * written, (nullable). */
  gboolean (*save) (VardModel *self,
                    const char *path,
                    VardModelForm form,
                    VardDType dtype,
                    GHashTable *metadata,
                    GError **error);
  /* where in a prompt the words begin that do not fit, in bytes, or its length; *n_tokens
   * gets how many tokens fit. NULL: all fits always */
  gsize (*find_cut) (VardModel *self, const char *prompt, guint *n_tokens);
  /* the ends of the paths of a kind of linear layers of the denoiser, for vard_lora_attach ();
   * NULL where there is no such kind. "attention" is what adapters are put on unless others are
   * named. */
  const char *const *(*get_adapter_names) (VardModel *self, const char *kind);

  gpointer padding[6];
};

const VardModelInfo *vard_model_peek_info (VardModel *self);
gboolean vard_model_compile_encoder (VardModel *self,
                                     VardEngine *engine,
                                     VardExecutable **encoder,
                                     GError **error);
VardCondition *vard_model_encode (VardModel *self,
                                  VardExecutable *encoder,
                                  const char *prompt,
                                  GCancellable *cancellable,
                                  GError **error);
VardNode *vard_model_record_predict (VardModel *self,
                                     VardNode *latents,
                                     VardNode *timesteps,
                                     VardNode *const *condition);
VardNode *vard_model_record_decode (VardModel *self, VardNode *latents);
VardModule *vard_model_peek_denoiser (VardModel *self);
gboolean vard_model_save (VardModel *self, const char *path, VardDType dtype, GError **error);

VardModule *vard_model_peek_text_encoder (VardModel *self, guint i);
VardLoraTarget vard_model_get_lora_target (VardModel *self);
/* @path: a folder or a file that does not exist yet */
gboolean vard_model_export (VardModel *self,
                            const char *path,
                            VardModelForm form,
                            VardDType dtype,
                            GHashTable *metadata,
                            GError **error);
gboolean vard_model_save_lora (VardModel *self,
                               const char *path,
                               VardLoraFormat format,
                               GHashTable *metadata,
                               guint *n_layers,
                               GError **error);
/* What to put adapters on: @wanted with each kind of layers replaced by its names; empty or NULL
 * is the kind "attention". (transfer full), empty where the model has no kinds and nothing is
 * wanted. */
char **vard_model_dup_adapter_names (VardModel *self, const char *const *wanted);
/* takes the adapters of denoiser and text encoders away; returns how many there were */
guint vard_model_detach_lora (VardModel *self);

/* For subclasses: what peek_info, get_path and dup_hash answer. The hash goes over the files in
 * this order. */
void vard_model_set_info (VardModel *self, const char *path, const VardModelInfo *info);
void vard_model_add_file (VardModel *self, const char *path);

G_END_DECLS
