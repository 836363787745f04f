/* test-remote.c - the reward behind a server, when the server is fine and when it is not
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test-outside.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

static OutsideServer server;

static void
test_remote_plain (void)
{
  g_autoptr (VardReward) reward = outside_reward ("remote:url=%s/plain", server.url);

  for (guint n = 0; n < 40; n += 13)
    {
      g_autoptr (VardRewardBatch) batch = outside_batch (1000, n);

      outside_score (reward, batch);
      for (guint i = 0; i < n; i++)
        outside_assert_score (batch, i, (1000 + i) / 2.0);
    }
}

/* Sixty-four pictures in less than ten times the latency of one answer, which is 50 ms */
static void
test_remote_latency (void)
{
  g_autoptr (VardReward) reward = outside_reward ("remote:url=%s/latency", server.url);
  g_autoptr (VardRewardBatch) batch = outside_batch (0, 64);
  gint64 best = G_MAXINT64;

  outside_score (reward, batch);
  for (guint i = 0; i < 10 && best >= 10 * 50 * 1000; i++) /* other processes run beside */
    {
      gint64 begin = g_get_monotonic_time ();

      outside_score (reward, batch);
      best = MIN (best, g_get_monotonic_time () - begin);
    }
  g_test_message ("64 pictures: %.0f ms", best / 1000.0);
  g_assert_cmpint (best, <, 10 * 50 * 1000);
  g_assert_cmpint (best, >=, 50 * 1000);
}

/* One call a row: 4 pictures in one request */
static const struct
{
  const char *mode, *options, *word;
} failures[] = {
  { "reset", "retries=1", "2 times" },
  { "error", "retries=1", "answered 500 \"no <b>memory</b>\", 2 times" },
  { "error", "retries=0", "answered 500" },
  { "bad-request", "retries=5", "answered 400 \"{\"detail\": \"too red\"}\"" },
  { "hang", "retries=0,timeout=3", "timed out" },
  { "truncated", "retries=5", "truncated" },
  { "short", "retries=5", "there are 3 rewards for 4 pictures" },
  { "long", "retries=5", "there are 5 rewards for 4 pictures" },
  { "whole-error", "retries=5", "out of memory" },
  { "text", "retries=5", "which is not a finite number" },
  { "deep", "retries=5", "nested too deeply" },
  { "huge", "retries=5", "more than 1048576 bytes" },
  { "endless", "retries=5", "more than 1048576 bytes" },
  { "redirects", "retries=5", "redirects too often" },
  { "elsewhere", "retries=5", "redirects to another server" },
  { "retry-late", "retries=5", "86400 seconds" },
};

static void
test_remote_failures (void)
{
  for (guint f = 0; f < G_N_ELEMENTS (failures); f++)
    {
      g_autoptr (VardReward) reward =
        outside_reward ("remote:url=%s/%s,%s", server.url, failures[f].mode, failures[f].options);
      g_autoptr (VardRewardBatch) batch = outside_batch (500, 4);

      outside_score (reward, batch);
      for (guint i = 0; i < 4; i++)
        {
          outside_assert_failed (batch, i, failures[f].word);
          outside_assert_failed (batch, i, server.url);
        }
    }
}

typedef enum
{
  FINE,
  NONE,
  NOT_FIRST,
  NOT_SECOND,
  HUGE_NUMBER
} StormResult;

/* In the order of STORM in fault-server.py */
static const StormResult storm[] = {
  FINE, FINE, FINE,      FINE, NONE, NONE, NOT_SECOND, FINE, FINE, FINE,
  FINE, NONE, NOT_FIRST, NONE, NONE, NONE, FINE,       NONE, NONE, HUGE_NUMBER,
};

static void
check_storm (VardRewardBatch *batch, guint first)
{
  for (guint i = 0; i < vard_reward_batch_get_count (batch); i++)
    {
      StormResult result = storm[(first + i) / 4 % G_N_ELEMENTS (storm)];

      if (result == NONE || (result == NOT_FIRST && i % 4 == 0)
          || (result == NOT_SECOND && i % 4 == 1))
        outside_assert_failed (batch, i, result == NOT_FIRST ? "too red" : "");
      else
        outside_assert_score (batch, i, result == HUGE_NUMBER ? 1e30 : (first + i) / 2.0);
    }
}

