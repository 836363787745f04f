#!/usr/bin/env python3
"""test-sample.py - samplers, prompts, sizes: what pictures are made with is what stands in them"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import struct
import sys
import zlib

import cli

TINY = os.path.join(cli.TESTS, 'data/tiny-model')
SAMPLERS = ['ddim', 'ddpm', 'euler', 'euler-ancestral', 'dpmpp-2m', 'dpmpp-2m-sde']


def read_png(path):
    """Width, height, texts"""
    with open(path, 'rb') as file:
        data = file.read()
    at, texts, size = 8, {}, None
    while at < len(data):
        length, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        at += length + 12
        if kind == b'IHDR':
            size = struct.unpack('>II', body[:8])
        elif kind == b'tEXt':
            key, text = body.split(b'\0', 1)
            texts[key.decode('latin-1')] = text.decode('latin-1')
        elif kind == b'iTXt':
            key, rest = body.split(b'\0', 1)
            packed, rest = rest[0], rest[2:]
            _language, _translated, text = rest.split(b'\0', 2)
            texts[key.decode()] = (zlib.decompress(text) if packed else text).decode()
    return (*size, texts)


class Sample(cli.CliTest):
    def sample(self, name, *more):
        """What is printed, and the pictures by name"""
        done = self.good('sample', '--model', TINY, '--steps', '3', '-o', name, *more)
        folder = self.path(name)
        return done, {file: os.path.join(folder, file) for file in sorted(os.listdir(folder))}

    def pixels(self, name, *more):
        _done, files = self.sample(name, '--prompt', 'apple', *more)
        (path,) = files.values()
        with open(path, 'rb') as file:
            data = file.read()
        return data[data.index(b'IDAT'):]

    def test_samplers(self):
        """Each makes another picture, and the same again; the text says which it was"""
        seen = set()
        for name in SAMPLERS:
            first = self.pixels(name, '--sampler', name)
            self.assertEqual(first, self.pixels(name + '-again', '--sampler', name))
            seen.add(first)
            _w, _h, texts = read_png(self.path(name, '000-apple-0.png'))
            self.assertEqual(texts['sampler'], name)
            self.assertEqual('eta' in texts, name == 'ddim')
        self.assertEqual(len(seen), len(SAMPLERS))

    def test_texts(self):
        self.sample('out', '--prompt', 'été 🍎', '--negative-prompt', 'dull', '--guidance-scale', '3', '--seed', '7',
                    '--sampler', 'dpmpp-2m', '--batch', '2', '--width', '32', '--height', '16')
        width, height, texts = read_png(self.path('out', '000-t-7.png'))
        self.assertEqual((width, height), (32, 16))
        self.assertTrue(texts.pop('Software').startswith('vard '))
        self.assertEqual(texts, {'prompt': 'été 🍎', 'negative-prompt': 'dull', 'guidance-scale': '3', 'seed': '7',
                                 'sampler': 'dpmpp-2m', 'batch': '2', 'steps': '3', 'size': '32 x 16',
                                 'model': 'tiny-model'})

    def test_prompts_of_a_file(self):
        """Prompts named and prompts of a file, each with its pictures; none depends on the batch"""
        self.write('prompts.txt', 'cat\nsun\n')
        _done, files = self.sample('out', '--prompt', 'apple', '--prompts', 'prompts.txt', '--count', '2', '--batch', '5')
        self.assertEqual(list(files), [f'{i:03}-{word}-{seed}.png' for i, word in enumerate(['apple', 'cat', 'sun'])
                                       for seed in (0, 1)])
        _done, alone = self.sample('alone', '--prompt', 'sun', '--seed', '1')
        pictures = [open(path, 'rb').read() for path in (files['002-sun-1.png'], *alone.values())]
        self.assertEqual(*[data[data.index(b'IDAT'):] for data in pictures])

    def test_negative_prompt(self):
        guided = self.pixels('guided', '--guidance-scale', '4')
        self.assertNotEqual(guided, self.pixels('away', '--guidance-scale', '4', '--negative-prompt', 'fire'))
        self.bad(2, ['negative-prompt', 'guidance-scale'], 'sample', '--model', TINY, '--prompt', 'x',
                 '--negative-prompt', 'y', '-o', 'out')

    def test_long_prompt(self):
        """Ten thousand words: once is said which are cut, and the picture is that of the others"""
        words = [f'w{i}' for i in range(10000)]
        done, _files = self.sample('out', '--prompt', ' '.join(words), '--count', '2')
        said = [line for line in done.stderr.splitlines() if 'cut' in line]
        self.assertEqual(len(said), 1)
        self.assertIn('longer than 8 tokens', said[0])
        self.assertIn('last 9997 words', said[0])      # a letter and a digit are two tokens, of six
        self.assertIn('"w3 w4 w5', said[0])
        done, _files = self.sample('short', '--prompt', 'a b c d e f')
        self.assertNotIn('cut', done.stderr)
        done, _files = self.sample('one', '--prompt', 'a b c d e f g')
        self.assertIn('"g" is cut', done.stderr)
        done, _files = self.sample('negative', '--prompt', 'a', '--negative-prompt', 'b c d e f g h', '--guidance-scale', '2')
        self.assertIn('"h" is cut', done.stderr)

    def test_long_training_prompt(self):
        self.write('prompts.txt', 'a b c d e f g h\n' * 2 + 'a\n')
        done = self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'run', '--prompts', 'prompts.txt',
                         '--dry-run')
        self.assertEqual(done.stderr.count('"g h" is cut'), 1)

    def test_sampler_of_a_run(self):
        """A run is sampled as it was trained, unless the command line says otherwise"""
        self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'run', '--sampler', 'ddpm', *cli.QUICK)
        self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'between', '--sampler', 'euler-ancestral',
                  *cli.QUICK)
        for more, name in ([], 'ddpm'), (['--sampler', 'euler'], 'euler'):
            self.good('sample', 'run', '--prompt', 'apple', '-o', name, *more)
            _w, _h, texts = read_png(self.path(name, '000-apple-0.png'))
            self.assertEqual((texts['sampler'], texts['steps'], texts['run']), (name, '3', 'run, step 4'))
        self.good('sample', 'run', '--prompt', 'apple', '-o', 'early', '--checkpoint', '2')
        self.assertEqual(read_png(self.path('early/000-apple-0.png'))[2]['run'], 'run, step 2')

    def test_given_noise(self):
        """The seed of a picture whose noise was given says nothing: the file is named"""
        self.sample('plain', '--prompt', 'apple', '--latents', self.path('latents.safetensors'), '--eta', '0')
        with open(self.path('latents.safetensors'), 'rb') as file:
            data = file.read()
        size, = struct.unpack('<Q', data[:8])
        header = data[8:8 + size].replace(b'"latents"', b'"noise"  ')
        self.write('given.safetensors', data[:8] + header + data[8 + size:])
        given = self.pixels('given', '--noise', self.path('given.safetensors'), '--eta', '0')
        self.assertNotEqual(given, self.pixels('other', '--eta', '0'))
        self.assertEqual(read_png(self.path('given/000-apple-0.png'))[2]['noise'], 'given.safetensors')

    def test_wrong_samplers(self):
        self.bad(2, ['eulr', 'did you mean euler'], 'sample', '--model', TINY, '--prompt', 'x', '--sampler', 'eulr')
        self.bad(2, ['--eta', 'ddim', 'euler'], 'sample', '--model', TINY, '--prompt', 'x', '--sampler', 'euler',
                 '--eta', '0')
        for name in 'euler', 'dpmpp-2m':
            self.bad(2, [name + ' cannot train', 'ddim, ddpm'], 'train', '--model', TINY, '--reward', 'colorfulness',
                     '--run', 'run', '--sampler', name)
        self.bad(2, ['flow-sde', 'variance preserving', 'use ddim, ddpm'], 'sample', '--model', TINY, '--prompt', 'x',
                 '--sampler', 'flow-sde')

    def test_wrong_sizes(self):
        for option, size in ('width', '501'), ('height', '35'):
            self.bad(2, [option, size, 'multiple of 2'], 'sample', '--model', TINY, '--prompt', 'x', '-o', 'out',
                     '--' + option, size)
        self.bad(2, ['9 x 8', 'multiples of 2'], 'sample', '--model', TINY, '--prompt', 'x', '-o', 'out', '--height', '18')


if __name__ == '__main__':
    sys.exit(cli.main())
