#!/usr/bin/env python3
"""test-rewards.py - the checks of a reward from the shell: what is found, and what a crash or a hang becomes"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import sys

import cli

PATH = {'VARD_PLUGIN_PATH': os.environ['VARD_TEST_SCORING_FIXTURES'] + ':' + os.environ['VARD_PLUGIN_PATH']}


class CheckReward(cli.CliTest):
    def check(self, mood, *options, code=4):
        done = self.vard('check-reward', 'moody-fixture:mood=' + mood, *options, env=PATH)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def test_good(self):
        lines = self.check('good', code=0).splitlines()
        self.assertEqual([line.split()[1] for line in lines], ['passed'] * 9)

    def test_order(self):
        findings = json.loads(self.check('order', '--json'))
        failed = [finding['check'] for finding in findings if finding['verdict'] == 'failed']
        self.assertEqual(failed, ['alone', 'order'])

    def test_crash(self):
        self.assertIn('repeats  failed: it crashed: Segmentation fault', self.check('crash'))

    def test_exit(self):
        self.assertIn('repeats  failed: it ended the process with status 7', self.check('exit'))

    def test_hang(self):
        self.assertIn('repeats  failed: no end within 1 s', self.check('hang', '--seconds', '1'))

    def test_unprepared(self):
        lines = self.check('unprepared').splitlines()
        self.assertEqual(len(lines), 1)
        self.assertIn('the weights are not there', lines[0])

    def test_usage(self):
        self.bad(2, ['name one reward'], 'check-reward')
        self.bad(2, ['no reward "zebra"'], 'check-reward', 'zebra')
        self.bad(2, ['floor is "2"'], 'check-reward', 'coverage:floor=2')


if __name__ == '__main__':
    sys.exit(cli.main())
