/* judge-reward.c - asks a vision-language model to judge pictures
 *
 * The server speaks the OpenAI dialect: POST URL/chat/completions with a text, the rubric, and the
 * picture as a data: URL. One request a picture. "{prompt}" in the rubric stands for the picture's
 * prompt.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../http/http-client.h"
#include "../wire/wire.h"
#include "judge-answer.h"

typedef enum
{
  JUDGE_LAST_NUMBER,
  JUDGE_JSON,
  JUDGE_PROBABILITIES
} JudgePattern;

static GType judge_pattern_get_type (void);
G_DEFINE_ENUM_TYPE (JudgePattern,
                    judge_pattern,
                    G_DEFINE_ENUM_VALUE (JUDGE_LAST_NUMBER, "last-number"),
                    G_DEFINE_ENUM_VALUE (JUDGE_JSON, "json"),
                    G_DEFINE_ENUM_VALUE (JUDGE_PROBABILITIES, "probabilities"))

#define JUDGE_TYPE_REWARD (judge_reward_get_type ())
G_DECLARE_FINAL_TYPE (JudgeReward, judge_reward, JUDGE, REWARD, VardReward)

struct _JudgeReward
{
  VardReward parent_instance;
  HTTP_MEMBERS;
  char *model, *rubric, *rubric_file, *json_field;
  JudgePattern pattern;
  double minimum, maximum, temperature;
  guint max_tokens;
  HttpClient *client; /* NULL until prepared */
  char *chat;         /* address */
  char *text;         /* of the rubric, wherever it came from */
};

G_DEFINE_FINAL_TYPE (JudgeReward, judge_reward, VARD_TYPE_REWARD)

#define DEFAULT_RUBRIC                                                                     \
  "You see a picture that was made from this description: {prompt}. "                      \
  "Judge from 0 to 10 how well the picture fits the description and how well it is made. " \
  "10 is the best. Answer with the number alone."

/* clang-format off */
static const VardField fields[] = {
  VARD_FIELD_STRING (JudgeReward, url, "Address of the server, such as http://127.0.0.1:8000/v1",
                     NULL),
  VARD_FIELD_STRING (JudgeReward, model, "Name of the model on the server", NULL),
  VARD_FIELD_STRING (JudgeReward, rubric,
                     "Instructions for the model; {prompt} stands for the picture's prompt",
                     DEFAULT_RUBRIC),
  VARD_FIELD_STRING (JudgeReward, rubric_file,
                     "File with the rubric, used instead of rubric", NULL),
  VARD_FIELD_ENUM (JudgeReward, pattern,
                   "How to read the score from an answer: its last number, a JSON field, or the "
                   "mean over the probabilities of its first digit, yes or no",
                   judge_pattern_get_type, JUDGE_LAST_NUMBER),
  VARD_FIELD_STRING (JudgeReward, json_field, "Name of the JSON field, for pattern=json",
                     "score"),
  VARD_FIELD_DOUBLE (JudgeReward, minimum,
                     "Lowest valid score; a lower one is an error", -1e6, 1e6, 0),
  VARD_FIELD_DOUBLE (JudgeReward, maximum,
                     "Highest valid score; a higher one is an error", -1e6, 1e6,
                     10),
  VARD_FIELD_DOUBLE (JudgeReward, temperature,
                     "Sampling temperature of the answer; 0 is deterministic", 0, 2, 0),
  VARD_FIELD_UINT (JudgeReward, max_tokens, "Most tokens of an answer", 1, 1 << 20, 512),
  HTTP_FIELDS (JudgeReward, 4),
};
/* clang-format on */

typedef struct
{
  JudgeReward *self;
  VardRewardBatch *batch;
} JudgeCall;

