/* http-run.c - sends requests in parallel and repeats some
 *
 * A request is made again after failures that pass: no connection, a connection that broke, no
 * answer in time, 408, 429 and 5xx. It waits before, twice as long each time and a random part
 * less, so that many clients do not return together. A server that says how long (Retry-After) is
 * not asked anything in between. The body is written anew for each attempt: what waits holds no
 * memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "http-private.h"

#define FIRST_WAIT (G_TIME_SPAN_SECOND / 4)
#define LONGEST_WAIT (30 * G_TIME_SPAN_SECOND)
#define LONGEST_RETRY_AFTER 300 /* seconds */
#define MAX_REDIRECTS 5

typedef struct
{
  guint n_attempts, n_redirects;
  gint64 ready_at; /* monotonic time */
  char *url;       /* after a redirect; NULL: that of the exchange */
} HttpRequest;

typedef struct
{
  HttpClient *client;
  const HttpExchange *exchange;
  CURLM *multi;
  HttpRequest *requests;
  GArray *waiting;     /* of guint: requests to make, the first first */
  GPtrArray *active;   /* of HttpTransfer */
  gint64 paused_until; /* as the server asked */
} HttpRun;

typedef struct
{
  guint index;
  CURL *easy;
  GString *body, *answer;
  gsize limit;
  gboolean is_too_large;
  char message[CURL_ERROR_SIZE];
} HttpTransfer;

static void
http_transfer_free (gpointer data)
{
  HttpTransfer *self = data;

  curl_easy_cleanup (self->easy);
  g_string_free (self->body, TRUE);
  g_string_free (self->answer, TRUE);
  g_free (self);
}

static size_t
http_transfer_receive (char *bytes, size_t size, size_t n, void *data)
{
  HttpTransfer *self = data;

  if (self->answer->len + size * n > self->limit)
    {
      self->is_too_large = TRUE;
      return CURL_WRITEFUNC_ERROR;
    }
  g_string_append_len (self->answer, bytes, size * n);

  return size * n;
}

static const char *
http_run_get_url (HttpRun *self, guint index)
{
  return self->requests[index].url != NULL ? self->requests[index].url : self->exchange->url;
}

static void
http_run_fail (HttpRun *self, guint index, guint status, const char *message)
{
  guint n = self->requests[index].n_attempts;
  g_autofree char *tries = n > 1 ? g_strdup_printf (", %u times", n) : g_strdup ("");
  g_autofree char *full =
    g_strdup_printf ("%s %s%s", http_run_get_url (self, index), message, tries);

  self->exchange->failure (index, full, status, self->exchange->data);
}

static void
http_run_start (HttpRun *self, guint index)
{
  g_autoptr (GError) error = NULL;
  HttpTransfer *transfer = g_new0 (HttpTransfer, 1);

  transfer->index = index;
  transfer->easy = curl_easy_init ();
  transfer->body = g_string_new (NULL);
  transfer->answer = g_string_new (NULL);
  transfer->limit = self->client->settings.max_response_size;
  self->requests[index].n_attempts++;
  if (self->exchange->write != NULL
      && !self->exchange->write (index, transfer->body, self->exchange->data, &error))
    {
      self->exchange->failure (index, error->message, 0, self->exchange->data);
      http_transfer_free (transfer);
      return;
    }

  http_client_set_options (self->client, transfer->easy, http_run_get_url (self, index));
  curl_easy_setopt (transfer->easy, CURLOPT_PRIVATE, transfer);
  curl_easy_setopt (transfer->easy, CURLOPT_ERRORBUFFER, transfer->message);
  curl_easy_setopt (transfer->easy, CURLOPT_WRITEFUNCTION, http_transfer_receive);
  curl_easy_setopt (transfer->easy, CURLOPT_WRITEDATA, transfer);
  if (self->exchange->write != NULL)
    {
      curl_easy_setopt (transfer->easy, CURLOPT_POST, 1L);
      curl_easy_setopt (transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                        (curl_off_t) transfer->body->len);
      curl_easy_setopt (transfer->easy, CURLOPT_POSTFIELDS, transfer->body->str);
    }
  curl_multi_add_handle (self->multi, transfer->easy);
  g_ptr_array_add (self->active, transfer);
}

/* Puts a request back, to be made when its time has come */
static void
http_run_wait_for (HttpRun *self, guint index, gint64 wait)
{
  self->requests[index].ready_at = g_get_monotonic_time () + wait;
  g_array_append_val (self->waiting, index);
}

