#!/usr/bin/env python3
"""test-memory.py - what a dry run says of memory is what training takes; segments take less and change nothing"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import re
import sys

import cli

TINY = os.path.join(cli.TESTS, 'data', 'tiny-model')
EMOJI = os.path.join(os.path.dirname(cli.TESTS), 'data', 'models', 'emoji')
UNITS = {'bytes': 1, 'kB': 1e3, 'MB': 1e6, 'GB': 1e9}
# enough states at once for activations to be most of it
EMOJI_RUN = ['--steps', '1', '--states-per-update', '24', '--policy-updates', '1', '--evaluation-prompts', '2',
             '--threads', '2']


class Memory(cli.CliTest):
    def vard(self, *arguments, **more):
        # what the C library writes over freed memory would count
        return super().vard(*arguments, env={'MALLOC_PERTURB_': '0'}, **more)

    def arguments(self, model, run, *more):
        return ['train', '--model', model, '--reward', 'colorfulness', '--run', run, *cli.QUICK, *more]

    def estimate(self, *arguments):
        """Bytes by component"""
        text = self.good(*arguments, '--dry-run').stdout
        part = text[text.index('Memory\n'):text.index('Disk')]
        rows = re.findall(r'^  (\S.*?) {2,}([\d.]+)\s(bytes|kB|MB|GB)', part, re.MULTILINE)
        return {name: float(number) * UNITS[unit] for name, number, unit in rows}

    def measure(self, run, *arguments):
        self.good(*arguments)
        with open(self.path(run, 'metrics.jsonl'), encoding='utf-8') as file:
            return max(json.loads(line).get('memory/peak-bytes', 0) for line in file)

    def check(self, run, model, *more):
        """The peak, which the estimate is near: within a tenth, or what the program's own heap varies by where that is more"""
        arguments = self.arguments(model, run, *more)
        said = self.estimate(*arguments)
        peak = self.measure(run, *arguments)
        self.assertLess(abs(said['at its peak, about'] - peak), max(0.1 * peak, 4e6), '%r, and %d was measured' % (said, peak))
        return peak, said

    def weights(self, run):
        with open(self.path(run, 'final', 'pytorch_lora_weights.safetensors'), 'rb') as file:
            return file.read()

    def test_tiny(self):
        self.check('lora', TINY)
        _, said = self.check('full', TINY, '--weights', 'full')
        self.assertEqual(said['frozen copy for the KL'], said['denoiser'])

    def test_emoji_and_segments(self):
        plain, said = self.check('plain', EMOJI, *EMOJI_RUN)
        less, said_less = self.check('less', EMOJI, *EMOJI_RUN, '--segments')
        self.assertLess(less, 0.8 * plain)
        self.assertLess(said_less['activations'], 0.6 * said['activations'])
        self.assertEqual(self.weights('plain'), self.weights('less'))

    def test_emoji_in_full(self):
        self.check('full', EMOJI, *EMOJI_RUN, '--weights', 'full', '--micro-batch', '8', '--value-refresh',
                   '--ring-size', '512')


if __name__ == '__main__':
    sys.exit(cli.main())
