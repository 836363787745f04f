#!/usr/bin/env python3
"""test-usage.py - wrong usage is one sentence and exit code 2; help and version say what they should"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import sys
import time

import cli


class Usage(cli.CliTest):
    def test_version(self):
        self.assertRegex(self.good('--version').stdout, r'^vard \d+\.\d+\.\d+$')

    def test_version_is_quick(self):
        """Under 50 ms: the best of five, since other processes run beside"""
        times = []
        for _ in range(5):
            begin = time.monotonic()
            self.good('--version')
            times.append(time.monotonic() - begin)
        self.assertLess(min(times), 0.05)

    def test_help_lists_verbs(self):
        text = self.good('--help').stdout
        self.assertIn('runs', text)
        self.assertIn('130 cancelled', text)

    def test_every_verb_has_help(self):
        verbs = [line.split()[0] for line in self.good('--help').stdout.splitlines()
                 if line.startswith('  ') and not line.startswith('  vard') and line.split()[1:]]
        self.assertTrue(verbs)
        for verb in verbs:
            text = self.good(verb, '--help').stdout
            self.assertTrue(text.startswith('Usage: vard ' + verb), text)
            self.assertIn('--help', text)

    def test_no_verb(self):
        self.bad(2, ['no verb is given'])

    def test_unknown_verb(self):
        self.bad(2, ["'rnus'", "did you mean 'runs'"], 'rnus')

    def test_unknown_option(self):
        self.bad(2, ['--jsno', 'did you mean --json'], 'runs', '--jsno')

    def test_unknown_setting(self):
        self.bad(2, ['jsom', 'did you mean json'], 'runs', '--set', 'jsom=true')

    def test_set_without_value(self):
        self.bad(2, ['NAME=VALUE', 'json'], 'runs', '--set', 'json')

    def test_bad_value(self):
        self.bad(2, ['json', 'maybe', 'true or false'], 'runs', '--json=maybe')

    def test_runs_of_nothing(self):
        self.assertEqual(json.loads(self.good('runs', '--json', '.').stdout), [])

    def test_runs_without_folder(self):
        self.bad(3, ['nowhere'], 'runs', 'nowhere')


if __name__ == '__main__':
    sys.exit(cli.main())
