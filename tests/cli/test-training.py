#!/usr/bin/env python3
"""test-training.py - a run is trained, stopped, killed, resumed, and ends with the same bits"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time

import cli

TINY = os.path.join(cli.TESTS, 'data', 'tiny-model')
# What depends on the clock and the machine, and not on the training
CLOCKS = ('time', 'images-per-second', 'memory/', 'seconds/', 'evaluation/seconds/')


def read(path):
    with open(path, 'rb') as file:
        return file.read()


class Training(cli.CliTest):
    def arguments(self, run='run', *more):
        return ['train', '--model', TINY, '--reward', 'colorfulness', '--run', run, *cli.QUICK, *more]

    def start(self, *arguments, before=None):
        return subprocess.Popen([cli.VARD, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                cwd=self.folder, stdin=subprocess.DEVNULL, preexec_fn=before)

    def state(self, run='run'):
        return json.loads(read(self.path(run, 'state.json')))

    def metrics(self, run='run'):
        lines = [json.loads(line) for line in read(self.path(run, 'metrics.jsonl')).splitlines()]
        return [{k: v for k, v in line.items() if not k.startswith(CLOCKS)} for line in lines]

    def steps(self, run='run'):
        """The lines of steps, without those of evaluations"""
        return [line for line in self.metrics(run) if not any(name.startswith('evaluation/') for name in line)]

    def same_end(self, a, b):
        """Two runs ended with the same weights, the same numbers and the same pictures"""
        names = [n for n in self.tree(self.path(a, 'final')) if n.endswith('.safetensors')]
        self.assertTrue(names)
        for name in names:
            self.assertEqual(read(self.path(a, 'final', name)), read(self.path(b, 'final', name)), name)
        self.assertEqual(self.metrics(a), self.metrics(b))
        self.assertEqual(read(self.path(a, 'samples/step-000004/grid.png')),
                         read(self.path(b, 'samples/step-000004/grid.png')))

    def no_leftovers(self):
        self.assertEqual([p for p in self.tree() if os.path.basename(p).startswith('.') or p.endswith('.tmp')], [])

    def wait_for(self, process, *names):
        """Until a path exists or the process ends"""
        while process.poll() is None and not os.path.exists(self.path(*names)):
            time.sleep(0.005)


class Whole(Training):
    def test_folder(self):
        done = self.good(*self.arguments())
        said = done.stdout.splitlines()
        self.assertEqual(said[0].split(), ['run', os.path.realpath(self.path('run'))])
        for line, step in zip(said[1:3], ('000000', '000004')):
            self.assertTrue(os.path.exists(line.split()[1]))
            self.assertIn('samples/step-' + step + '/grid.png', line)
        self.assertRegex(said[3], r'^reward \S+ \S+ \S+ \(\S+ sd\), KL \S+ nats per trajectory, '
                                  r'\d+ % of the diversity kept, \d+ reward calls, .*s$')
        record = json.loads(read(self.path('run/run.json')))
        self.assertEqual(record['settings']['rewards'], ['colorfulness'])
        self.assertEqual([p['name'] for p in record['plugins']], ['cpu', 'colorfulness'])
        self.assertEqual(len(record['model']['hash']), 64)
        self.assertEqual([m['step'] for m in self.metrics()], [0, 0, 1, 2, 3, 4, 4])
        self.assertEqual([m['step'] for m in self.steps()], [0, 1, 2, 3, 4])
        self.assertEqual(self.state()['state'], 'finished')
        self.assertEqual(self.state()['step'], 4)
        self.assertIn('pytorch_lora_weights.safetensors', os.listdir(self.path('run/final')))
        pictures = json.loads(read(self.path('run/samples/step-000004/samples.json')))['pictures']
        self.assertEqual(len(pictures), 8)
        self.assertTrue(all(os.path.exists(self.path('run/samples/step-000004', p['file'])) for p in pictures))
        self.no_leftovers()

    def test_kl_begins_at_zero_and_weights_move(self):
        self.good(*self.arguments())
        kl = [m['kl/trajectory'] for m in self.steps()]
        self.assertEqual(kl[0], 0)
        self.assertGreater(kl[-1], 0)

    def test_useless_value_network(self):
        """What is trusted nowhere changes nothing, and the person is told so"""
        done = self.good(*self.arguments('run', '--q-min', '1'))
        self.assertIn('q-min is 1', done.stderr)
        self.assertIn('q-min is 1', read(self.path('run/log.txt')).decode())
        self.assertEqual(self.steps()[-1]['kl/trajectory'], 0)

    def test_repeats(self):
        self.good(*self.arguments('a'))
        self.good(*self.arguments('b'))
        self.same_end('a', 'b')

    def test_settings_file(self):
        self.write('c.json', json.dumps({'model': TINY, 'rewards': ['colorfulness'], 'steps': 400}))
        self.good('train', 'c.json', '--run', 'run', *cli.QUICK)
        self.assertEqual(self.state()['step'], 4)

    def test_full_weights(self):
        self.good(*self.arguments('run', '--weights', 'full', '--learning-rate', '0.001'))
        self.assertIn('model_index.json', os.listdir(self.path('run/final')) +
                      [n for _, _, names in os.walk(self.path('run/final')) for n in names])

    def test_keep_checkpoints(self):
        self.good(*self.arguments('run', '--checkpoint-interval', '1', '--keep-checkpoints', '2'))
        self.assertEqual(sorted(os.listdir(self.path('run/checkpoints'))), ['step-000003', 'step-000004'])

    def test_dry_run(self):
        text = self.good(*self.arguments('run', '--dry-run')).stdout
        for word in ('Work', 'Memory', 'Disk', 'Time', 'reward calls', '"kl-weight": 0.03'):
            self.assertIn(word, text)
        self.assertEqual(self.tree(), [])

    def test_dry_run_of_rewards(self):
        """Their weights are opened and their servers greeted, so that a run that would not start is not promised"""
        self.bad(2, ['the reward hps failed to prepare: no weights'], *self.arguments('run', '--dry-run', '--reward', 'hps'))
        done = self.vard(*self.arguments('run', '--dry-run', '--reward', 'remote:url=http://127.0.0.1:9,retries=0'))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn('the reward remote failed to prepare: http://127.0.0.1:9/health', done.stderr.splitlines()[-1])
        done = self.good(*self.arguments('run', '--dry-run', '--reward', 'hps:policy=monitor-only'))
        self.assertIn('vard: hps: the reward hps failed to prepare: no weights', done.stderr)
        self.assertIn('policy=monitor-only continues', done.stderr)

    def test_long_run(self):
        """What takes days says so before it starts; a quick one does not"""
        lasts = ['--steps', '1000000', '--batch-size', '1000', '--sampler-steps', '100']
        text = self.good(*self.arguments('run', '--dry-run', *lasts)).stdout
        self.assertRegex(text, r'would take about [\d.]+ days on this machine: \d+ denoiser evaluations')
        self.assertEqual(self.tree(), [])
        with subprocess.Popen([cli.VARD, *self.arguments('run', *lasts)], cwd=self.folder, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
            first = run.stderr.readline()
            run.kill()
        self.assertRegex(first, r'^training would take about [\d.]+ days on this machine: .* lower --steps')
        self.assertNotIn('would take', self.good(*self.arguments('quick')).stderr)

    def test_size(self):
        """A run of wider pictures samples wider ones, and resumes"""
        wide = ['--width', '48', '--height', '32']
        self.good(*self.arguments('run', *wide, '--steps', '2'))
        self.good('sample', 'run', '--prompt', 'cat', '-o', 'wide')
        self.good('sample', 'run', '--prompt', 'cat', '-o', 'narrow', '--width', '16')
        for name, size in ('wide', (48, 32)), ('narrow', (16, 32)):
            self.assertEqual(struct.unpack('>II', read(self.path(name, '000-cat-0.png'))[16:24]), size)
        self.good('resume', 'run', '--steps', '3')
        self.bad(2, ['width', '501', 'multiple of 2'], *self.arguments('other', '--width', '501'))
        self.bad(2, ['cannot change width'], 'resume', 'run', '--width', '64')

    def test_sample_of_a_run(self):
        self.good(*self.arguments())
        self.good('sample', 'run', '--prompt', 'cat', '--seed', '1', '-o', 'tuned')
        self.good('sample', '--model', TINY, '--prompt', 'cat', '--seed', '1', '--steps', '3', '--guidance-scale', '1',
                  '-o', 'base')
        base, tuned = (read(self.path(f, '000-cat-1.png')) for f in ('base', 'tuned'))
        self.assertNotEqual(base, tuned)
        self.good('sample', 'run', '--checkpoint', '2', '--prompt', 'cat', '--seed', '1', '-o', 'earlier')
        self.assertNotEqual(read(self.path('earlier', '000-cat-1.png')), tuned)
        self.bad(3, ['step 3'], 'sample', 'run', '--checkpoint', '3', '--prompt', 'cat', '-o', 'none')

    def test_sample_of_an_average(self):
        """A run with ema shows the weights that it is evaluated with and exports"""
        self.good(*self.arguments('run', '--weights', 'full', '--ema', '0.9'))
        self.good('sample', 'run', '--prompt', 'cat', '--seed', '1', '-o', 'run-pictures')
        self.good('sample', '--model', 'run/final/model', '--prompt', 'cat', '--seed', '1', '--steps', '3',
                  '--guidance-scale', '1', '-o', 'final-pictures')
        pictures = [read(self.path(f, '000-cat-1.png')) for f in ('run-pictures', 'final-pictures')]
        self.assertEqual(*(data[data.index(b'IDAT'):] for data in pictures))
        self.good('export', 'run', '--format', 'merged-folder', '-o', 'newest')
        self.good('export', 'run', '--format', 'merged-folder', '--checkpoint', '4', '-o', 'fourth')
        weights = [read(self.path(f, 'unet', 'diffusion_pytorch_model.safetensors')) for f in ('newest', 'fourth')]
        self.assertEqual(*(data[-100000:] for data in weights))

    def test_evaluate(self):
        self.good(*self.arguments())
        before = self.tree()
        seen = json.loads(self.good('evaluate', 'run', '--json').stdout)
        told = json.loads(read(self.path('run/samples/step-000004/samples.json')))['metrics']
        for name in ('reward/mean', 'diversity/pairwise', 'kl/trajectory'):
            self.assertEqual(seen[name], told[name])
        base = json.loads(self.good('evaluate', 'run', '--json', '--checkpoint', '2').stdout)
        self.assertNotEqual(base['kl/trajectory'], seen['kl/trajectory'])
        self.assertEqual(self.tree(), before)


class Resume(Training):
    def test_exact(self):
        """4 steps at once, and 2, a new process, 2 more: the same bits"""
        self.good(*self.arguments('whole'))
        shutil.copytree(self.path('whole'), self.path('half'))
        shutil.rmtree(self.path('half/checkpoints/step-000004'))
        shutil.rmtree(self.path('half/final'))
        shutil.rmtree(self.path('half/samples/step-000004'))
        self.good('resume', 'half')
        self.same_end('whole', 'half')
        self.assertIn('"step":4', read(self.path('half/log.txt')).decode())

    def test_torn_checkpoint(self):
        """The newest checkpoint lost its end: the one before it serves"""
        self.good(*self.arguments('whole'))
        shutil.copytree(self.path('whole'), self.path('torn'))
        path = self.path('torn/checkpoints/step-000004/trainer.safetensors')
        os.truncate(path, os.path.getsize(path) - 1)
        self.good('resume', 'torn')
        self.same_end('whole', 'torn')

    def test_more_steps(self):
        self.good(*self.arguments())
        self.good('resume', 'run', '--steps', '5')
        self.assertEqual(self.state()['step'], 5)
        last = json.loads(read(self.path('run/resumes.jsonl')).splitlines()[-1])
        self.assertEqual(last['changed'], {'steps': 5})
        self.assertEqual([m['step'] for m in self.metrics()], [0, 0, 1, 2, 3, 4, 4, 5, 5])

    def test_lost_metrics(self):
        """metrics.jsonl is shorter than the checkpoint knows: the resume says so with both numbers and goes on"""
        self.good(*self.arguments())
        path = self.path('run/metrics.jsonl')
        knows = int(read(self.path('run/checkpoints/step-000004/metrics-size')))
        lines = read(path).splitlines(keepends=True)
        self.assertEqual(knows, sum(map(len, lines)))
        self.write('run/metrics.jsonl', b''.join(lines[:3]))
        done = self.good('resume', 'run', '--steps', '5')
        said = 'metrics.jsonl has %d bytes, but the checkpoint counts %d' % (sum(map(len, lines[:3])), knows)
        self.assertIn(said, read(self.path('run/log.txt')).decode())
        self.assertIn(said, done.stderr)
        self.assertEqual([m['step'] for m in self.metrics()], [0, 0, 1, 5, 5])

    def test_another_run(self):
        self.good(*self.arguments())
        self.bad(2, ['kl-weight'], 'resume', 'run', '--kl-weight', '1')

    def test_another_model(self):
        shutil.copytree(TINY, self.path('model'))
        self.good('train', '--model', 'model', '--reward', 'colorfulness', '--run', 'run', *cli.QUICK)
        name = 'model/unet/diffusion_pytorch_model.safetensors'
        data = bytearray(read(self.path(name)))
        data[-1] ^= 1
        self.write(name, bytes(data))
        self.bad(3, ['hash'], 'resume', 'run')

    def test_busy(self):
        process = self.start(*self.arguments('run', '--steps', '4000'))
        self.wait_for(process, 'run', 'samples', 'step-000000')
        done = self.vard('resume', 'run')
        process.kill()
        process.communicate()
        self.assertEqual(done.returncode, 3)
        self.assertIn(str(process.pid), done.stderr)


class Killed(Training):
    def listed(self):
        return {r['name']: r['state'] for r in json.loads(self.good('runs', '--json', '.').stdout)}

    def test_kill_anywhere(self):
        """kill -9 at many moments; a resume always ends with the bits of a run that nobody killed"""
        self.good(*self.arguments('whole'))
        for i, moment in enumerate((('state.json',), ('samples', 'step-000000'), ('checkpoints', 'step-000002'),
                                    ('checkpoints', '.step-000004.new'), ('final', 'COMPLETE'))):
            run = 'run-%d' % i
            process = self.start(*self.arguments(run))
            self.wait_for(process, run, *moment)
            process.kill()
            process.communicate()
            if not os.path.exists(self.path(run, 'run.json')):
                continue
            self.assertIn(self.listed()[run], ('interrupted', 'finished'))
            self.good('resume', run)
            self.same_end('whole', run)

    def test_interrupt_once(self):
        self.good(*self.arguments('whole', '--steps', '40'))
        process = self.start(*self.arguments('run', '--steps', '40'))
        self.wait_for(process, 'run', 'checkpoints', 'step-000002')
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
        if process.returncode == 0:
            self.skipTest('it was too quick')
        self.assertEqual(process.returncode, 130, said)
        self.assertEqual(self.state()['state'], 'cancelled')
        self.assertIn('step-%06d' % self.state()['step'], os.listdir(self.path('run/checkpoints')))
        self.no_leftovers()
        self.good('resume', 'run')
        self.assertEqual(read(self.path('run/final/pytorch_lora_weights.safetensors')),
                         read(self.path('whole/final/pytorch_lora_weights.safetensors')))

    def test_interrupt_anytime(self):
        for delay in (0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5):
            run = 'run-%g' % delay
            process = self.start(*self.arguments(run, '--steps', '400'))
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1]
            # Before the program's first line there is nobody to catch a signal
            self.assertIn(process.returncode, (130, -signal.SIGINT), said)
            self.no_leftovers()
            if os.path.exists(self.path(run)):
                self.assertIn(self.listed()[run], ('cancelled', 'interrupted'))


class FullDisk(Training):
    def limited(self, size):
        """A limit on the size of a file stands in for a full disk"""
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    def test_checkpoint(self):
        self.good(*self.arguments('run'))
        process = self.start('resume', 'run', '--steps', '6', before=self.limited(20000))
        said = process.communicate()[1]
        self.assertEqual(process.returncode, 1, said)
        self.assertIn('checkpoints', said.splitlines()[-1])
        self.assertEqual(self.state()['state'], 'failed')
        self.no_leftovers()
        self.good('resume', 'run', '--steps', '6')
        self.assertEqual(self.state()['step'], 6)

    def test_small_disk(self):
        """A disk of 400 kB: the message names the place and how much is free"""
        disk = self.path('disk')
        os.mkdir(disk)
        script = 'mount -t tmpfs -o size=400k none "$1" && shift && "$@"'
        probe = subprocess.run(['unshare', '-rm', 'sh', '-c', script, 'sh', disk, 'true'], capture_output=True,
                               check=False)
        if probe.returncode != 0:
            self.skipTest('no name space of mounts here')
        command = ['unshare', '-rm', 'sh', '-c', script + '; echo left: $(find disk -name ".*.new")', 'sh', disk,
                   cli.VARD, *self.arguments('disk/run', '--pool-size', '256', '--quiet')]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertIn('no space left for ' + os.path.realpath(disk), done.stderr)
        self.assertIn('free)', done.stderr)
        self.assertEqual(done.stdout, 'left:\n')


if __name__ == '__main__':
    if shutil.which('unshare') is None:
        del FullDisk.test_small_disk
    sys.exit(cli.main())
