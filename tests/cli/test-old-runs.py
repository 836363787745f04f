#!/usr/bin/env python3
"""test-old-runs.py - runs that an earlier vard left are sampled, evaluated, exported and resumed as it would have done

data/old-runs has the runs and what the earlier vard made of them (data/make-old-runs.py). Where compiler, processor
and C library are those of that time, every bit has to be the same; elsewhere numbers are compared within a tolerance.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import shutil
import sys
import tarfile

import cli
import oldruns

DATA = os.path.join(cli.TESTS, 'data')
EXPECTED = json.loads(oldruns.read(os.path.join(DATA, 'old-runs/expected.json')))
IS_SAME_PLACE = oldruns.place() == EXPECTED['place']
# Sums in another order change no number by more than 0.001: convolutions by gemm, or by Winograd's algorithm
TOLERANCE = 0.01


class OldRuns(cli.CliTest):
    def setUp(self):
        super().setUp()
        shutil.copytree(os.path.join(DATA, 'tiny-model'), self.path('model'))
        with tarfile.open(os.path.join(DATA, 'old-runs/runs.tar.xz')) as archive:
            archive.extractall(self.folder)

    def close(self, found, expected, what, unit=1.0):
        if IS_SAME_PLACE:
            self.assertEqual(found, expected, what)
        else:
            self.assertLessEqual(abs(found - expected), TOLERANCE * max(abs(expected), unit), what)

    def same_files(self, found, expected, what):
        self.assertEqual(sorted(found), sorted(expected), what)
        for name, file in expected.items():
            self.close(found[name]['norm'], file['norm'], '%s: %s' % (what, name), 0)
            if IS_SAME_PLACE:
                self.assertEqual(found[name]['hash'], file['hash'], '%s: %s' % (what, name))

    def same_numbers(self, found, expected, what):
        """A later vard may say more, but what the earlier one said has to be there"""
        for name, value in expected.items():
            self.assertIn(name, found, what)
            if name.startswith('value/r2/') and not IS_SAME_PLACE:
                continue
            self.close(found[name], value, '%s: %s' % (what, name))

    def same_facts(self, found, expected, what):
        for i, value in enumerate(expected['sample']['latents']):
            self.close(found['sample']['latents'][i], value, '%s: latent %d' % (what, i))
        if IS_SAME_PLACE:
            self.assertEqual(found['sample']['picture'], expected['sample']['picture'], what)
        self.same_numbers(found['evaluation'], expected['evaluation'], what + ', evaluation')
        self.same_files(found['export'], expected['export'], what + ', export')

    def run_again(self, name):
        run = oldruns.OldRun([cli.VARD], self.folder, name)
        expected = EXPECTED['runs'][name]
        self.same_facts(run.facts('before'), expected['before'], 'at the checkpoint')
        resumed = run.resume()
        self.assertEqual(json.loads(oldruns.read(self.path(name, 'state.json')))['state'], 'finished')
        lines = [line for line in resumed['metrics'] if 'reward-calls' in line]
        self.assertEqual([line['step'] for line in lines], [0, 1, 2, 3, 4])
        for line, old in zip(lines, expected['resumed']['metrics']):
            self.same_numbers(line, old, 'metrics of step %d' % old['step'])
        self.same_files(resumed['final'], expected['resumed']['final'], 'final')
        self.same_facts(run.facts('after'), expected['after'], 'at the end')

    def test_lora(self):
        self.run_again('lora')

    def test_full_with_average(self):
        self.run_again('full')

    def test_running_whitening_with_refresh(self):
        self.run_again('running')


if __name__ == '__main__':
    sys.exit(cli.main())
