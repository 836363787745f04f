#!/usr/bin/env python3
"""test-rewards.py - the checks of a reward from the shell: what is found, and what a crash or a hang becomes"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import struct
import sys
import zlib

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
        self.assertIn('the reward moody-fixture failed to prepare: the weights are not there', lines[0])

    def test_usage(self):
        self.bad(2, ['name one reward'], 'check-reward')
        self.bad(2, ['no reward "zebra"'], 'check-reward', 'zebra')
        self.bad(2, ['floor is "2"'], 'check-reward', 'coverage:floor=2')


class NewReward(cli.CliTest):
    def test_names(self):
        """What would not build, or not be found beside what is there"""
        for name in ('vard', 'test', 'all'):
            self.bad(2, ['"%s" cannot be a reward' % name], 'new-reward', name)
        self.bad(2, ['there is already a reward "brightness"', 'brightness-reward.so'], 'new-reward', 'brightness')
        self.good('new-reward', 'tests')


def picture(red, *texts):
    def chunk(name, data):
        return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 2, 2, 8, 2, 0, 0, 0))
            + b''.join(chunk(b'tEXt', text) for text in texts)
            + chunk(b'IDAT', zlib.compress((b'\0' + bytes([red, 0, 0]) * 2) * 2)) + chunk(b'IEND', b''))


class Score(cli.CliTest):
    def setUp(self):
        super().setUp()
        for name, red in [('a', 30), ('b,c', 90), ('d', 60)]:
            self.write('pictures/%s.png' % name, picture(red))

    def score(self, *options, reward='moody-fixture:label=red'):
        return self.good('score', '--reward', reward, 'pictures', *options, env=PATH).stdout.splitlines()

    def test_folder(self):
        self.assertEqual(self.score(), ['file,red', 'pictures/a.png,30', '"pictures/b,c.png",90', 'pictures/d.png,60'])

    def test_sort(self):
        self.assertEqual([line.split(',')[-1] for line in self.score('--sort', 'red')], ['red', '90', '60', '30'])
        self.assertEqual([line.split(',')[-1] for line in self.score('--top', '2')], ['red', '90', '60'])
        rows = json.loads('\n'.join(self.score('--top', '1', '--json')))
        self.assertEqual(rows, [{'file': 'pictures/b,c.png', 'scores': {'red': 90}}])

    def test_minimum(self):
        self.assertEqual([line.split(',')[-1] for line in self.score('--minimum', '60')], ['red', '90', '60'])

    def test_prompts(self):
        self.write('three.txt', 'be fine\nbe fine\nbe fine\n')
        self.write('two.txt', 'be fine\nbe fine\n')
        lines = self.score('--prompts', 'three.txt', reward='moody-fixture:mood=crash,isolate=true')
        self.assertEqual([line.split(',')[-1] for line in lines[1:]], ['30', '90', '60'])
        self.bad(3, ['two.txt has 2 prompts', '3 pictures'], 'score', '--reward', 'brightness', 'pictures', '--prompts',
                 'two.txt')

    def test_metadata(self):
        self.write('three.jsonl', ''.join('{"prompt": "p", "wanted": %d}\n' % n for n in (5, 7, 9)))
        self.write('wanted.py', "import json, sys\nfor line in sys.stdin:\n    asked = json.loads(line)\n"
                   "    print(json.dumps({'id': asked['id'], 'score': asked['metadata']['wanted']}), flush=True)\n")
        lines = self.score('--prompts', 'three.jsonl', reward='command:command=python3 wanted.py')
        self.assertEqual([line.split(',')[-1] for line in lines[1:]], ['5', '7', '9'])
        self.write('empty.jsonl', '{"prompt": "p"}\n{"prompt": ""}\n{"prompt": "p"}\n')
        self.bad(2, ['needs a prompt with each picture'], 'score', '--reward', 'command:needs-prompt=true,command=cat', 'pictures',
                 '--prompts', 'empty.jsonl')

    def test_own_prompts(self):
        """Of a picture by vard, and by programs that keep it elsewhere"""
        rows = [('as vard', [b'prompt\0as vard']), ('as others', [b'parameters\0as others\nNegative prompt: ugly\nSteps: 20']),
                ('of no', [b'parameters\0of no\nSteps: 20']), ('both', [b'prompt\0{"3": {}}', b'parameters\0both\nSteps: 4']),
                ('as it is given', [b'prompt\0{"3": {}}']), ('as it is given', [b'parameters\0any text'])]
        for i, (_, texts) in enumerate(rows):
            self.write('own/%d.png' % i, picture(60, *texts))
        self.write('count.py', "import json, sys\nfor line in sys.stdin:\n    asked = json.loads(line)\n"
                   "    print(json.dumps({'id': asked['id'], 'score': len(asked['prompt'])}), flush=True)\n")
        lines = self.good('score', '--reward', 'command:needs-prompt=true,command=python3 count.py', '--prompt', 'as it is given',
                          'own').stdout.splitlines()
        self.assertEqual([line.split(',')[-1] for line in lines[1:]], [str(len(prompt)) for prompt, _ in rows])

    def test_failed(self):
        """What has no score says why, whatever the policy"""
        self.write('half.py', "import json, sys\nfor line in sys.stdin:\n    i = json.loads(line)['id']\n"
                   "    print(json.dumps({'id': i, **({'error': 'too dark'} if i == 1 else {'score': i})}), flush=True)\n")
        program = 'command:label=half,command=python3 half.py,policy='
        for policy, words in [('skip-sample', 'leaves them out'), ('monitor-only', 'continues')]:
            done = self.good('score', '--reward', program + policy, 'pictures', '--json')
            self.assertEqual(done.stderr, 'vard score: the reward half has no score for 1 of 3 pictures: too dark; '
                             'policy=%s %s\n' % (policy, words))
            rows = json.loads(done.stdout)
            self.assertEqual([row['scores']['half'] for row in rows], [0, None, 2])
            self.assertEqual([row.get('errors') for row in rows], [None, {'half': 'too dark'}, None])
        done = self.bad(4, ['the reward half has no score for picture 1: too dark; policy=required'], 'score', '--reward',
                        program + 'required', 'pictures')
        self.assertEqual(done.stdout, '')

    def test_equal(self):
        for i in range(8):
            self.write('same/%d.png' % i, picture(60))
        done = self.good('score', '--reward', 'brightness', 'same')
        self.assertIn('the reward brightness gave all 8 pictures the score', done.stderr)

    def test_crash(self):
        done = self.vard('score', '--reward', 'moody-fixture:mood=crash,isolate=true,isolate-restarts=1', 'pictures', env=PATH)
        self.assertEqual(done.returncode, 4)
        said = done.stderr.splitlines()
        self.assertEqual(said[:2], ['vard: moody-fixture: its own process crashed (Segmentation fault)'] * 2)
        self.assertEqual(len(said), 3)
        self.assertIn('the process of the reward moody-fixture crashed (Segmentation fault); policy=required', said[2])

    def test_prompts_missing(self):
        self.bad(2, ['the reward command needs a prompt with each picture'], 'score', '--reward',
                 'command:needs-prompt=true,command=cat', 'pictures')

    def test_usage(self):
        self.bad(2, ['sort is "blue"'], 'score', '--reward', 'brightness', '--sort', 'blue', 'pictures')
        self.bad(2, ['minimum is "much"'], 'score', '--reward', 'brightness', '--minimum', 'much', 'pictures')


class Inspect(cli.CliTest):
    def inspect(self, code, *words):
        done = self.vard('inspect', *words, env=PATH)
        self.assertEqual((done.returncode, done.stdout), (code, ''), done.stderr)

    def test_silent_answers(self):
        self.inspect(0, '--exists', 'reward:moody-fixture')
        self.inspect(1, '--exists', 'engine:moody-fixture')
        self.inspect(1, '--exists', 'zebra')
        for version, code in [('1.4', 0), ('1.3.9', 0), ('0.10', 0), ('1.4.1', 1), ('1.10', 1), ('2', 1)]:
            self.inspect(code, 'moody-fixture', '--atleast-version', version)

    def test_keys(self):
        """A reward's own properties, and what may be said of every reward"""
        text = self.good('inspect', 'reward:moody-fixture', env=PATH).stdout
        for word in ('mood ', 'weight ', 'policy ', 'isolate ', 'label ', 'isolate-start-seconds', 'isolate-answer-seconds',
                     'isolate-restarts', 'required, skip-sample, monitor-only'):
            self.assertIn(word, text)
        self.bad(2, ['isolate-restarts is "-1"'], 'score', '--reward', 'moody-fixture:isolate=true,isolate-restarts=-1', 'x.png',
                 env=PATH)

    def test_no_plugins(self):
        done = self.vard('--no-plugins', 'inspect', '--json', env=PATH)
        self.assertEqual(json.loads(done.stdout), {'features': [], 'plugins': []})
        system = {**PATH, 'VARD_PLUGIN_SYSTEM_PATH': os.environ['VARD_TEST_SCORING_FIXTURES']}
        done = self.good('--system-plugins', 'inspect', '--json', env=system)
        self.assertEqual([feature['name'] for feature in json.loads(done.stdout)['features']], ['moody-fixture'])
        self.bad(2, ['no reward "brightness"'], '--no-plugins', 'inspect', 'reward:brightness', env=PATH)


if __name__ == '__main__':
    sys.exit(cli.main())