static long
get_resident_pages (void)
{
  long pages = 0, ignored;
  FILE *file = fopen ("/proc/self/statm", "r");

  g_assert_nonnull (file);
  g_assert_cmpint (fscanf (file, "%ld %ld", &ignored, &pages), ==, 2);
  fclose (file);
  return pages;
}

/* Twenty kinds of answers in turn, of which twelve give every score: none lost, none swapped, none
 * invented */
static void
test_remote_storm (void)
{
  const char *wanted = g_getenv ("VARD_TEST_REQUESTS");
  guint n_requests = wanted != NULL ? strtoul (wanted, NULL, 10) : 1000, n_calls = n_requests / 100;
  g_autoptr (VardReward) reward =
    outside_reward ("remote:url=%s/storm,batch-size=4,retries=3", server.url);
  long before = 0;

  for (guint c = 0; c < n_calls; c++)
    {
      g_autoptr (VardRewardBatch) batch = outside_batch (c * 400, 400);

      outside_score (reward, batch);
      check_storm (batch, c * 400);
      if (c == n_calls / 3)
        before = get_resident_pages ();
    }
  double growth = (get_resident_pages () - before) * (double) sysconf (_SC_PAGESIZE) / 1e6;
  g_test_message ("%u requests, memory grew by %.1f MB in the last two thirds", n_requests, growth);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
  g_assert_cmpfloat (growth, <, 4);
#endif
}

static void
test_remote_retry_after (void)
{
  g_autoptr (VardReward) reward =
    outside_reward ("remote:url=%s/retry-after,batch-size=1,connections=2", server.url);
  g_autoptr (VardRewardBatch) batch = outside_batch (70, 2);
  gint64 begin = g_get_monotonic_time ();

  outside_score (reward, batch);
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, G_TIME_SPAN_SECOND);
  outside_assert_score (batch, 0, 35);
  outside_assert_score (batch, 1, 35.5);
}

static void
test_remote_cancel (void)
{
  g_autoptr (VardReward) reward = outside_reward ("remote:url=%s/hang", server.url);
  g_autoptr (VardReward) waiting = outside_reward ("remote:url=%s/error,retries=100", server.url);
  g_autoptr (VardRewardBatch) batch = outside_batch (0, 64);

  outside_assert_cancels (reward, batch);
  outside_assert_cancels (waiting, batch);
}

static void
test_remote_health (void)
{
  g_autoptr (VardReward) fine = outside_reward ("remote:url=%s/no-health/compute", server.url);
  g_autoptr (VardReward) sick = outside_reward ("remote:url=%s/sick,retries=1", server.url);
  g_autoptr (VardReward) absent = outside_reward ("remote:url=http://127.0.0.1:9,retries=0");
  g_autoptr (VardRewardBatch) batch = outside_batch (8, 1);

  outside_score (fine, batch);
  outside_assert_score (batch, 0, 4);
  outside_assert_refuses (sick, "the model is not loaded");
  outside_assert_refuses (absent, "http://127.0.0.1:9/health failed");
}