static gint64
http_backoff (guint n_attempts)
{
  gint64 wait = MIN (LONGEST_WAIT, FIRST_WAIT << MIN (n_attempts - 1, 10));

  return (gint64) (wait * g_random_double_range (0.5, 1));
}

/* A failure that may pass */
static void
http_run_retry (HttpRun *self, HttpTransfer *transfer, guint status, const char *message)
{
  HttpRequest *request = &self->requests[transfer->index];
  gint64 wait = http_backoff (request->n_attempts);
  curl_off_t retry_after = 0;

  if (request->n_attempts > self->client->settings.retries)
    {
      http_run_fail (self, transfer->index, status, message);
      return;
    }
  curl_easy_getinfo (transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
  if (retry_after > LONGEST_RETRY_AFTER)
    {
      g_autofree char *late = g_strdup_printf ("%s and asks to wait %" G_GINT64_FORMAT
                                               " seconds, but vard waits at most %d",
                                               message, (gint64) retry_after, LONGEST_RETRY_AFTER);
      http_run_fail (self, transfer->index, status, late);
      return;
    }
  if (retry_after > 0)
    {
      self->paused_until =
        MAX (self->paused_until, g_get_monotonic_time () + retry_after * G_TIME_SPAN_SECOND);
      wait = MAX (wait, retry_after * G_TIME_SPAN_SECOND);
    }
  http_run_wait_for (self, transfer->index, wait);
}

/* 301, 302, 307 and 308 to the same server: the same request there */
static void
http_run_redirect (HttpRun *self, HttpTransfer *transfer, guint status)
{
  HttpRequest *request = &self->requests[transfer->index];
  const char *from = http_run_get_url (self, transfer->index);
  char *to = NULL;
  g_autofree char *message = NULL;

  curl_easy_getinfo (transfer->easy, CURLINFO_REDIRECT_URL, &to);
  if (to == NULL || status == 303)
    message = g_strdup_printf ("answered %u, a redirect that cannot be followed", status);
  else if (!http_is_same_place (from, to))
    message =
      g_strdup_printf ("redirects to another server, %.200s, to which vard does not send pictures",
                       to);
  else if (++request->n_redirects > MAX_REDIRECTS)
    message = g_strdup_printf ("redirects too often: %u times, finally to %.200s",
                               request->n_redirects, to);
  if (message != NULL)
    {
      http_run_fail (self, transfer->index, status, message);
      return;
    }
  char *next = g_strdup (to);
  g_free (request->url);
  request->url = next;
  request->n_attempts--; /* a redirect is no failure */
  http_run_wait_for (self, transfer->index, 0);
}

static void
http_run_read_status (HttpRun *self, HttpTransfer *transfer, guint status)
{
  if (status >= 200 && status < 300)
    {
      self->exchange->answer (transfer->index, transfer->answer->str, transfer->answer->len,
                              self->exchange->data);
      return;
    }
  if (status >= 300 && status < 400)
    {
      http_run_redirect (self, transfer, status);
      return;
    }

  g_autofree char *excerpt =
    http_client_quote (self->client, transfer->answer->str, transfer->answer->len);
  g_autofree char *message =
    g_strdup_printf ("answered %u%s%s%s%s", status,
                     status == 401 || status == 403 ? " (it rejected the secret)" : "",
                     excerpt[0] != 0 ? " \"" : "", excerpt, excerpt[0] != 0 ? "\"" : "");
  if (status == 408 || status == 429 || status >= 500)
    http_run_retry (self, transfer, status, message);
  else
    http_run_fail (self, transfer->index, status, message);
}

static gboolean
http_is_passing (CURLcode code)
{
  switch (code)
    {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return TRUE;
    default: return FALSE;
    }
}

static void
http_run_read_failure (HttpRun *self, HttpTransfer *transfer, CURLcode code)
{
  const char *why = transfer->message[0] != 0 ? transfer->message : curl_easy_strerror (code);
  g_autofree char *message = g_strdup_printf ("failed: %s", why);

  if (transfer->is_too_large || code == CURLE_FILESIZE_EXCEEDED)
    {
      g_autofree char *large = g_strdup_printf ("answered with more than %" G_GSIZE_FORMAT
                                                " bytes, which is the limit (max-response-size)",
                                                transfer->limit);
      http_run_fail (self, transfer->index, 0, large);
    }
  else if (http_is_passing (code))
    http_run_retry (self, transfer, 0, message);
  else
    http_run_fail (self, transfer->index, 0, message);
}

static void
http_run_finish (HttpRun *self, CURL *easy, CURLcode code)
{
  HttpTransfer *transfer = NULL;
  long status = 0;

  curl_easy_getinfo (easy, CURLINFO_PRIVATE, &transfer);
  curl_easy_getinfo (easy, CURLINFO_RESPONSE_CODE, &status);
  curl_multi_remove_handle (self->multi, easy);
  if (code == CURLE_OK)
    http_run_read_status (self, transfer, status);
  else
    http_run_read_failure (self, transfer, code);
  g_ptr_array_remove_fast (self->active, transfer);
}

/* Starts what may start; returns the milliseconds until more may */
static int
http_run_start_ready (HttpRun *self, GCancellable *cancellable)
{
  gint64 now = g_get_monotonic_time (), next = now + G_TIME_SPAN_SECOND;
  int running;

  if (self->paused_until > now)
    return MIN (self->paused_until - now, G_TIME_SPAN_SECOND) / 1000 + 1;
  for (guint i = 0; i < self->waiting->len
                    && self->active->len < self->client->settings.connections
                    /* writing large pictures takes its time */
                    && !g_cancellable_is_cancelled (cancellable);)
    {
      guint index = g_array_index (self->waiting, guint, i);

      if (self->requests[index].ready_at > now)
        {
          next = MIN (next, self->requests[index].ready_at);
          i++;
          continue;
        }
      g_array_remove_index (self->waiting, i);
      http_run_start (self, index);
      curl_multi_perform (self->multi, &running); /* it travels while the next is written */
    }

  return (next - now) / 1000 + 1;
}

static gboolean
http_run_loop (HttpRun *self, GCancellable *cancellable, GError **error)
{
  while (self->waiting->len + self->active->len > 0)
    {
      int running, left;
      CURLMsg *done;

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      int wait = http_run_start_ready (self, cancellable);
      CURLMcode code = curl_multi_perform (self->multi, &running);
      guint n_before = self->active->len;
      while ((done = curl_multi_info_read (self->multi, &left)) != NULL)
        if (done->msg == CURLMSG_DONE)
          http_run_finish (self, done->easy_handle, done->data.result);
      if (code == CURLM_OK && self->active->len == n_before
          && self->waiting->len + self->active->len > 0)
        code = curl_multi_poll (self->multi, NULL, 0, wait, NULL);
      if (code != CURLM_OK)
        {
          g_set_error (error, VARD_ERROR, VARD_ERROR_FAILED, "libcurl: %s",
                       curl_multi_strerror (code));
          return FALSE;
        }
    }

  return TRUE;
}

static void
http_run_wake (GCancellable *cancellable, gpointer data)
{
  curl_multi_wakeup (data);
}

static void
http_run_abort (HttpRun *self)
{
  for (guint i = 0; i < self->active->len; i++)
    {
      HttpTransfer *transfer = g_ptr_array_index (self->active, i);

#if LIBCURL_VERSION_NUM >= 0x075700
      /* a name server may be slow to answer */
      curl_easy_setopt (transfer->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
      curl_multi_remove_handle (self->multi, transfer->easy);
    }
}

/* FALSE only when it was cancelled or cannot go on; a request that failed has been told of */
gboolean
http_client_run (HttpClient *self,
                 const HttpExchange *exchange,
                 GCancellable *cancellable,
                 GError **error)
{
  HttpRun run = { .client = self, .exchange = exchange, .multi = http_client_take_multi (self) };

  run.requests = g_new0 (HttpRequest, exchange->n_requests);
  run.waiting = g_array_new (FALSE, FALSE, sizeof (guint));
  run.active = g_ptr_array_new_with_free_func (http_transfer_free);
  for (guint i = 0; i < exchange->n_requests; i++)
    g_array_append_val (run.waiting, i);

  gulong handler =
    cancellable != NULL
      ? g_cancellable_connect (cancellable, G_CALLBACK (http_run_wake), run.multi, NULL)
      : 0;
  gboolean result = http_run_loop (&run, cancellable, error);
  g_cancellable_disconnect (cancellable, handler);

  http_run_abort (&run);
  g_ptr_array_unref (run.active);
  g_array_unref (run.waiting);
  for (guint i = 0; i < exchange->n_requests; i++)
    g_free (run.requests[i].url);
  g_free (run.requests);
  http_client_give_multi (self, run.multi);

  return result;
}
