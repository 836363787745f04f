/* http-client.c - a server and the open connections to it
 *
 * What is sent goes to the server that was named and nowhere else: redirects are followed by
 * http-run.c and not by curl, no .netrc, no cookies, no protocol but HTTP, certificates always
 * verified.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "http-private.h"

#include "../wire/wire.h"

#include <string.h>

static void
http_init_curl (void)
{
  static gsize is_done;

  if (g_once_init_enter (&is_done))
    {
      curl_global_init (CURL_GLOBAL_DEFAULT);
      g_once_init_leave (&is_done, 1);
    }
}

CURLM *
http_client_take_multi (HttpClient *self)
{
  g_mutex_lock (&self->lock);
  CURLM *multi = g_queue_pop_head (&self->idle);
  g_mutex_unlock (&self->lock);

  if (multi == NULL)
    {
      multi = curl_multi_init ();
      curl_multi_setopt (multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long) self->settings.connections);
      curl_multi_setopt (multi, CURLMOPT_MAXCONNECTS, (long) self->settings.connections);
    }

  return multi;
}

void
http_client_give_multi (HttpClient *self, CURLM *multi)
{
  g_mutex_lock (&self->lock);
  g_queue_push_head (&self->idle, multi);
  g_mutex_unlock (&self->lock);
}

static void
http_client_limit_protocols (CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt (easy, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

void
http_client_set_options (HttpClient *self, CURL *easy, const char *url)
{
  long timeout = MAX (1, (long) (self->settings.timeout * 1000));

  curl_easy_setopt (easy, CURLOPT_URL, url);
  http_client_limit_protocols (easy);
  curl_easy_setopt (easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt (easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt (easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (self->settings.ca_file != NULL)
    curl_easy_setopt (easy, CURLOPT_CAINFO, self->settings.ca_file);
  curl_easy_setopt (easy, CURLOPT_PROXY, self->proxy);
  curl_easy_setopt (easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
  curl_easy_setopt (easy, CURLOPT_HTTPHEADER, self->headers);
  curl_easy_setopt (easy, CURLOPT_HEADEROPT, (long) CURLHEADER_SEPARATE);
  curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (easy, CURLOPT_TIMEOUT_MS, timeout);
  curl_easy_setopt (easy, CURLOPT_CONNECTTIMEOUT_MS, MIN (timeout, 10000L));
  curl_easy_setopt (easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) self->settings.max_response_size);
}

/* The start of what a server said, on one line, without the secret that it may have repeated */
char *
http_client_quote (HttpClient *self, const char *text, gsize length)
{
  g_autofree char *all = g_strndup (text, MIN (length, 65536));

  if (self->token == NULL)
    return wire_excerpt (all, strlen (all));
  g_auto (GStrv) parts = g_strsplit (all, self->token, -1);
  g_autofree char *joined = g_strjoinv ("***", parts);

  return wire_excerpt (joined, strlen (joined));
}

static void
http_settings_copy (HttpSettings *self, const HttpSettings *other)
{
  *self = *other;
  self->url = g_strdup (other->url);
  self->token_file = g_strdup (other->token_file);
  self->token_env = g_strdup (other->token_env);
  self->ca_file = g_strdup (other->ca_file);
}

static void
http_client_make_headers (HttpClient *self)
{
  static const char *const plain[] = { "Content-Type: application/json", "Accept: application/json",
                                       "Expect:" };

  for (guint i = 0; i < G_N_ELEMENTS (plain); i++)
    self->headers = curl_slist_append (self->headers, plain[i]);
  if (self->token != NULL)
    {
      g_autofree char *line = g_strconcat ("Authorization: Bearer ", self->token, NULL);
      self->headers = curl_slist_append (self->headers, line);
    }
}

/* Checks the settings, reads the secret and says where pictures will go. Nothing is sent yet. */
HttpClient *
http_client_new (const HttpSettings *settings, const char *label, GError **error)
{
  g_autofree char *token = NULL;

  if (!http_check_url (settings->url, error))
    return NULL;
  if (settings->token_file != NULL || settings->token_env != NULL)
    {
      token = http_read_token (settings->token_file, settings->token_env, error);
      if (token == NULL)
        return NULL;
    }
  if (settings->ca_file != NULL && !g_file_test (settings->ca_file, G_FILE_TEST_IS_REGULAR))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "there is no ca-file %s",
                   settings->ca_file);
      return NULL;
    }

  http_init_curl ();
  HttpClient *self = g_new0 (HttpClient, 1);
  http_settings_copy (&self->settings, settings);
  self->token = g_steal_pointer (&token);
  self->proxy = http_find_proxy (settings->url);
  g_mutex_init (&self->lock);
  g_queue_init (&self->idle);
  http_client_make_headers (self);
  http_announce (label, self->settings.url, self->proxy, self->token != NULL);

  return self;
}

static void
http_multi_cleanup (gpointer data)
{
  curl_multi_cleanup (data);
}

void
http_client_free (HttpClient *self)
{
  if (self == NULL)
    return;
  g_queue_clear_full (&self->idle, http_multi_cleanup);
  curl_slist_free_all (self->headers);
  g_mutex_clear (&self->lock);
  g_free (self->settings.url);
  g_free (self->settings.token_file);
  g_free (self->settings.token_env);
  g_free (self->settings.ca_file);
  g_free (self->token);
  g_free (self->proxy);
  g_free (self);
}

typedef struct
{
  char *message;
} HttpPing;

static void
http_ping_answer (guint index, const char *text, gsize length, gpointer data)
{
}

/* Not every server has the page; one that says so is there all the same. */
static void
http_ping_failure (guint index, const char *message, guint status, gpointer data)
{
  HttpPing *ping = data;

  if (status != 404 && status != 405)
    ping->message = g_strdup (message);
}

/* Whether the server is there and takes the secret */
gboolean
http_client_ping (HttpClient *self, const char *url, GCancellable *cancellable, GError **error)
{
  HttpPing ping = { NULL };
  HttpExchange exchange = {
    .url = url,
    .n_requests = 1,
    .answer = http_ping_answer,
    .failure = http_ping_failure,
    .data = &ping,
  };

  if (!http_client_run (self, &exchange, cancellable, error))
    return FALSE;
  if (ping.message == NULL)
    return TRUE;
  g_set_error (error, VARD_ERROR, VARD_ERROR_REWARD, "%s", ping.message);
  g_free (ping.message);

  return FALSE;
}
