#!/usr/bin/env python3
"""test-bad-input.py - each bad input gives one clear sentence and its exit code, and leaves nothing behind"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

import cli

TINY = os.path.join(cli.TESTS, 'data', 'tiny-model')
FIXTURES = os.environ['VARD_TEST_FIXTURES']
UNET = 'unet/diffusion_pytorch_model.safetensors'
HUGE = 1 << 62


def pack(header, data=b'', length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack('<Q', len(text) if length is None else length) + text + data


def tensor(shape, begin, end, dtype='F32'):
    return {'dtype': dtype, 'shape': shape, 'data_offsets': [begin, end]}


class Model(cli.CliTest):
    def setUp(self):
        super().setUp()
        shutil.copytree(TINY, self.path('model'))

    def bad_model(self, words, code=3):
        self.bad(code, words, 'sample', '--model', 'model', '--prompt', 'x', '-o', 'out')

    def edit(self, name, change):
        path = self.path('model', name)
        with open(path, encoding='utf-8') as file:
            value = json.load(file)
        change(value)
        self.write('model/' + name, json.dumps(value))

    def test_good(self):
        self.good('sample', '--model', 'model', '--prompt', 'x', '-o', 'out', '--steps', '2')
        self.assertEqual(os.listdir(self.path('out')), ['000-x-0.png'])

    def test_missing_folder(self):
        self.bad(3, ['nowhere'], 'sample', '--model', 'nowhere', '--prompt', 'x', '-o', 'out')

    def test_folder_without_index(self):
        os.remove(self.path('model/model_index.json'))
        self.bad_model(['model_index.json'])

    def test_index_is_no_json(self):
        self.write('model/model_index.json', '{"unet": [')
        self.bad_model(['model_index.json'])

    def test_unknown_class(self):
        self.edit('model_index.json', lambda v: v.update(unet=['diffusers', 'FluxTransformer2DModel']))
        self.bad_model(['FluxTransformer2DModel', 'UNet2DConditionModel'])

    def test_unknown_pipeline(self):
        self.edit('model_index.json', lambda v: v.update(_class_name='StableCascadePipeline'))
        self.bad_model(['StableCascadePipeline'])

    def test_missing_weights(self):
        os.remove(self.path('model', UNET))
        self.bad_model(['diffusion_pytorch_model.safetensors'])

    def test_pickle(self):
        os.remove(self.path('model', UNET))
        self.write('model/unet/diffusion_pytorch_model.bin', b'\x80\x02}q\x00.')
        self.bad_model(['.bin', 'pickle', 'save_pretrained'])

    def test_config_and_weights_disagree(self):
        self.edit('unet/config.json', lambda v: v.update(block_out_channels=[8, 24]))
        self.bad_model(['down_blocks.1.', '.weight', '24', '16'])

    def test_configs_disagree(self):
        self.edit('unet/config.json', lambda v: v.update(cross_attention_dim=24))
        self.bad_model(['cross_attention_dim', '24', 'hidden_size', '16'])

    def test_truncated(self):
        path = self.path('model', UNET)
        os.truncate(path, os.path.getsize(path) // 2)
        self.bad_model([UNET])

    def test_empty_file(self):
        self.write('model/' + UNET, b'')
        self.bad_model([UNET])


def add_hostile(name, content, word):
    def test(self):
        self.write('model/' + UNET, content)
        self.bad_model([UNET, word])
    setattr(Model, 'test_hostile_' + name, test)


add_hostile('huge_header', pack(b'{}', length=HUGE), 'header')
add_hostile('header_past_end', pack(b'{}', length=4000), 'header')
add_hostile('header_is_no_json', pack(b'{"a": '), 'header')
add_hostile('out_of_range', pack({'a': tensor([4], 0, 16)}, b'\0' * 8), 'a')
add_hostile('overlap', pack({'a': tensor([2], 0, 8), 'b': tensor([2], 4, 12)}, b'\0' * 12), 'b')
add_hostile('hole', pack({'a': tensor([1], 0, 4), 'b': tensor([1], 8, 12)}, b'\0' * 12), 'b')
add_hostile('overflow', pack({'a': tensor([HUGE, 8], 0, 4)}, b'\0' * 4), 'a')
add_hostile('wrong_length', pack({'a': tensor([3], 0, 8)}, b'\0' * 8), 'a')
add_hostile('negative', pack({'a': tensor([-1], 0, 4)}, b'\0' * 4), 'a')
add_hostile('twice', pack(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
                          b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b'\0' * 4), 'twice')
add_hostile('unknown_type', pack({'a': tensor([1], 0, 4, 'F33')}, b'\0' * 4), 'F33')


class Arguments(cli.CliTest):
    def train(self, *more):
        return ['train', '--model', TINY, '--run', 'run', *more]

    def test_unknown_reward(self):
        self.bad(2, ['colorfulnes', 'did you mean "colorfulness"'], *self.train('--reward', 'colorfulnes'))

    def test_unknown_property(self):
        self.bad(2, ['targt', 'did you mean "target"'], *self.train('--reward', 'jpeg-size:targt=small'))

    def test_bad_property(self):
        self.bad(2, ['tiny', 'small, large'], *self.train('--reward', 'jpeg-size:target=tiny'))

    def test_reserved_weight(self):
        self.bad(2, ['weight', 'heavy'], *self.train('--reward', 'jpeg-size:weight=heavy'))

    def test_unknown_option(self):
        self.bad(2, ['--kl-wieght', 'did you mean --kl-weight'],
                 *self.train('--reward', 'colorfulness', '--kl-wieght', '1'))

    def test_out_of_range(self):
        self.bad(2, ['kl-weight', '-1'], *self.train('--reward', 'colorfulness', '--kl-weight', '-1'))

    def test_not_a_number(self):
        self.bad(2, ['steps', 'many'], *self.train('--reward', 'colorfulness', '--steps', 'many'))

    def test_no_model(self):
        self.bad(2, ['model'], 'train', '--reward', 'colorfulness', '--run', 'run')

    def test_no_reward(self):
        self.bad(2, ['reward'], *self.train())

    def test_unknown_engine(self):
        self.bad(2, ['engine', 'cqu', 'did you mean "cpu"'],
                 *self.train('--reward', 'colorfulness', '--engine', 'cqu'))

    def test_unknown_target_layer(self):
        self.bad(2, ['to_z'], *self.train('--reward', 'colorfulness', '--lora-target', 'to_z'))

    def test_missing_prompts(self):
        self.bad(3, ['nothing.txt'], *self.train('--reward', 'colorfulness', '--prompts', 'nothing.txt'))

    def test_empty_prompts(self):
        self.write('empty.txt', '\n# only a comment\n')
        self.bad(3, ['empty.txt'], *self.train('--reward', 'colorfulness', '--prompts', 'empty.txt'))

    def test_bad_prompt_lines(self):
        self.write('bad.jsonl', '{"prompt": "a"}\n{"text": "b"}\n')
        self.bad(3, ['bad.jsonl', '2'], *self.train('--reward', 'colorfulness', '--prompts', 'bad.jsonl'))

    def test_existing_run(self):
        self.write('run/notes.txt', 'mine')
        self.bad(3, ['run', 'exists'], *self.train('--reward', 'colorfulness'))

    def test_sample_without_prompt(self):
        self.bad(2, ['prompt'], 'sample', '--model', TINY)

    def test_sample_without_model(self):
        self.bad(2, ['--model'], 'sample', '--prompt', 'x')

    def test_sample_into_a_file(self):
        self.write('out', 'a file')
        self.bad(1, ['out'], 'sample', '--model', TINY, '--prompt', 'x', '-o', 'out', '--steps', '1')

    def test_noise_of_another_size(self):
        self.write('noise.safetensors', pack({'noise': tensor([1, 4, 4, 4], 0, 256)}, b'\0' * 256))
        self.bad(3, ['noise', '64', '8 x 8'], 'sample', '--model', TINY, '--prompt', 'x', '--noise',
                 'noise.safetensors', '-o', 'out')

    def test_score_no_picture(self):
        self.write('x.png', 'not a picture')
        self.bad(3, ['x.png'], 'score', '--reward', 'colorfulness', 'x.png')

    def test_score_missing_picture(self):
        self.bad(3, ['x.png'], 'score', '--reward', 'colorfulness', 'x.png')

    def test_resume_nothing(self):
        self.bad(3, ['nowhere'], 'resume', 'nowhere')
        self.bad(2, ['no run is given'], 'resume')

    def test_resume_a_folder(self):
        os.mkdir(self.path('folder'))
        self.bad(3, ['folder', 'run.json'], 'resume', 'folder')


class Files(cli.CliTest):
    """The same mistakes inside a settings file are the file's"""

    def bad_config(self, text, words):
        self.write('c.json', text if isinstance(text, str) else json.dumps(text))
        self.bad(3, ['c.json', *words], 'train', 'c.json', '--run', 'run')

    def test_missing(self):
        self.bad(3, ['no.json'], 'train', 'no.json', '--run', 'run')

    def test_no_json(self):
        self.bad_config('{"model": ', [])

    def test_a_list(self):
        self.bad_config('[]', ['object'])

    def test_unknown_setting(self):
        self.bad_config({'kl-wieght': 1}, ['kl-wieght', 'did you mean "kl-weight"'])

    def test_out_of_range(self):
        self.bad_config({'kl-weight': -1}, ['kl-weight'])

    def test_wrong_type(self):
        self.bad_config({'steps': 'many'}, ['steps'])

    def test_unknown_reward(self):
        self.bad_config({'model': TINY, 'rewards': ['colorfulnes']}, ['did you mean "colorfulness"'])

    def test_relative_paths(self):
        """Paths in a settings file are relative to it"""
        self.write('sub/c.json', json.dumps({'model': 'there', 'rewards': ['colorfulness']}))
        self.bad(3, [os.path.join('sub', 'there')], 'train', 'sub/c.json', '--run', 'run')


