/* http-place.c - the destination of pictures: addresses, secrets, proxies, and a log message
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "http-private.h"

#include <string.h>

/* Bytes of a token-file */
#define HTTP_MAX_TOKEN 16384

/* The parts of an address that say which server it is */
typedef struct
{
  char *scheme, *host;
  int port;
} HttpPlace;

static void
http_place_clear (HttpPlace *self)
{
  g_free (self->scheme);
  g_free (self->host);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (HttpPlace, http_place_clear)

static gboolean
http_place_parse (HttpPlace *self, const char *url, GError **error)
{
  g_autoptr (GUri) uri =
    g_uri_parse (url, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_SCHEME_NORMALIZE, error);

  if (uri == NULL)
    return FALSE;
  self->scheme = g_ascii_strdown (g_uri_get_scheme (uri), -1);
  self->host = g_ascii_strdown (g_uri_get_host (uri) != NULL ? g_uri_get_host (uri) : "", -1);
  self->port = g_uri_get_port (uri);
  if (self->port < 0)
    self->port = g_str_equal (self->scheme, "https") ? 443 : 80;

  return TRUE;
}

/* Literal loopback addresses and localhost only: "127.example.org" is a name like any other */
static gboolean
http_place_is_here (const HttpPlace *self)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (self->host);

  return g_str_equal (self->host, "localhost")
         || (address != NULL && g_inet_address_get_is_loopback (address));
}

/* Refuses what the client cannot do, and secrets that a run's settings would keep */
gboolean
http_check_url (const char *url, GError **error)
{
  g_auto (HttpPlace) place = { NULL };
  g_autoptr (GError) inner = NULL;

  if (url == NULL || url[0] == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "no server is given: set \"url\", for example url=http://127.0.0.1:8000");
      return FALSE;
    }
  gboolean is_address = http_place_parse (&place, url, &inner);
  if (is_address && !g_str_equal (place.scheme, "http") && !g_str_equal (place.scheme, "https"))
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "the url begins with %s:, but vard speaks only http: and https:", place.scheme);
      return FALSE;
    }
  if (!is_address || place.host[0] == 0)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "the url \"%s\" is not an address: %s",
                   strchr (url, '@') == NULL ? url : "...",
                   inner != NULL ? inner->message : "it names no host");
      return FALSE;
    }
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  if (uri == NULL || g_uri_get_userinfo (uri) != NULL || g_uri_get_query (uri) != NULL
      || g_uri_get_fragment (uri) != NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "the url to %s contains a user name, a password or a query: put a secret into "
                   "token-file or token-env",
                   place.host);
      return FALSE;
    }

  return TRUE;
}

/* Whether a redirect stays: the same host and port, or the same host by TLS where it was without */
gboolean
http_is_same_place (const char *from, const char *to)
{
  g_auto (HttpPlace) a = { NULL }, b = { NULL };

  if (!http_place_parse (&a, from, NULL) || !http_place_parse (&b, to, NULL)
      || !g_str_equal (a.host, b.host))
    return FALSE;
  if (g_str_equal (a.scheme, b.scheme))
    return a.port == b.port;

  return g_str_equal (a.scheme, "http") && g_str_equal (b.scheme, "https");
}

static gboolean
http_check_token (const char *token, const char *kind, const char *where, GError **error)
{
  gboolean is_fine = token[0] != 0;

  for (const char *at = token; *at != 0; at++)
    is_fine = is_fine && g_ascii_isgraph (*at);
  if (!is_fine)
    g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG, "the %s %s has no usable secret: it %s",
                 kind, where,
                 token[0] == 0 ? "is empty"
                               : "has characters other than letters, digits and signs");

  return is_fine;
}

/* A secret is short: a device or a large file is refused after its first bytes */
static char *
http_read_token_file (const char *path, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, error);
  g_autofree char *text = g_malloc (HTTP_MAX_TOKEN + 1);
  gsize length = 0;

  if (stream == NULL
      || !g_input_stream_read_all (G_INPUT_STREAM (stream), text, HTTP_MAX_TOKEN + 1, &length, NULL,
                                   error))
    return NULL;
  if (length > HTTP_MAX_TOKEN)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "the file %s is longer than %d bytes, which is no secret", path, HTTP_MAX_TOKEN);
      return NULL;
    }

  return g_strndup (text, length);
}

/* Writes NULL when neither is set. The secret is in no message. */
char *
http_read_token (const char *file, const char *variable, GError **error)
{
  g_autofree char *token = NULL;
  const char *kind = file != NULL ? "file" : "environment variable";

  if (file != NULL && variable != NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE,
                   "both token-file and token-env are set: set only one");
      return NULL;
    }
  if (file != NULL && (token = http_read_token_file (file, error)) == NULL)
    return NULL;
  if (variable != NULL && (token = g_strdup (g_getenv (variable))) == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_CONFIG,
                   "token-env names %s, but the environment has no such variable", variable);
      return NULL;
    }
  g_strstrip (token);
  if (!http_check_token (token, kind, file != NULL ? file : variable, error))
    return NULL;

  return g_steal_pointer (&token);
}

/* What curl would find in the environment, but never a proxy for this machine itself */
char *
http_find_proxy (const char *url)
{
  g_auto (HttpPlace) place = { NULL };

  if (!http_place_parse (&place, url, NULL) || http_place_is_here (&place))
    return g_strdup ("");

  gboolean is_tls = g_str_equal (place.scheme, "https");
  /* HTTP_PROXY in capitals is what a CGI program may be given by a stranger */
  const char *names[] = { is_tls ? "https_proxy" : "http_proxy",
                          is_tls ? "HTTPS_PROXY" : "all_proxy", "all_proxy", "ALL_PROXY" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_getenv (names[i]) != NULL && g_getenv (names[i])[0] != 0)
      return g_strdup (g_getenv (names[i]));

  return g_strdup ("");
}

/* An address of a proxy without the name and password it may have */
static char *
http_hide_user (const char *proxy)
{
  const char *at = strrchr (proxy, '@');

  return g_strdup (at != NULL ? at + 1 : proxy);
}

void
http_announce (const char *label, const char *url, const char *proxy, gboolean has_token)
{
  g_auto (HttpPlace) place = { NULL };
  g_autofree char *shown = http_hide_user (proxy);

  if (!http_place_parse (&place, url, NULL))
    return;
  g_message ("The reward %s sends pictures and prompts to %s%s%s%s", label, url,
             proxy[0] != 0 ? " by the proxy " : "", shown,
             proxy[0] != 0 ? ", unless no_proxy has an exception" : "");
  if (has_token && g_str_equal (place.scheme, "http") && !http_place_is_here (&place))
    g_message ("The reward %s sends its secret to %s without encryption; use https where you can",
               label, place.host);
}
