/* remote-reward.c - asks a server for scores
 *
 * GET URL/health when it prepares, then POST URL/compute
 *
 *   { "prompt": ["a cat", ...], "image": ["<base64 of a PNG file>", ...] }
 *
 * and the server answers { "rewards": [0.7, ...] }, a number for each picture, in order, or {
 * "error": "..." }. Two additions that a server may ignore or leave out: "metadata" beside the
 * prompts when there is any, and "errors" beside the rewards, a message or null for each picture.
 * An answer with another number of rewards fails all pictures of its request, since nobody can tell
 * whose they are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../http/http-client.h"
#include "../wire/wire.h"

#define REMOTE_TYPE_REWARD (remote_reward_get_type ())
G_DECLARE_FINAL_TYPE (RemoteReward, remote_reward, REMOTE, REWARD, VardReward)

struct _RemoteReward
{
  VardReward parent_instance;
  HTTP_MEMBERS;
  guint batch_size;
  gboolean needs_prompt, plural_names;
  HttpClient *client; /* NULL until prepared */
  char *health, *compute;
};

G_DEFINE_FINAL_TYPE (RemoteReward, remote_reward, VARD_TYPE_REWARD)

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_STRING (RemoteReward, url, "Address of the server, without /compute", NULL),
  VARD_FIELD_UINT (RemoteReward, batch_size, "Pictures in a request", 1, 1024, 8),
  VARD_FIELD_BOOLEAN (RemoteReward, needs_prompt,
                      "The server needs the prompt of a picture", FALSE),
  VARD_FIELD_BOOLEAN (RemoteReward, plural_names,
                      "The server reads \"prompts\" and \"images\" instead of \"prompt\" and "
                      "\"image\"", FALSE),
  HTTP_FIELDS (RemoteReward, 8),
};
/* clang-format on */

/* One batch on its way through several requests */
typedef struct
{
  RemoteReward *self;
  VardRewardBatch *batch;
} RemoteCall;

static guint
remote_call_get_range (RemoteCall *call, guint index, guint *first)
{
  guint n = vard_reward_batch_get_count (call->batch), size = call->self->batch_size;

  *first = index * size;
  return MIN (size, n - *first);
}

static gboolean
remote_call_write_images (RemoteCall *call, guint first, guint n, GString *body, GError **error)
{
  for (guint i = first; i < first + n; i++)
    {
      g_string_append (body, i > first ? ",\"" : "\"");
      if (!wire_append_png (body, call->batch, i, error))
        return FALSE;
      g_string_append_c (body, '"');
    }

  return TRUE;
}

static void
remote_call_write_metadata (RemoteCall *call, guint first, guint n, GString *body)
{
  gboolean has_any = FALSE;

  for (guint i = first; i < first + n; i++)
    has_any = has_any || vard_reward_batch_get_metadata (call->batch, i) != NULL;
  if (!has_any)
    return;
  for (guint i = first; i < first + n; i++)
    {
      g_string_append (body, i > first ? "," : ",\"metadata\":[");
      wire_append_object (body, vard_reward_batch_get_metadata (call->batch, i));
    }
  g_string_append_c (body, ']');
}

static gboolean
remote_call_write (guint index, GString *body, gpointer data, GError **error)
{
  RemoteCall *call = data;
  guint first, n = remote_call_get_range (call, index, &first);

  g_string_append (body, call->self->plural_names ? "{\"prompts\":[" : "{\"prompt\":[");
  for (guint i = first; i < first + n; i++)
    {
      const char *prompt = vard_reward_batch_get_prompt (call->batch, i);

      if (i > first)
        g_string_append_c (body, ',');
      wire_append_text (body, prompt != NULL ? prompt : "");
    }
  g_string_append (body, call->self->plural_names ? "],\"images\":[" : "],\"image\":[");
  if (!remote_call_write_images (call, first, n, body, error))
    return FALSE;
  g_string_append_c (body, ']');
  remote_call_write_metadata (call, first, n, body);
  g_string_append_c (body, '}');

  return TRUE;
}

static void
remote_call_fail (guint index, const char *message, guint status, gpointer data)
{
  RemoteCall *call = data;
  guint first, n = remote_call_get_range (call, index, &first);

  for (guint i = first; i < first + n; i++)
    vard_reward_batch_set_failed (call->batch, i, message);
}

/* An array with one element a picture; NULL when there is none, and a message when it is another
 * thing */
static JsonArray *
remote_read_array (JsonObject *answer, const char *name, guint n, char **message)
{
  JsonNode *node = json_object_get_member (answer, name);

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return NULL;
  if (!JSON_NODE_HOLDS_ARRAY (node))
    {
      *message = g_strdup_printf ("\"%s\" is not an array", name);
      return NULL;
    }
  JsonArray *array = json_node_get_array (node);
  if (json_array_get_length (array) == n)
    return array;
  *message =
    g_strdup_printf ("there are %u %s for %u pictures", json_array_get_length (array), name, n);

  return NULL;
}

