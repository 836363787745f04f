#!/usr/bin/env python3
"""test-engines.py - an engine without its device says so in one sentence, wherever it is asked for"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import sys
import unittest

import cli

MODEL = os.path.join(os.path.dirname(cli.TESTS), 'data', 'models', 'emoji')
CUDA = os.environ['VARD_TEST_CUDA'] == 'yes'
REASON = "NVIDIA's driver cannot be opened"


class Engines(cli.CliTest):
    def test_named_engine_says_what_it_found(self):
        self.assertRegex(self.good('inspect', 'engine:cpu').stdout, r'here +cpu: \d+ thread')
        self.assertIn('cpu: ', json.loads(self.good('inspect', '--json', 'cpu').stdout)['here'])

    def test_settings_of_an_engine(self):
        self.bad(2, ['cpu', 'colour'], 'sample', '--model', MODEL, '--prompt', 'cat', '--engine', 'cpu:colour=red')

    def test_unknown_engine(self):
        self.bad(2, ['abacus', 'cuda' if CUDA else 'cpu'], 'sample', '--model', MODEL, '--prompt', 'cat', '--engine', 'abacus')


@unittest.skipUnless(CUDA, 'built without the CUDA toolkit')
class WithoutDriver(cli.CliTest):
    """Libraries come from an empty folder, so that a machine with a driver is as one without"""
    def setUp(self):
        super().setUp()
        self.env = {'VARD_CUDA_LIBRARIES': self.folder}

    def test_inspect(self):
        text = self.good('inspect', 'engine:cuda', env=self.env).stdout
        self.assertIn('here      cuda: unavailable: ' + REASON, text)
        self.assertIn('choose another engine', text)

    def test_list(self):
        self.assertIn('cuda ', self.good('inspect', env=self.env).stdout)

    def test_train(self):
        for more in [], ['--dry-run']:
            self.bad(3, [REASON, 'choose another engine'], 'train', '--model', MODEL, '--reward', 'jpeg-size',
                     '--engine', 'cuda', '--run', self.path('run'), *more, env=self.env)

    def test_sample(self):
        self.bad(3, [REASON], 'sample', '--model', MODEL, '--prompt', 'cat', '--engine', 'cuda:precision=bf16',
                 env=self.env)


if __name__ == '__main__':
    sys.exit(cli.main())
