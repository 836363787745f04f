#!/usr/bin/env python3
"""test-outside.py - runs from the shell whose rewards are a program and a server"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import shutil
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

    def serve(self, *words):
        server = subprocess.Popen([PYTHON, os.environ['FAULT_SERVER'], *words], stdin=subprocess.PIPE,
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
        for line in self.metrics():
            self.assertTrue('reward/red/mean' not in line or line['seconds/reward/red'] > 0, line)

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

    def refuse(self, code, words, reward, *more, env=None):
        """One sentence with the reward's name, the policy and what is wrong, before a run's folder is there"""
        self.bad(code, ['the reward ' + reward.split(':')[0], *words], *self.train(reward, *more), env=env)

    def test_settings(self):
        """What a property lacks or says wrongly is wrong usage"""
        for reward, word in (('command', 'command=python3 score.py'), ('remote', 'url'),
                             ('remote:url=ftp://x/y', 'only http: and https:'), ('judge:model=m', 'url'),
                             ('judge:url=http://127.0.0.1:9', 'no model is given'),
                             ('remote:url=http://127.0.0.1:9,isolate=true,token-file=a,token-env=B', 'set only one')):
            self.refuse(2, [word, 'policy=required does not start without it'], reward)
        self.refuse(2, ['policy=skip-sample does not start without it'], 'command:policy=skip-sample')

    def test_settings_of_a_file(self):
        self.write('c.json', json.dumps({'model': TINY, 'rewards': ['command']}))
        self.bad(3, ['c.json', 'the reward command', 'command=python3'], 'train', 'c.json', '--run', 'run')

    def test_files(self):
        """A file that a property names and that is not there"""
        for reward in ('remote:url=http://127.0.0.1:9,token-file=nothing', 'remote:url=https://127.0.0.1:9,ca-file=nothing',
                       'remote:url=http://127.0.0.1:9,isolate=true,token-file=nothing',
                       'judge:url=http://127.0.0.1:9,model=m,rubric-file=nothing'):
            self.refuse(3, ['nothing', 'policy=required'], reward)

    def test_prompts(self):
        """A reward of texts, and prompts without text"""
        self.write('empty.jsonl', '{"prompt": "a cat"}\n{"prompt": ""}\n')
        for reward in ('command:needs-prompt=true,command=false', 'command:needs-prompt=true,isolate=true,command=false',
                       'remote:needs-prompt=true,url=http://127.0.0.1:9'):
            self.refuse(2, ['needs a prompt with each picture'], reward, '--prompts', 'empty.jsonl')

    def test_failures(self):
        """What goes wrong outside: exit 4, and the last line has the reward, the reason and the policy"""
        for reward, words in (('command:command=nowhere-to-be-found', ['does not start']),
                              ('command:restarts=0,command=echo rubbish', ['wrote "rubbish"']),
                              ('command:restarts=0,command=false', ['exit status 1']),
                              ('command:restarts=0,isolate=true,command=false', ['exit status 1']),
                              ('judge:retries=0,model=m,url=http://127.0.0.1:9', ['127.0.0.1:9'])):
            done = self.vard('train', '--model', TINY, '--reward', reward, '--run', self.path('run-' + str(len(self.tree()))),
                             *cli.QUICK)
            self.assertEqual(done.returncode, 4, done.stderr)
            for word in ('the reward ' + reward.split(':')[0], 'policy=required', *words):
                self.assertIn(word, done.stderr.splitlines()[-1])

    def test_skip_sample(self):
        """Too many pictures without a score end it too; the warnings name the policy"""
        done = self.vard(*self.train('command:restarts=0,policy=skip-sample,command=false'))
        self.assertEqual(done.returncode, 4, done.stderr)
        with open(self.path('run/log.txt'), encoding='utf-8') as file:
            self.assertIn('policy=skip-sample leaves them out', file.read())

    def test_certificate(self):
        if not shutil.which('openssl'):
            self.skipTest('there is no openssl command to make a certificate with')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
                        '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', self.path('key'), '-out', self.path('cert')],
                       check=True, capture_output=True)
        url = self.serve(self.path('cert'), self.path('key'))
        done = self.vard(*self.train(f'remote:url={url}/plain,retries=0'))
        self.assertEqual(done.returncode, 4, done.stderr)
        for word in ('the reward remote', 'certificate', 'policy=required does not start without it'):
            self.assertIn(word, done.stderr.splitlines()[-1])
        self.good(*self.train(f"remote:url={url}/plain,ca-file={self.path('cert')}"))

    def test_messages(self):
        """What rewards say while they score is in the log with their names, and not between a bar's lines"""
        self.write('says.py', 'import sys\nfor line in sys.stdin:\n    print("looking hard", file=sys.stderr, flush=True)\n'
                   '    print("{\\"id\\": %s, \\"score\\": %d}" % (line.split(":")[1].split(",")[0], len(line)))\n'
                   '    sys.stdout.flush()\n')
        env = {'VARD_PLUGIN_PATH': os.environ['VARD_PLUGIN_PATH'] + ':' + os.environ['SCORING'], 'G_DEBUG': ''}
        talk = 'moody-fixture:mood=talk,policy=monitor-only,label='
        done = self.good(*self.train(f"command:label=apart,isolate=true,command={PYTHON} {self.path('says.py')}",
                                     '--reward', f"command:label=near,command={PYTHON} {self.path('says.py')}",
                                     '--reward', talk + 'chatty', '--reward', talk + 'other,isolate=true'), env=env)
        with open(self.path('run/log.txt'), encoding='utf-8') as file:
            log = file.read()
        for label, text in (('apart', 'looking hard'), ('near', 'looking hard'), ('chatty', 'scores '),
                            ('chatty', 'warning: they are small'), ('other', 'scores '), ('other', 'printed as an error')):
            self.assertIn(f'{label}: {text}', log)
            self.assertNotIn(f'{label}: {text}', done.stderr + done.stdout)

    def test_crash_once(self):
        """A reward that crashes once does not end a run in which it is required"""
        self.write('mark', '')
        env = {'VARD_PLUGIN_PATH': os.environ['VARD_PLUGIN_PATH'] + ':' + os.environ['SCORING']}
        self.good(*self.train('moody-fixture:isolate=true,mood=crash-once,mark=' + self.path('mark')), env=env)
        self.assertFalse(os.path.exists(self.path('mark')))
        with open(self.path('run/log.txt'), encoding='utf-8') as file:
            self.assertIn('moody-fixture: its own process crashed (Segmentation fault)', file.read())

    def test_crashing_pictures(self):
        """Pictures of one prompt crash it, every time: the others are learned from"""
        self.write('prompts.txt', 'apple\ncat\nbe bad\nsun\n')
        env = {'VARD_PLUGIN_PATH': os.environ['VARD_PLUGIN_PATH'] + ':' + os.environ['SCORING']}
        options = [('48' if before == '--pool-size' else option) for before, option in zip(['', *cli.QUICK], cli.QUICK)]
        self.good('train', '--model', TINY, '--run', 'run', '--prompts', 'prompts.txt', *options, '--reward',
                  'moody-fixture:isolate=true,isolate-restarts=500,policy=skip-sample,mood=crash-bad', env=env)
        with open(self.path('run/log.txt'), encoding='utf-8') as file:
            log = file.read()
        self.assertIn('the process of the reward moody-fixture crashed (Segmentation fault); policy=skip-sample', log)
        self.assertIn('has no score for 1 of 4 pictures', log)


if __name__ == '__main__':
    sys.exit(cli.main())
