#!/usr/bin/env python3
"""test-control.py - a run that trains is paused, asked for things, stopped; each within two seconds, and its bits stay"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import shutil
import signal
import subprocess
import sys
import time

# in memory where that can be: to flush files to a disk takes longer than all else here
if os.access('/dev/shm', os.W_OK):
    os.environ.setdefault('TMPDIR', '/dev/shm')

import cli  # pylint: disable=wrong-import-position

TINY = os.path.join(cli.TESTS, 'data', 'tiny-model')
# Long enough to be asked for something in every phase, and to be no longer than a few seconds
RUN = ['--steps', '60', '--pool-size', '64', '--value-fit-updates', '200', '--sample-interval', '0',
       '--checkpoint-interval', '0', '--decay-steps', '60']
PHASES = ['pool', 'value-fit', 'evaluation', 'step']
ADAPTER = 'final/pytorch_lora_weights.safetensors'
# Seconds within which a request has to be taken, beside what it takes to start a program on a busy machine
PROMPT = 2
PATIENCE = 60


def read(path):
    with open(path, 'rb') as file:
        return file.read()


class Control(cli.CliTest):
    def start(self, run='run', *more):
        process = subprocess.Popen([cli.VARD, 'train', '--model', TINY, '--reward', 'colorfulness', '--run', run,
                                    *cli.QUICK, *RUN, *more], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   cwd=self.folder, stdin=subprocess.DEVNULL)
        self.addCleanup(self.end, process)
        self.wait_until(lambda: process.poll() is not None or os.path.exists(self.path(run, 'control')))
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def finish(self, process, code=0):
        said = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, code, said)
        return said

    def wait_until(self, truth):
        deadline = time.monotonic() + PATIENCE
        while not truth():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)

    def state(self, run='run'):
        return json.loads(read(self.path(run, 'state.json')))

    def log(self, run='run'):
        return read(self.path(run, 'log.txt')).decode()

    def wait_for_state(self, state, run='run'):
        self.wait_until(lambda: self.state(run)['state'] == state)

    def wait_for_phase(self, phase, run='run'):
        """Or for a later one: a fast machine may be through with a short phase before it is seen"""
        self.wait_until(lambda: self.state(run).get('phase') in PHASES[PHASES.index(phase):])

    def control(self, *words, run='run', code=0):
        """Each is taken in time: what the run says of it is what counts, the program has to start too"""
        began = time.monotonic()
        done = self.vard('control', run, *words)
        spent = time.monotonic() - began
        self.assertEqual(done.returncode, code, done.stderr)
        if code == 0 and '--wait' not in words:
            self.assertLess(spent, PROMPT * len(words) + 1)
        return done

    def pause(self, run='run'):
        self.control('pause', '--wait', run=run)
        self.wait_for_state('paused', run)

    def same_end(self, a, b):
        self.assertEqual(read(self.path(a, ADAPTER)), read(self.path(b, ADAPTER)))
        clocks = ('time', 'seconds/', 'memory/', 'images-per')
        lines = [[{k: v for k, v in json.loads(line).items()
                   if not k.removeprefix('evaluation/').startswith(clocks)}
                  for line in read(self.path(run, 'metrics.jsonl')).splitlines()] for run in (a, b)]
        self.assertEqual(*lines)
        self.assertEqual(read(self.path(a, 'samples/step-000060/grid.png')),
                         read(self.path(b, 'samples/step-000060/grid.png')))

    def clean(self, run='run'):
        self.assertEqual(os.listdir(self.path(run, 'control')), [])


class Live(Control):
    def test_everything_and_the_same_bits(self):
        """Asked for all that does not end it, in every phase, a run ends with the bits of one that was left alone"""
        longer = ('--pool-size', '192', '--value-fit-updates', '1000', '--policy-updates', '12')
        self.finish(self.start('plain', *longer))
        process = self.start('run', *longer)
        for phase in 'pool', 'value-fit', 'step':
            self.wait_for_phase(phase)
            self.pause()
            taken = self.control('sample', 'checkpoint', '--wait').stdout
            self.assertEqual(taken, 'sample: done\ncheckpoint: done\n')
            step = self.state()['step']
            self.assertIn('grid.png', os.listdir(self.path('run/samples/step-%06d' % step)))
            self.assertIn('COMPLETE', os.listdir(self.path('run/checkpoints/step-%06d' % step)))
            self.assertEqual(self.control('continue').stdout, 'continue: taken\n')
        self.control('checkpoint')
        self.control('sample')
        self.finish(process)
        self.same_end('plain', 'run')
        self.clean()
        for words in ('request pause: pauses after step 0', 'request continue: continues after step 0',
                      'request sample: wrote pictures of step 0', 'request checkpoint: wrote a checkpoint of step 0'):
            self.assertIn(words, self.log())

    def test_heart_beats_while_paused(self):
        process = self.start()
        self.pause()
        first = self.state()['heartbeat']
        self.wait_until(lambda: self.state()['heartbeat'] > first)
        self.assertEqual(self.state()['state'], 'paused')
        self.assertIn('paused', self.good('runs', '.').stdout)
        done = self.vard('resume', 'run')
        self.assertEqual(done.returncode, 3)
        self.assertIn(str(process.pid), done.stderr)
        self.control('stop')
        self.finish(process, 130)

    def test_steps(self):
        """The goal moves both ways, the schedule stays, and a resume knows"""
        self.finish(self.start('plain', '--steps', '30'))
        process = self.start('run', '--steps', '1000', '--decay-steps', '60')
        self.wait_for_phase('step')
        self.pause()
        self.control('steps=2000')
        self.control('steps=30', '--wait')
        self.control('stop')
        self.finish(process, 130)
        changes = [json.loads(line)['changed'] for line in read(self.path('run/resumes.jsonl')).splitlines()]
        self.assertEqual(changes, [{'steps': 2000}, {'steps': 30}])
        said = self.good('resume', 'run')
        self.assertIn('samples/step-000030/grid.png', said.stdout)
        self.assertEqual(read(self.path('run', ADAPTER)), read(self.path('plain', ADAPTER)))

    def test_recorded_decay(self):
        """Without a length of its own, the schedule keeps the length that the run began with"""
        self.finish(self.start('plain', '--steps', '20', '--decay-steps', '40'))
        process = self.start('run', '--steps', '40', '--decay-steps', '0')
        self.pause()
        self.control('steps=20', 'continue')
        self.finish(process)
        self.assertEqual(json.loads(read(self.path('run/resumes.jsonl')))['changed'], {'steps': 20, 'decay-steps': 40})
        self.assertEqual(read(self.path('run', ADAPTER)), read(self.path('plain', ADAPTER)))

    def test_stop_and_resume(self):
        self.finish(self.start('plain'))
        process = self.start()
        self.wait_for_phase('step')
        self.control('stop', '--wait')
        said = self.finish(process, 130)[1]
        self.assertIn('stopped after step', said)
        self.assertIn('vard resume', said)
        self.assertEqual(self.state()['state'], 'cancelled')
        self.assertIn('step-%06d' % self.state()['step'], os.listdir(self.path('run/checkpoints')))
        self.clean()
        self.good('resume', 'run')
        self.same_end('plain', 'run')

    def test_stop_now(self):
        for phase in 'pool', 'step':
            process = self.start(phase, '--steps', '100000')
            self.wait_for_phase(phase, run=phase)
            began = time.monotonic()
            self.control('stop-now', run=phase)
            self.finish(process, 130)
            self.assertLess(time.monotonic() - began, PROMPT + 1)
            self.assertEqual(self.state(phase)['state'], 'cancelled')
            self.clean(phase)

    def test_signals_while_paused(self):
        for number in signal.SIGINT, signal.SIGTERM:
            process = self.start(number.name)
            self.wait_for_phase('step', run=number.name)
            self.pause(number.name)
            process.send_signal(number)
            self.finish(process, 130)
            self.assertEqual(self.state(number.name)['state'], 'cancelled')
            self.good('resume', number.name)

    def test_second_signal_while_paused(self):
        process = self.start()
        self.pause()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        self.finish(process, 130)
        self.assertEqual(self.state()['state'], 'cancelled')

    def test_a_script_asks(self):
        """The protocol is a file that is renamed; any program can do it"""
        process = self.start()
        self.write('run/control/.mine', 'pause')
        os.rename(self.path('run/control/.mine'), self.path('run/control/mine.request'))
        self.wait_until(lambda: not os.path.exists(self.path('run/control/mine.request')))
        self.wait_for_state('paused')
        self.write('run/control/.mine', 'dance')
        os.rename(self.path('run/control/.mine'), self.path('run/control/mine.request'))
        self.wait_until(lambda: os.path.exists(self.path('run/control/mine.refused')))
        self.assertIn('there is no request "dance"', read(self.path('run/control/mine.refused')).decode())
        self.control('stop')
        self.finish(process, 130)

    def test_refused(self):
        process = self.start()
        self.wait_for_phase('step')
        self.wait_until(lambda: self.state()['step'] > 2)
        self.pause()
        self.assertIn('is already done', self.control('steps=1', code=1).stderr)
        self.control('stop')
        self.finish(process, 130)


class Dead(Control):
    def make(self):
        self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'run', *cli.QUICK)

    def test_not_live(self):
        self.make()
        done = self.control('pause', code=3)
        self.assertIn('no process trains', done.stderr)
        self.assertIn('it is finished', done.stderr)
        self.assertIn('To continue it: vard resume ' + os.path.realpath(self.path('run')), done.stderr)
        self.clean()

    def test_usage(self):
        self.make()
        for words, said in ((['run'], 'no request is given'), ([], 'no run is given'), (['run', 'puase'], 'did you mean "pause"'),
                            (['run', 'steps=x'], 'steps=x')):
            done = self.vard('control', *words)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(said, done.stderr)
        self.bad(3, ['is not the folder of a run'], 'control', 'nowhere', 'pause')
        self.assertIn('--wait', self.good('control', '--help').stdout)
        self.assertIn('  control ', self.good('--help').stdout)

    def test_stale(self):
        """What was asked of a process that is gone is not for the next one"""
        self.make()
        for name in 'a.request', 'b.taken', 'c.refused':
            self.write('run/control/' + name, 'stop-now')
        self.good('resume', 'run', '--steps', '6')
        self.assertEqual(self.state()['step'], 6)
        self.assertEqual(self.log().count('request stop-now: discarded'), 2)
        self.clean()

    def test_killed(self):
        process = self.start()
        process.kill()
        process.communicate()
        self.assertIn('it is interrupted', self.control('pause', code=3).stderr)
        self.good('resume', 'run')

    def test_stopped_process(self):
        """A process that is stopped (Ctrl-Z) answers nobody; the request does not wait for it to come back"""
        process = self.start()
        process.send_signal(signal.SIGSTOP)
        done = self.vard('control', 'run', 'pause')
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn('Ctrl-Z', done.stderr)
        process.send_signal(signal.SIGCONT)
        self.clean()
        self.finish(process)

    def test_read_only(self):
        """Seen through a mount that may not write, a live run is live, and the command says why it cannot ask"""
        script = 'mount --bind "$1" "$2" && mount -o remount,ro,bind "$2" && shift 2 && "$@"'
        os.mkdir(self.path('seen'))
        places = [self.path('run'), self.path('seen')]
        process = self.start()
        self.pause()
        probe = subprocess.run(['unshare', '-rm', 'sh', '-c', script, 'sh', *places, 'true'], capture_output=True,
                               check=False)
        if probe.returncode != 0:
            self.skipTest('no name space of mounts here')
        done = subprocess.run(['unshare', '-rm', 'sh', '-c', script, 'sh', *places, cli.VARD, 'control', 'seen',
                               'continue'], cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn('read-only', done.stderr)
        self.control('stop')
        self.finish(process, 130)


if __name__ == '__main__':
    if shutil.which('unshare') is None:
        del Dead.test_read_only
    sys.exit(cli.main())