class Plugins(cli.CliTest):
    def inspect(self, fixture):
        """The state and the reason that a folder with just this file gives"""
        os.mkdir(self.path('plugins'))
        name = 'fixture-' + fixture + '.so'
        shutil.copy(os.path.join(FIXTURES, name), self.path('plugins', name))
        env = {'VARD_PLUGIN_PATH': self.path('plugins'), 'VARD_PLUGIN_CACHE': self.path('cache.json')}
        listed = json.loads(self.good('inspect', '--json', env=env).stdout)['plugins']
        text = self.good('inspect', env=env).stdout
        self.assertEqual(len(listed), 1)
        self.assertIn(listed[0]['reason'], text)
        return listed[0]['state'], listed[0]['reason']

    def test_no_symbol(self):
        state, reason = self.inspect('no-symbol')
        self.assertEqual(state, 'refused')
        self.assertIn('vard_plugin', reason)

    def test_other_abi(self):
        state, reason = self.inspect('other-abi')
        self.assertEqual(state, 'refused')
        self.assertIn('99.3', reason)

    def test_relative_path(self):
        """A search path may be relative to where the program is started"""
        os.mkdir(self.path('plugins'))
        shutil.copy(os.path.join(FIXTURES, 'fixture-good.so'), self.path('plugins'))
        env = {'VARD_PLUGIN_PATH': 'plugins', 'VARD_PLUGIN_CACHE': self.path('cache.json')}
        done = self.good('inspect', '--json', env=env)
        self.assertEqual(done.stderr, '')
        self.assertEqual([p['path'] for p in json.loads(done.stdout)['plugins']],
                         [os.path.realpath(self.path('plugins', 'fixture-good.so'))])

    def test_crash(self):
        state, reason = self.inspect('crash-open')
        self.assertEqual(state, 'crashed')
        self.assertTrue(reason)

    def test_text(self):
        self.assertEqual(self.inspect('text')[0], 'refused')


