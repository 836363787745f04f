/* http-client.h - sends many requests to one server, with a limited number of retries
 *
 * Plain functions, no types: two plugin files may not both register one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <vard.h>

G_BEGIN_DECLS

/* The properties that every reward behind a server has: members, rows of its table, and a copy of
 * them */
#define HTTP_MEMBERS                            \
  char *url, *token_file, *token_env, *ca_file; \
  guint connections, retries;                   \
  guint64 max_response_size;                    \
  double timeout

#define HTTP_FIELDS(Type, connections_)                                                           \
  VARD_FIELD_STRING (Type, token_file, "File with the secret for the server", NULL),              \
    VARD_FIELD_STRING (Type, token_env, "Environment variable with the secret for the server",    \
                       NULL),                                                                     \
    VARD_FIELD_STRING (Type, ca_file,                                                             \
                       "File with the certificates to trust instead of the system's", NULL),      \
    VARD_FIELD_UINT (Type, connections, "Most requests in flight at once", 1, 256, connections_), \
    VARD_FIELD_UINT (Type, retries, "How often to repeat a request after a temporary failure", 0, \
                     100, 3),                                                                     \
    VARD_FIELD_UINT64 (Type, max_response_size, "Largest size of an answer in bytes", 1024,       \
                       1 << 30, 1 << 20),                                                         \
    VARD_FIELD_DOUBLE (Type, timeout, "Seconds to wait for an answer", 0.05, 86400, 120)

#define HTTP_SETTINGS(self)                                                                     \
  {                                                                                             \
    .url = (self)->url, .token_file = (self)->token_file, .token_env = (self)->token_env,       \
    .ca_file = (self)->ca_file, .connections = (self)->connections, .retries = (self)->retries, \
    .max_response_size = (self)->max_response_size, .timeout = (self)->timeout                  \
  }

typedef struct
{
  HTTP_MEMBERS;
} HttpSettings;

typedef struct _HttpClient HttpClient;

/* Requests 0 to n_requests - 1 are made in any order. Each ends in one call of `answer` or
 * `failure`. The functions are called in the thread of http_client_run(). */
typedef struct
{
  const char *url;
  guint n_requests;
  gboolean (*write) (guint index, GString *body, gpointer data, GError **error); /* NULL: GET */
  void (*answer) (guint index, const char *text, gsize length, gpointer data);
  /* status 0: none came */
  void (*failure) (guint index, const char *message, guint status, gpointer data);
  gpointer data;
} HttpExchange;

HttpClient *http_client_new (const HttpSettings *settings, const char *label, GError **error);
void http_client_free (HttpClient *self);
gboolean http_client_run (HttpClient *self,
                          const HttpExchange *exchange,
                          GCancellable *cancellable,
                          GError **error);
char *http_client_quote (HttpClient *self, const char *text, gsize length);
gboolean http_client_ping (HttpClient *self,
                           const char *url,
                           GCancellable *cancellable,
                           GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (HttpClient, http_client_free)

G_END_DECLS