static void
remote_call_read_item (RemoteCall *call, guint picture, JsonNode *reward, JsonNode *problem)
{
  double score;
  const char *message =
    problem != NULL && JSON_NODE_HOLDS_VALUE (problem) ? json_node_get_string (problem) : NULL;

  if (problem != NULL && !JSON_NODE_HOLDS_NULL (problem))
    {
      g_autofree char *quote =
        message != NULL ? http_client_quote (call->self->client, message, strlen (message)) : NULL;
      vard_reward_batch_set_failed (call->batch, picture, quote);
    }
  else if (wire_get_number (reward, &score))
    vard_reward_batch_set_score (call->batch, picture, score);
  else
    {
      g_autofree char *text = json_to_string (reward, FALSE);
      g_autofree char *excerpt = http_client_quote (call->self->client, text, strlen (text));
      g_autofree char *full = g_strdup_printf ("%s answered %s, which is not a finite number",
                                               call->self->compute, excerpt);
      vard_reward_batch_set_failed (call->batch, picture, full);
    }
}

/* What is wrong with an answer as a whole, or NULL */
static char *
remote_call_read_items (RemoteCall *call, JsonObject *answer, guint first, guint n)
{
  char *message = NULL;
  JsonArray *rewards = remote_read_array (answer, "rewards", n, &message);
  JsonArray *errors = message == NULL ? remote_read_array (answer, "errors", n, &message) : NULL;

  if (message != NULL)
    return message;
  if (json_object_has_member (answer, "error") && !json_object_get_null_member (answer, "error"))
    {
      g_autofree char *text = json_to_string (json_object_get_member (answer, "error"), FALSE);
      return http_client_quote (call->self->client, text, strlen (text));
    }
  if (rewards == NULL)
    return g_strdup ("there are no \"rewards\" in it");
  for (guint i = 0; i < n; i++)
    remote_call_read_item (call, first + i, json_array_get_element (rewards, i),
                           errors != NULL ? json_array_get_element (errors, i) : NULL);

  return NULL;
}

static void
remote_call_read (guint index, const char *text, gsize length, gpointer data)
{
  RemoteCall *call = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;
  guint first, n = remote_call_get_range (call, index, &first);
  g_autoptr (JsonNode) root = wire_parse_object (text, length, &error);

  if (root == NULL)
    message = g_strdup (error->message);
  else
    message = remote_call_read_items (call, json_node_get_object (root), first, n);
  if (message != NULL)
    {
      g_autofree char *full =
        g_strdup_printf ("%s gave an unusable answer: %s", call->self->compute, message);
      remote_call_fail (index, full, 0, call);
    }
}

static gboolean
remote_reward_prepare (VardReward *reward, GCancellable *cancellable, GError **error)
{
  RemoteReward *self = REMOTE_REWARD (reward);
  HttpSettings settings = HTTP_SETTINGS (self);
  g_autoptr (HttpClient) client =
    http_client_new (&settings, vard_reward_get_label (reward), error);

  if (client == NULL)
    return FALSE;
  gsize length = strlen (self->url);
  if (g_str_has_suffix (self->url, "/compute"))
    length -= strlen ("/compute");
  else if (self->url[length - 1] == '/')
    length--;
  g_free (self->health);
  self->health = g_strdup_printf ("%.*s/health", (int) length, self->url);
  g_free (self->compute);
  self->compute = g_strdup_printf ("%.*s/compute", (int) length, self->url);
  if (!http_client_ping (client, self->health, cancellable, error))
    return FALSE;
  http_client_free (self->client);
  self->client = g_steal_pointer (&client);

  return TRUE;
}

static gboolean
remote_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  RemoteReward *self = REMOTE_REWARD (reward);
  RemoteCall call = { self, batch };
  HttpExchange exchange = {
    .url = self->compute,
    .n_requests = (vard_reward_batch_get_count (batch) + self->batch_size - 1) / self->batch_size,
    .write = remote_call_write,
    .answer = remote_call_read,
    .failure = remote_call_fail,
    .data = &call,
  };

  return http_client_run (self->client, &exchange, vard_reward_batch_get_cancellable (batch),
                          error);
}

static VardRewardNeeds
remote_reward_get_needs (VardReward *reward)
{
  return REMOTE_REWARD (reward)->needs_prompt ? VARD_REWARD_NEEDS_PROMPT
                                              : VARD_REWARD_NEEDS_NOTHING;
}

static void
remote_reward_finalize (GObject *object)
{
  RemoteReward *self = REMOTE_REWARD (object);

  http_client_free (self->client);
  g_free (self->health);
  g_free (self->compute);
  G_OBJECT_CLASS (remote_reward_parent_class)->finalize (object);
}

static void
remote_reward_class_init (RemoteRewardClass *klass)
{
  VardRewardClass *reward_class = VARD_REWARD_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = remote_reward_finalize;
  reward_class->prepare = remote_reward_prepare;
  reward_class->score = remote_reward_score;
  reward_class->get_needs = remote_reward_get_needs;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
remote_reward_init (RemoteReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "remote", REMOTE_TYPE_REWARD);
}

VARD_PLUGIN ("remote", "1.0", "LGPL-2.1-or-later", "Scores by a server, over HTTP", provide);