class Rewards(cli.CliTest):
    def bad_reward(self, mood, words, *more):
        done = self.vard('train', '--model', TINY, '--reward', 'moody:mood=' + mood, '--run', 'run', *cli.QUICK, *more)
        self.assertEqual(done.returncode, 4, done.stderr)
        for word in ['moody', *words]:
            self.assertIn(word, done.stderr.splitlines()[-1])
        with open(self.path('run/state.json'), encoding='utf-8') as file:
            state = json.load(file)
        self.assertEqual(state['state'], 'failed')
        self.assertIn('moody', state['error'])
        self.assertEqual([p for p in self.tree() if '.new' in p], [])

    def test_nan(self):
        self.bad_reward('nan', ['not a number'])

    def test_unset(self):
        self.bad_reward('unset', [])

    def test_failed(self):
        self.bad_reward('fails', ['this picture has no weight'])

    def test_breaks(self):
        self.bad_reward('breaks', ['the scale is broken'])

    def start(self, mood):
        env = {**os.environ, 'VARD_PLUGIN_PATH': os.environ['VARD_TEST_SCORING_FIXTURES'] + ':' + os.environ['VARD_PLUGIN_PATH'],
               'VARD_PLUGIN_CACHE': self.path('cache.json')}
        paths = env['VARD_PLUGIN_PATH'].split(':')
        env['VARD_PLUGIN_PATH'] = ':'.join(path for path in paths if not path.endswith('tests/cli'))
        return subprocess.Popen([cli.VARD, 'train', '--model', TINY, '--reward', 'moody-fixture:mood=' + mood, '--run', 'run',
                                 *cli.QUICK], cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def test_crash(self):
        """It takes the run with it, which says how that is avoided"""
        process = self.start('crash-loud')
        said = process.communicate(timeout=100)[1]
        self.assertEqual(process.returncode, -signal.SIGSEGV, said)
        self.assertIn('isolate=true', said)
        self.assertIn('interrupted', self.good('runs', '.').stdout)

    def test_hang(self):
        """It does not look whether it shall stop, and is ended nevertheless"""
        process = self.start('hang,mark=' + self.path('mark'))
        while process.poll() is None and not os.path.exists(self.path('mark')):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        while 'press Ctrl-C again to stop now' not in process.stderr.readline():  # two that come at once are one to the kernel
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 130, said)
        self.assertIn('a reward that hangs?', said)
        self.assertIn('interrupted', self.good('runs', '.').stdout)

    def test_resume_without_it(self):
        """A run whose reward is not there any more: the run's fault, not the command line's"""
        self.good('train', '--model', TINY, '--reward', 'moody:mood=good', '--run', 'run', *cli.QUICK)
        paths = os.environ['VARD_PLUGIN_PATH'].split(':')
        env = {'VARD_PLUGIN_PATH': ':'.join(path for path in paths if not path.endswith('tests/cli'))}
        self.bad(3, ['run', 'no reward "moody"'], 'resume', 'run', env=env)

    def test_monitor_only(self):
        """A reward that is only looked at does not stop a run"""
        self.good('train', '--model', TINY, '--reward', 'colorfulness', '--reward',
                  'moody:mood=fails,policy=monitor-only', '--run', 'run', *cli.QUICK)


if __name__ == '__main__':
    sys.exit(cli.main())
