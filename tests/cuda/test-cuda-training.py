#!/usr/bin/env python3
"""test-cuda-training.py - a run on the emulated device: its numbers are the reference engine's, its errors one sentence"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))
import cli  # noqa: E402 pylint: disable=wrong-import-position

TINY = os.path.join(cli.TESTS, 'data', 'tiny-model')
# The emulated device is slow
QUICK = ['--steps', '2', '--pool-size', '16', '--value-fit-updates', '2', '--batch-size', '4', '--states-per-update', '4',
         '--policy-updates', '1', '--evaluation-seeds', '2', '--sampler-steps', '2', '--value-batch', '4',
         '--value-channels', '8', '--warm-up', '0', '--learning-rate', '0.01', '--q-min', '-1', '--w-max', '1000000']
# Training amplifies the last bits of single precision; these are means over a step
CLOSE = 1e-3


class Training(cli.CliTest):
    def arguments(self, run, engine, *more):
        return ['train', '--model', TINY, '--reward', 'colorfulness', '--run', run, *QUICK,
                '--engine', engine, *more]

    def read(self, *names):
        with open(self.path(*names), encoding='utf-8') as file:
            return file.read()

    def metrics(self, run):
        return [json.loads(line) for line in self.read(run, 'metrics.jsonl').splitlines()]

    def test_same_numbers(self):
        for engine in 'reference', 'cuda':
            self.good(*self.arguments(engine, engine))
        self.assertIn('Emulated device', json.loads(self.read('cuda', 'run.json'))['engine'])
        compared = 0
        for ours, theirs in zip(self.metrics('cuda'), self.metrics('reference'), strict=True):
            self.assertEqual(set(ours), set(theirs))
            for name in ours:
                if name.startswith(('reward/', 'kl/', 'value/loss', 'policy/', 'grad-norm', 'evaluation/reward/',
                                    'evaluation/kl/')):
                    compared += 1
                    self.assertAlmostEqual(ours[name], theirs[name], delta=CLOSE * max(1, abs(theirs[name])), msg=name)
        self.assertGreater(compared, 20)
        # what a device trained belongs to no engine
        self.good('sample', 'cuda', '--engine', 'cpu', '--prompt', 'cat', '-o', 'pictures')
        self.assertIn('000-cat-0.png', os.listdir(self.path('pictures')))

    def test_starts_as_its_reference(self):
        """Before anything was learnt policy and reference are the same to the last bit, however their steps are joined"""
        for name, more in ('lora', []), ('segments', ['--segments']), ('full', ['--weights', 'full']):
            for precision in 'fp32', 'bf16':
                run = name + precision
                self.good(*self.arguments(run, 'cuda:precision=' + precision, '--steps', '1', *more))
                steps = [line['kl/trajectory'] for line in self.metrics(run) if 'kl/trajectory' in line]
                self.assertEqual(steps, [0, 0], run)

    def test_full_weights(self):
        self.good(*self.arguments('run', 'cuda:precision=bf16', '--weights', 'full', '--steps', '1'))
        self.assertIn('bf16 products', json.loads(self.read('run', 'run.json'))['engine'])
        self.good('sample', '--model', 'run/final/model', '--engine', 'cpu', '--prompt', 'cat', '-o', 'pictures')

    def test_lost_device(self):
        done = self.vard(*self.arguments('run', 'cuda'), env={'VARD_FAKE_CUDA': 'lost=1000'})
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('Emulated device was lost while', done.stderr)
        self.assertEqual(json.loads(self.read('run', 'state.json'))['state'], 'failed')

    def test_too_little_memory(self):
        self.bad(1, ['Emulated device has too little memory', 'GB more are needed', '--micro-batch'],
                 'sample', '--model', TINY, '--prompt', 'cat', '--engine', 'cuda',
                 env={'VARD_FAKE_CUDA': 'memory=33600000'})

    def size(self, said, what):
        """Bytes of a line of --dry-run"""
        value, unit = re.search(what + r' +([\d.]+).(k|M|G)B', said).groups()
        return float(value) * {'k': 1e3, 'M': 1e6, 'G': 1e9}[unit]

    def test_run_that_does_not_fit(self):
        """Said before it starts; what is said to be enough is enough"""
        for name, more in ('lora', []), ('bf16', ['--segments']), ('full', ['--weights', 'full']):
            engine = 'cuda:precision=bf16' if name == 'bf16' else 'cuda'
            arguments = self.arguments(name, engine, '--steps', '1', *more)
            said = self.good(*arguments, '--dry-run').stdout
            library, needed = (self.size(said, what) for what in ('matrix library', "in all, beside the driver's own"))
            rooms = [int(library + share * (needed - library)) for share in (0.9, 1.1)]
            self.bad(3, ["training takes", "are free", 'micro-batch 1', 'Emulated device'] + ['segments'] * (name != 'bf16')
                     + ['weights lora'] * (name == 'full'), *arguments, env={'VARD_FAKE_CUDA': f'memory={rooms[0]}'})
            self.assertFalse(os.path.exists(self.path(name)))
            self.good(*arguments, env={'VARD_FAKE_CUDA': f'memory={rooms[1]}'})

    def test_old_driver(self):
        self.bad(3, ["NVIDIA's driver is too old", '11.4', '12.0'], *self.arguments('run', 'cuda'),
                 env={'VARD_FAKE_CUDA': 'old-driver'})

    def test_no_device(self):
        self.bad(3, ['this machine has no NVIDIA device'], *self.arguments('run', 'cuda'), env={'VARD_FAKE_CUDA': 'no-device'})

    def test_no_cudnn(self):
        """Missing where it runs, or when the engine was built: said, and done without"""
        libraries, here = os.environ['VARD_CUDA_LIBRARIES'], self.path('libraries')
        os.mkdir(here)
        for name in os.listdir(libraries):
            if name.startswith('lib') and 'cudnn' not in name and '.so' in name and not os.path.isdir(os.path.join(libraries, name)):
                os.symlink(os.path.join(libraries, name), os.path.join(here, name))
        env = {'VARD_CUDA_LIBRARIES': here, 'VARD_TRACE': self.path('trace.json')}
        self.assertRegex(self.good('inspect', 'engine:cuda', env=env).stdout, 'no libcudnn.so.9|built without cuDNN')
        self.good('sample', '--model', TINY, '--prompt', 'cat', '--engine', 'cuda', '-o', 'pictures', env=env)
        self.assertIn('"conv2d/patches-fp32', self.read('trace.json'))
        self.assertNotIn('cudnn', self.read('trace.json'))

    def test_inspect(self):
        self.assertIn('Emulated device', self.good('inspect', 'engine:cuda').stdout)


if __name__ == '__main__':
    sys.exit(cli.main())
