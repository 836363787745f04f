#!/usr/bin/env python3
"""test-outside.py - runs from the shell whose rewards are a program and a server"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import subprocess
import sys

sys.path.insert(0, os.environ['CLI_TESTS'])
import cli  # noqa: E402

TINY = os.path.join(cli.TESTS, 'data', 'tiny-model')
PYTHON = os.environ['PYTHON']
SECRET = 'open-sesame-42'  # of fault-server.py


class Outside(cli.CliTest):
    def train(self, reward, *more):
        return ['train', '--model', TINY, '--reward', reward, '--run', 'run', *cli.QUICK, *more]

    def serve(self):
        server = subprocess.Popen([PYTHON, os.environ['FAULT_SERVER']], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)

        def stop():
            server.communicate('')
        self.addCleanup(stop)
        return server.stdout.readline().strip()

    def metrics(self):
        with open(self.path('run', 'metrics.jsonl'), encoding='utf-8') as file:
            return [json.loads(line) for line in file]

    def test_program(self):
        """The short example in a run"""
        command = f"{PYTHON} {os.environ['EXAMPLE']}"
        self.good(*self.train(f'command:picture=rgb,label=red,command={command}'))
        means = [line['reward/red/mean'] for line in self.metrics() if 'reward/red/mean' in line]
        self.assertTrue(means)
        for mean in means:
            self.assertTrue(0 < mean < 1, means)

    def test_program_dies(self):
        """It ends the run with 4, and the sentence has the reward, the program's end and its last words"""
        command = f"{PYTHON} {os.environ['PROGRAM']} stillborn"
        done = self.vard(*self.train(f'command:restarts=1,label=broken,command={command}'))
        self.assertEqual(done.returncode, 4, done.stderr)
        last = done.stderr.splitlines()[-1]
        for word in ('broken', 'exit status 1', 'no module named torch'):
            self.assertIn(word, last)

    def test_program_dies_unlearned(self):
        """A reward that is only watched may die"""
        command = f"{PYTHON} {os.environ['PROGRAM']} stillborn"
        self.good(*self.train('colorfulness', '--reward',
                              f'command:restarts=0,policy=monitor-only,label=broken,command={command}'))

    def test_server(self):
        """A secret leaves no trace in the run"""
        with open(self.path('secret'), 'w', encoding='utf-8') as file:
            file.write(SECRET)
        self.good(*self.train(f"remote:url={self.serve()}/token,token-file={self.path('secret')}"))
        os.unlink(self.path('secret'))
        self.assertIn('reward/remote/mean', ' '.join(json.dumps(line) for line in self.metrics()))
        for name in self.tree(self.path('run')):
            if os.path.isfile(self.path('run', name)):
                with open(self.path('run', name), 'rb') as file:
                    self.assertNotIn(SECRET.encode(), file.read(), name)

    def test_server_absent(self):
        done = self.vard(*self.train('remote:url=http://127.0.0.1:9,retries=0'))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn('http://127.0.0.1:9/health failed', done.stderr.splitlines()[-1])
        self.assertIn('remote', done.stderr.splitlines()[-1])

    def test_server_lies(self):
        """An answer for fewer pictures is no answer"""
        done = self.vard(*self.train(f'remote:url={self.serve()}/short,retries=0'))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertRegex(done.stderr.splitlines()[-1], 'there are [0-9]+ rewards for [0-9]+ pictures')


if __name__ == '__main__':
    sys.exit(cli.main())