static gboolean
judge_call_write (guint index, GString *body, gpointer data, GError **error)
{
  JudgeCall *call = data;
  JudgeReward *self = call->self;
  const char *prompt = vard_reward_batch_get_prompt (call->batch, index);
  g_autoptr (GString) text = g_string_new (self->text);
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_replace (text, "{prompt}", prompt != NULL ? prompt : "", 0);
  g_string_append (body, "{\"model\":");
  wire_append_text (body, self->model);
  g_string_append_printf (body, ",\"max_tokens\":%u,\"temperature\":%s", self->max_tokens,
                          g_ascii_dtostr (number, sizeof number, self->temperature));
  if (self->pattern == JUDGE_PROBABILITIES)
    g_string_append (body, ",\"logprobs\":true,\"top_logprobs\":20");
  g_string_append (body,
                   ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":");
  wire_append_text (body, text->str);
  g_string_append (body,
                   "},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,");
  if (!wire_append_png (body, call->batch, index, error))
    return FALSE;
  g_string_append (body, "\"}}]}]}");

  return TRUE;
}

static void
judge_call_fail (guint index, const char *message, guint status, gpointer data)
{
  JudgeCall *call = data;

  vard_reward_batch_set_failed (call->batch, index, message);
}

static gboolean
judge_reward_read_score (JudgeReward *self, JsonObject *answer, double *score, GError **error)
{
  if (self->pattern == JUDGE_PROBABILITIES)
    return judge_read_odds (answer, self->minimum, self->maximum, score, error);

  g_autofree char *text = judge_dup_content (answer, error);
  gboolean found = text != NULL
                   && (self->pattern == JUDGE_JSON
                         ? judge_read_json (text, self->json_field, score, error)
                         : judge_read_last_number (text, self->maximum, score, error));

  if (found && (*score < self->minimum || *score > self->maximum))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD,
                   "the judge's score is %g, but the scale is from %g to %g", *score, self->minimum,
                   self->maximum);
      return FALSE;
    }

  return found;
}

static void
judge_call_read (guint index, const char *text, gsize length, gpointer data)
{
  JudgeCall *call = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = wire_parse_object (text, length, &error);
  double score = 0;

  if (root == NULL)
    {
      g_autofree char *message =
        g_strdup_printf ("%s gave an unusable answer: %s", call->self->chat, error->message);
      judge_call_fail (index, message, 0, call);
      return;
    }
  if (judge_reward_read_score (call->self, json_node_get_object (root), &score, &error))
    vard_reward_batch_set_score (call->batch, index, score);
  else
    {
      g_autofree char *quote =
        http_client_quote (call->self->client, error->message, strlen (error->message));
      judge_call_fail (index, quote, 0, call);
    }
}

static gboolean
judge_reward_check (JudgeReward *self, GError **error)
{
  if (self->model == NULL || self->model[0] == 0)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "no model is given: set \"model\" to one that %s offers",
                 self->url != NULL ? self->url : "the server");
  else if (self->minimum >= self->maximum)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "the minimum, %g, is not below the maximum, %g", self->minimum, self->maximum);
  else if (self->pattern == JUDGE_JSON && (self->json_field == NULL || self->json_field[0] == 0))
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "pattern is json, but json-field is empty");
  else if (self->pattern == JUDGE_PROBABILITIES && (self->minimum < 0 || self->maximum > 9))
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                 "the scale from %g to %g has numbers of more than one token, which "
                 "pattern=probabilities cannot read: set minimum and maximum from 0 to 9",
                 self->minimum, self->maximum);
  else
    return TRUE;

  return FALSE;
}

static gboolean
judge_reward_load_rubric (JudgeReward *self, GError **error)
{
  g_autofree char *text = NULL;

  if (self->rubric_file != NULL)
    {
      if (!g_file_get_contents (self->rubric_file, &text, NULL, error))
        return FALSE;
    }
  else
    text = g_strdup (self->rubric);
  if (text == NULL || *g_strstrip (text) == 0 || !g_utf8_validate (text, -1, NULL))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "the rubric%s%s is empty or not UTF-8",
                   self->rubric_file != NULL ? " in " : "",
                   self->rubric_file != NULL ? self->rubric_file : "");
      return FALSE;
    }
  g_free (self->text);
  self->text = g_steal_pointer (&text);

  return TRUE;
}

