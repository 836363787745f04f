#!/usr/bin/env python3
"""test-algorithm.py - an algorithm that the library does not know: trained, resumed, exported and shown
by the same commands"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import re
import shutil
import struct
import sys

import cli

TINY = os.path.join(cli.TESTS, 'data', 'tiny-model')
QUICK = ['--steps', '4', '--pool-size', '16', '--batch-size', '4', '--evaluation-seeds', '2', '--sampler-steps', '3',
         '--checkpoint-interval', '2', '--threads', '1', '--keep-checkpoints', '0']


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def read_state(path):
    """The numbers of a checkpoint, in their order"""
    data = read(path)
    length = struct.unpack('<Q', data[:8])[0]
    return json.loads(json.loads(data[8:8 + length])['__metadata__']['vard_state'])


class Algorithm(cli.CliTest):
    def train(self, run, *more):
        return ['train', '--algorithm', 'random-search', '--model', TINY, '--reward', 'colorfulness', '--run', run,
                *QUICK, *more]

    def metrics(self, run):
        lines = [json.loads(line) for line in read(self.path(run, 'metrics.jsonl')).splitlines()]
        return [(line['step'], line.get('search/place'), line.get('reward/mean')) for line in lines
                if 'search/place' in line]

    def test_run(self):
        done = self.good(*self.train('run'))
        self.assertRegex(done.stdout.splitlines()[3], r'^reward \S+ \S+ \S+ \(\S+ sd\)')
        settings = json.loads(read(self.path('run/run.json')))['settings']
        self.assertEqual(settings['algorithm'], 'random-search')
        self.assertEqual(settings['pool-size'], 16)
        self.assertEqual(settings['radius'], 0.1)
        self.assertNotIn('kl-weight', settings)
        self.assertEqual([m[0] for m in self.metrics('run')], [0, 1, 2, 3, 4])
        self.assertEqual(sorted(os.listdir(self.path('run/final'))),
                         ['COMPLETE', 'lora-kohya.safetensors', 'place.txt', 'pytorch_lora_weights.safetensors'])
        state = read_state(self.path('run/checkpoints/step-000002/trainer.safetensors'))
        self.assertEqual(list(state)[:3], ['format', 'algorithm', 'phase'])
        self.assertEqual(state['algorithm'], 'random-search')
        self.assertEqual(state['phase'], 'step')

    def test_dry_run(self):
        """The algorithm says what it costs, and rows of another one are left out"""
        text = self.good(*self.train('run', '--dry-run')).stdout
        work = text[text.index('Work\n'):text.index('Memory\n')].splitlines()
        self.assertEqual(work[1], '  4 steps, each of 4 trajectories of 3 denoising steps')
        self.assertEqual(work[2], '  first 16 pictures of the base model')
        self.assertRegex(work[4], r'^  \d+ reward calls: 16 for the pool, 16 in training, \d+ in evaluations$')
        evaluated = int(re.search(r'(\d+) in evaluations', work[4])[1])
        self.assertTrue(work[4].startswith(f'  {16 + 16 + evaluated} reward calls'))
        # pictures of 3 denoising steps, and no update of the policy
        self.assertRegex(text, rf'on this machine: {3 * (16 + 16 + evaluated)} denoiser evaluations')
        for word in ('value', 'ring', '--pool-size', 'policy', 'pool of trajectories'):
            self.assertNotIn(word, text[text.index('Work\n'):])
        self.assertRegex(text, r"gradients and Adam's moments +[1-9]")
        self.assertEqual(self.tree(), [])
        vard = self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'vard', *QUICK, '--dry-run').stdout
        self.assertRegex(vard, r'pool of trajectories +\S+.*--pool-size lowers it')

    def test_resume(self):
        """2 steps, a new process, 2 more: the same bits as 4 at once"""
        self.good(*self.train('whole', '--radius', '0.5'))
        shutil.copytree(self.path('whole'), self.path('half'))
        for name in ('checkpoints/step-000004', 'final', 'samples/step-000004'):
            shutil.rmtree(self.path('half', name))
        self.good('resume', 'half')
        for name in ('place.txt', 'pytorch_lora_weights.safetensors'):
            self.assertEqual(read(self.path('whole/final', name)), read(self.path('half/final', name)))
        self.assertEqual(self.metrics('whole'), self.metrics('half'))
        self.bad(2, ['cannot change algorithm'], 'resume', 'half', '--algorithm', 'vard')
        self.bad(2, ['cannot change radius'], 'resume', 'half', '--radius', '1')

    def test_other_commands(self):
        self.good(*self.train('run'))
        self.good('sample', 'run', '--prompt', 'cat', '-o', 'pictures')
        self.assertIn('reward/mean', json.loads(self.good('evaluate', 'run', '--json').stdout))
        self.good('export', 'run', '--format', 'diffusers', '-o', 'lora.safetensors')
        header = read(self.path('lora.safetensors'))
        metadata = json.loads(header[8:8 + struct.unpack('<Q', header[:8])[0]])['__metadata__']
        self.assertEqual(metadata['vard_algorithm'], 'random-search')

    def test_other_checkpoint(self):
        """A checkpoint of another algorithm is refused by name"""
        self.good(*self.train('run'))
        record = json.loads(read(self.path('run/run.json')))
        record['settings'] = {name: value for name, value in record['settings'].items() if name != 'radius'}
        record['settings']['algorithm'] = 'vard'
        self.write('run/run.json', json.dumps(record))
        done = self.vard('resume', 'run')
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn('written by the algorithm random-search, and this run uses vard', done.stderr)

    def test_metrics(self):
        """What an algorithm reports is in the table of metrics"""
        self.assertIn('search/place', self.good('inspect', 'metrics').stdout)

    def test_wrong_names(self):
        self.bad(2, ['no algorithm "random-serch"', 'did you mean "random-search"?'],
                 *self.train('run', '--algorithm', 'random-serch'))
        self.bad(2, ['kl-weight is a setting of the algorithm vard', 'this run uses random-search'],
                 *self.train('run', '--kl-weight', '1'))

    def test_help(self):
        """A section for each algorithm; a name that two have is in both"""
        text = self.good('train', '--help').stdout
        self.assertIn('The algorithm vard', text)
        self.assertIn('The algorithm random-search', text)
        self.assertEqual(text.count('--pool-size N'), 2)
        self.assertIn('--radius X', text)
        self.bad(2, ['pool-size'], *self.train('run', '--pool-size', '15'))


if __name__ == '__main__':
    sys.exit(cli.main())
