/* vard-reward-mix-spec.c - parses the rewards of a mix, and the keys that belong to vard
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "reward/vard-reward-mix.h"

#include "base/vard-fields.h"
#include "base/vard-settings.h"
#include "plugin/vard-plugin-manager.h"
#include "plugin/vard-plugin-private.h"
#include "reward/vard-reward-host.h"
#include "reward/vard-reward-mix-private.h"

/* How a reward is used: the reserved keys of its spec */
typedef struct
{
  GObject parent_instance;
  double weight;
  VardRewardPolicy policy;
  gboolean isolate;
  char *label;
} VardRewardUse;
typedef struct
{
  GObjectClass parent_class;
} VardRewardUseClass;

static GType vard_reward_use_get_type (void);
G_DEFINE_FINAL_TYPE (VardRewardUse, vard_reward_use, G_TYPE_OBJECT)

/* clang-format off */
static const VardField use_fields[] = {
  VARD_FIELD_DOUBLE (VardRewardUse, weight,
                     "Weight of the reward in the total, which adds rewards in standard deviations",
                     -1000, 1000,
                     1),
  VARD_FIELD_ENUM (VardRewardUse, policy,
                   "What to do with a picture that has no score: end the run, leave it out, or "
                   "never train on this reward",
                   vard_reward_policy_get_type, VARD_REWARD_POLICY_REQUIRED),
  VARD_FIELD_BOOLEAN (VardRewardUse, isolate,
                      "Run the reward in a process of its own, so a crash does not end the run",
                      FALSE),
  VARD_FIELD_STRING (VardRewardUse, label, "Name of the reward in messages and metrics", NULL),
};
/* clang-format on */

static void
vard_reward_use_class_init (VardRewardUseClass *klass)
{
  vard_fields_install (G_OBJECT_CLASS (klass), use_fields, G_N_ELEMENTS (use_fields));
}

static void
vard_reward_use_init (VardRewardUse *self)
{
}

static gboolean
vard_reward_use_read (VardRewardUse *self, VardPluginSpec *spec, GError **error)
{
  const char *name = vard_plugin_spec_get_name (spec);

  for (guint i = 0; i < G_N_ELEMENTS (use_fields); i++)
    {
      const char *text = vard_plugin_spec_get_value (spec, use_fields[i].member);

      if (text != NULL
          && !vard_settings_set_text (G_OBJECT (self), use_fields[i].member, text, error))
        {
          g_prefix_error (error, "%s: ", name);
          return FALSE;
        }
    }

  return TRUE;
}

/* In a process of its own when the spec says so. What is wrong with the spec is found before a
 * process starts. */
static GObject *
vard_reward_mix_create (VardRewardMix *self,
                        const char *text,
                        VardRewardUse *use,
                        VardPluginSpec **spec,
                        GError **error)
{
  VardPluginManager *manager = vard_plugin_manager_get_default ();

  *spec = vard_plugin_spec_parse (text, error);
  if (*spec == NULL)
    return NULL;

  const char *name = vard_plugin_spec_get_name (*spec);
  g_autoptr (VardPluginFeature) feature = vard_plugin_manager_find (manager, "reward", name, error);
  if (feature == NULL || !vard_reward_use_read (use, *spec, error))
    return NULL;
  if (!use->isolate)
    return vard_plugin_manager_create_from_spec (manager, "reward", text, NULL, error);
  if (self->pool == NULL)
    self->pool = vard_image_pool_new ();

  return (GObject *) vard_reward_host_new (manager, text, self->pool, error);
}

/**
 * vard_reward_mix_add_spec:
 * @self: a mix
 * @spec: `NAME[:key=value,...]`; weight, policy, label and isolate say how the reward is used
 * @error: return location
 *
 * Adds a reward from a plugin file.
 *
 * Returns: %TRUE when it was added
 */
gboolean
vard_reward_mix_add_spec (VardRewardMix *self, const char *spec, GError **error)
{
  g_return_val_if_fail (VARD_IS_REWARD_MIX (self) && spec != NULL, FALSE);

  g_autoptr (VardPluginSpec) parts = NULL;
  g_autoptr (GObject) use = g_object_new (vard_reward_use_get_type (), NULL);
  VardRewardUse *values = (VardRewardUse *) use;
  g_autoptr (GObject) reward = vard_reward_mix_create (self, spec, values, &parts, error);

  if (reward == NULL)
    return FALSE;
  vard_reward_set_thread_bound (VARD_REWARD (reward), FALSE);

  return vard_reward_mix_add (self, VARD_REWARD (reward),
                              values->label != NULL ? values->label
                                                    : vard_plugin_spec_get_name (parts),
                              values->weight, values->policy, error);
}

static void
vard_reward_mix_spec_list_class (GPtrArray *keys, GType type, const char *prefix)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (type);
  guint n;
  g_autofree GParamSpec **pspecs = g_object_class_list_properties (G_OBJECT_CLASS (klass), &n);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (keys, vard_plugin_property_new_from_pspec (pspecs[i], prefix));
}

/**
 * vard_reward_mix_list_keys:
 *
 * Returns: (transfer full) (element-type VardPluginProperty): the keys that the spec of any reward
 * may have beside
 *   the reward's own properties
 */
GPtrArray *
vard_reward_mix_list_keys (void)
{
  GPtrArray *keys = g_ptr_array_new_with_free_func (g_object_unref);

  vard_reward_mix_spec_list_class (keys, vard_reward_use_get_type (), "");
  vard_reward_mix_spec_list_class (keys, VARD_TYPE_REWARD_HOST, VARD_REWARD_HOST_PREFIX);
  return keys;
}