/* The address that requests go to begins with this: with or without /v1, both are accepted */
static char *
judge_dup_base (const char *url)
{
  g_autofree char *base = g_strdup (url);

  if (g_str_has_suffix (base, "/chat/completions"))
    base[strlen (base) - strlen ("/chat/completions")] = 0;
  while (g_str_has_suffix (base, "/"))
    base[strlen (base) - 1] = 0;
  if (strchr (strstr (base, "://") + 3, '/') == NULL)
    return g_strconcat (base, "/v1", NULL);

  return g_steal_pointer (&base);
}

static gboolean
judge_reward_prepare (VardReward *reward, GCancellable *cancellable, GError **error)
{
  JudgeReward *self = JUDGE_REWARD (reward);
  HttpSettings settings = HTTP_SETTINGS (self);

  if (!judge_reward_check (self, error) || !judge_reward_load_rubric (self, error))
    return FALSE;
  g_autoptr (HttpClient) client =
    http_client_new (&settings, vard_reward_get_label (reward), error);
  if (client == NULL)
    return FALSE;

  g_autofree char *base = judge_dup_base (self->url);
  g_autofree char *models = g_strconcat (base, "/models", NULL);
  g_free (self->chat);
  self->chat = g_strconcat (base, "/chat/completions", NULL);
  if (!http_client_ping (client, models, cancellable, error))
    return FALSE;
  http_client_free (self->client);
  self->client = g_steal_pointer (&client);

  return TRUE;
}

static gboolean
judge_reward_score (VardReward *reward, VardRewardBatch *batch, GError **error)
{
  JudgeReward *self = JUDGE_REWARD (reward);
  JudgeCall call = { self, batch };
  HttpExchange exchange = {
    .url = self->chat,
    .n_requests = vard_reward_batch_get_count (batch),
    .write = judge_call_write,
    .answer = judge_call_read,
    .failure = judge_call_fail,
    .data = &call,
  };

  return http_client_run (self->client, &exchange, vard_reward_batch_get_cancellable (batch),
                          error);
}

/* Before it is prepared, a rubric in a file has not been read */
static VardRewardNeeds
judge_reward_get_needs (VardReward *reward)
{
  JudgeReward *self = JUDGE_REWARD (reward);
  g_autofree char *text = NULL;

  if (self->rubric_file != NULL)
    g_file_get_contents (self->rubric_file, &text, NULL, NULL);
  else
    text = g_strdup (self->rubric);

  return text != NULL && strstr (text, "{prompt}") != NULL ? VARD_REWARD_NEEDS_PROMPT
                                                           : VARD_REWARD_NEEDS_NOTHING;
}

static void
judge_reward_finalize (GObject *object)
{
  JudgeReward *self = JUDGE_REWARD (object);

  http_client_free (self->client);
  g_free (self->chat);
  g_free (self->text);
  G_OBJECT_CLASS (judge_reward_parent_class)->finalize (object);
}

static void
judge_reward_class_init (JudgeRewardClass *klass)
{
  VardRewardClass *reward_class = VARD_REWARD_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = judge_reward_finalize;
  reward_class->prepare = judge_reward_prepare;
  reward_class->score = judge_reward_score;
  reward_class->get_needs = judge_reward_get_needs;
  vard_fields_install (G_OBJECT_CLASS (klass), fields, G_N_ELEMENTS (fields));
}

static void
judge_reward_init (JudgeReward *self)
{
}

static void
provide (VardPlugin *plugin)
{
  vard_plugin_provide (plugin, "judge", JUDGE_TYPE_REWARD);
}

VARD_PLUGIN ("judge",
             "1.0",
             "LGPL-2.1-or-later",
             "Scores by a vision-language model and a rubric",
             provide);