static void
test_remote_settings (void)
{
  static const struct
  {
    const char *spec, *word;
  } rows[] = {
    { "remote", "set \"url\"" },
    { "remote:url=file:///etc/passwd", "only http: and https:" },
    { "remote:url=nothing", "is not an address" },
    { "remote:url=http://me:hidden@127.0.0.1:1", "token-file" },
    { "remote:url=http://127.0.0.1:1,token-file=/nonexistent", "/nonexistent" },
    { "remote:url=http://127.0.0.1:1,token-env=VARD_TEST_NO_SUCH", "VARD_TEST_NO_SUCH" },
    { "remote:url=http://127.0.0.1:1,token-file=/dev/zero", "longer than 16384 bytes" },
    { "remote:url=https://127.0.0.1:1,ca-file=/nonexistent", "/nonexistent" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (VardReward) reward = outside_reward ("%s", rows[i].spec);
      g_autoptr (GError) error = NULL;

      outside_assert_refuses (reward, rows[i].word);
      g_assert_false (vard_reward_prepare (reward, NULL, &error));
      g_assert_null (strstr (error->message, "hidden"));
    }
}

/* The server repeats the secret in its complaint; the message must not. */
static void
test_remote_token (void)
{
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp ("vard-XXXXXX.token", &path, NULL);
  g_assert_cmpint (write (fd, "open-sesame-42\n", 15), ==, 15);
  close (fd);
  g_setenv ("VARD_TEST_TOKEN", "open-sesame-43", TRUE);

  g_autoptr (VardReward) right =
    outside_reward ("remote:url=%s/token,token-file=%s", server.url, path);
  g_autoptr (VardReward) wrong =
    outside_reward ("remote:url=%s/token,token-env=VARD_TEST_TOKEN", server.url);
  g_autoptr (VardRewardBatch) batch = outside_batch (8, 1);
  g_autoptr (GError) error = NULL;

  outside_score (right, batch);
  outside_assert_score (batch, 0, 4);
  g_assert_false (vard_reward_prepare (wrong, NULL, &error));
  g_assert_nonnull (strstr (error->message, "it rejected the secret) \"no entry for Bearer ***\""));
  g_assert_null (strstr (error->message, "sesame"));

  g_setenv ("VARD_TEST_TOKEN", "two\r\nX-Lines: 1", TRUE);
  outside_assert_refuses (wrong, "no usable secret");
  g_unlink (path);
}

static void
test_remote_extras (void)
{
  g_autoptr (VardReward) metadata = outside_reward ("remote:url=%s/metadata", server.url);
  g_autoptr (VardReward) plural =
    outside_reward ("remote:url=%s/plural,plural-names=true", server.url);
  g_autoptr (VardReward) prompt =
    outside_reward ("remote:url=%s/prompt,needs-prompt=true", server.url);
  g_autoptr (VardRewardBatch) batch = outside_batch (8, 1);
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (GBytes) pixels = g_bytes_new ("abc", 3);
  g_autoptr (GError) error = NULL;

  json_object_set_int_member (object, "value", 17);
  g_assert_true (vard_reward_batch_append (batch, pixels, 1, 1, NULL, object, 0, NULL));
  outside_score (metadata, batch);
  outside_assert_failed (batch, 0, "no metadata");
  outside_assert_score (batch, 1, 17);
  outside_score (plural, batch);
  outside_assert_score (batch, 0, 4);
  outside_score (prompt, batch);
  outside_assert_score (batch, 0, 13);
  outside_assert_score (batch, 1, 0);
  g_assert_false (vard_reward_check_needs (prompt, FALSE, NULL, 1, &error));
  g_assert_error (error, VARD_ERROR, VARD_ERROR_USAGE);
}

/* A proxy is said and used, but never for this machine. */
static void
test_remote_proxy (void)
{
  g_autoptr (VardReward) here = outside_reward ("remote:url=%s/plain", server.url);
  g_autoptr (VardReward) away = outside_reward ("remote:url=http://vard.invalid/plain");
  g_autoptr (VardRewardBatch) batch = outside_batch (8, 1);
  g_autofree char *proxy = g_strdup_printf ("http://me:hidden@%s", strstr (server.url, "://") + 3);
  g_autofree char *said = g_strdup_printf ("*to http://vard.invalid/plain by the proxy %s,*",
                                           strstr (server.url, "://") + 3);

  g_setenv ("http_proxy", "http://127.0.0.1:9", TRUE);
  outside_score (here, batch);
  outside_assert_score (batch, 0, 4);
  g_setenv ("http_proxy", proxy, TRUE);
  g_test_expect_message ("Vard", G_LOG_LEVEL_MESSAGE, said);
  outside_score (away, batch);
  g_test_assert_expected_messages ();
  outside_assert_score (batch, 0, 4);

  /* a name that begins like an address of this machine */
  g_autoptr (VardReward) alike = outside_reward ("remote:url=http://127.vard.invalid/plain");

  g_test_expect_message ("Vard", G_LOG_LEVEL_MESSAGE, "*127.vard.invalid/plain by the proxy*");
  outside_score (alike, batch);
  g_test_assert_expected_messages ();
  outside_assert_score (batch, 0, 4);
  g_unsetenv ("http_proxy");
}

static void
test_remote_tls (void)
{
  g_autofree char *folder = g_dir_make_tmp ("vard-XXXXXX", NULL);
  g_autofree char *certificate = g_build_filename (folder, "certificate.pem", NULL);
  g_autofree char *key = g_build_filename (folder, "key.pem", NULL);
  g_autofree char *tool = g_find_program_in_path ("openssl");
  if (tool == NULL)
    {
      g_test_skip ("there is no openssl command to make a certificate with");
      return;
    }
  g_autoptr (GSubprocess) maker =
    g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL,
                      tool, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                      "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                      "-out", certificate, NULL);
  g_assert_true (g_subprocess_wait_check (maker, NULL, NULL));

  OutsideServer secure = outside_server_start (certificate, key);
  g_autoptr (VardReward) unknown = outside_reward ("remote:url=%s/plain,retries=0", secure.url);
  g_autoptr (VardReward) known =
    outside_reward ("remote:url=%s/plain,ca-file=%s", secure.url, certificate);
  g_autoptr (VardRewardBatch) batch = outside_batch (8, 1);

  outside_assert_refuses (unknown, "certificate");
  outside_score (known, batch);
  outside_assert_score (batch, 0, 4);
  outside_server_stop (&secure);
  g_unlink (certificate);
  g_unlink (key);
  g_rmdir (folder);
}

/* The server that people copy */
static void
test_remote_reference_server (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) open = g_subprocess_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
                                                   g_getenv ("PYTHON"), g_getenv ("REWARD_SERVER"),
                                                   "--host", "0.0.0.0", "--port", "0", NULL);
  g_assert_no_error (error);
  g_assert_false (g_subprocess_wait_check (open, NULL, NULL)); /* not without a secret */

  OutsideServer reference = { NULL };
  reference.process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, g_getenv ("PYTHON"),
                                        g_getenv ("REWARD_SERVER"), "--port", "0", NULL);
  g_assert_no_error (error);
  g_autoptr (GDataInputStream) lines =
    g_data_input_stream_new (g_subprocess_get_stdout_pipe (reference.process));
  g_autofree char *line = g_data_input_stream_read_line (lines, NULL, NULL, &error);
  reference.url = g_strdup (strstr (line, "http://"));

  g_autoptr (VardReward) reward = outside_reward ("remote:url=%s", reference.url);
  g_autoptr (VardRewardBatch) batch = vard_reward_batch_new ();
  guint8 *rgb = g_malloc (3 * 37 * 29);
  double expected = 0;
  for (guint i = 0; i < 3 * 37 * 29; i++)
    {
      rgb[i] = i / 3 % 37 * (i % 3 + 2) + i / 111 * 3 + (i * i >> 7);
      expected += rgb[i] * (i % 3 == 0 ? 1 : -0.5);
    }
  g_autoptr (GBytes) pixels = g_bytes_new_take (rgb, 3 * 37 * 29);
  g_assert_true (vard_reward_batch_append (batch, pixels, 37, 29, "x", NULL, 0, NULL));
  outside_score (reward, batch);
  outside_assert_score (batch, 0, expected / (255 * 37 * 29));
  outside_server_stop (&reference);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  server = outside_server_start (NULL, NULL);
  g_test_add_func ("/remote/plain", test_remote_plain);
  g_test_add_func ("/remote/latency", test_remote_latency);
  g_test_add_func ("/remote/failures", test_remote_failures);
  g_test_add_func ("/remote/storm", test_remote_storm);
  g_test_add_func ("/remote/retry-after", test_remote_retry_after);
  g_test_add_func ("/remote/cancel", test_remote_cancel);
  g_test_add_func ("/remote/health", test_remote_health);
  g_test_add_func ("/remote/settings", test_remote_settings);
  g_test_add_func ("/remote/token", test_remote_token);
  g_test_add_func ("/remote/extras", test_remote_extras);
  g_test_add_func ("/remote/proxy", test_remote_proxy);
  g_test_add_func ("/remote/tls", test_remote_tls);
  g_test_add_func ("/remote/reference-server", test_remote_reference_server);
  int result = g_test_run ();
  outside_server_stop (&server);
  return result;
}
