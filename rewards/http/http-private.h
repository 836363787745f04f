/* http-private.h - shared by the files of the client
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <curl/curl.h>

#include "http-client.h"

struct _HttpClient
{
  HttpSettings settings; /* own copies */
  char *token;           /* NULL for none; never in a message */
  char *proxy;           /* "" for none */
  struct curl_slist *headers;
  GMutex lock;
  GQueue idle; /* of CURLM, with their open connections */
};

CURLM *http_client_take_multi (HttpClient *self);
void http_client_give_multi (HttpClient *self, CURLM *multi);
void http_client_set_options (HttpClient *self, CURL *easy, const char *url);
gboolean http_check_url (const char *url, GError **error);
char *http_read_token (const char *file, const char *variable, GError **error);
char *http_find_proxy (const char *url);
void http_announce (const char *label, const char *url, const char *proxy, gboolean has_token);
gboolean http_is_same_place (const char *from, const char *to);
