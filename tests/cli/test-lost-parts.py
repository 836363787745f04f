#!/usr/bin/env python3
"""test-lost-parts.py - a run whose reward and prompts are gone is sampled and exported as before"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import shutil
import sys

import cli
import oldruns

TINY = os.path.join(cli.TESTS, 'data', 'tiny-model')


class Lost(cli.CliTest):
    def train(self, *more):
        self.write('prompts.txt', 'cat\nsun\n')
        shutil.copytree(TINY, self.path('model'))
        self.good('train', '--model', 'model', '--prompts', 'prompts.txt', '--reward', 'colorfulness', '--run', 'run',
                  *cli.QUICK, *more)

    def lose(self):
        """Afterwards nothing but engines is found, and no prompts"""
        os.remove(self.path('prompts.txt'))
        os.remove(self.path('model/prompts.txt'))
        return {'VARD_PLUGIN_PATH': self.engines(), 'VARD_PLUGIN_CACHE': self.path('plugins.json')}

    def engines(self):
        """The folders of plugins that have no reward"""
        return ':'.join(folder for folder in os.environ['VARD_PLUGIN_PATH'].split(':') if 'reward' not in folder
                        and os.path.basename(folder) != 'cli')

    def look(self, when, form, env):
        """What a run shows and what is exported of it, at its newest checkpoint, at an earlier one, and at its end"""
        pictures, files = [], []
        for step in [], ['--checkpoint', '2']:
            out = when + ''.join(step)
            self.good('sample', 'run', '--prompt', 'cat', '--seed', '1', '-o', out, *step, env=env)
            pictures.append(oldruns.read(self.path(out, '000-cat-1.png')))
            path = out + '-export' + ('' if form == 'merged-folder' else '.safetensors')
            self.good('export', 'run', '--format', form, '--threads', '1', '-o', path, *step, env=env)
            if form == 'merged-folder':
                path += '/unet/diffusion_pytorch_model.safetensors'
            files.append(oldruns.weigh(self.path(path))['hash'])
        return pictures, files

    def same_without(self, form, *more):
        self.train(*more)
        before = self.look('before', form, None)
        env = self.lose()
        self.assertEqual(self.look('after', form, env), before)
        self.bad(2, ['colorfulness'], 'evaluate', 'run', env=env)
        shutil.rmtree(self.path('run/final'))
        self.assertEqual(self.look('later', form, env)[0], before[0])

    def test_lora(self):
        self.same_without('diffusers')

    def test_full_with_average(self):
        self.same_without('merged-folder', '--weights', 'full', '--learning-rate', '0.001', '--ema', '0.9')

    def test_while_it_has_a_newer_state(self):
        """A checkpoint whose other numbers a later vard wrote differently still has its weights"""
        self.train()
        env = self.lose()
        name = 'run/checkpoints/step-000004/trainer.safetensors'
        data = oldruns.read(self.path(name))
        self.write(name, data.replace(b'pool-next', b'loop-next').replace(b'"norms"', b'"gnorm"'))
        self.good('sample', 'run', '--prompt', 'cat', '-o', 'out', env=env)
        self.bad(3, ['no checkpoint of step 3'], 'sample', 'run', '--prompt', 'cat', '--checkpoint', '3', env=env)

    def test_another_model(self):
        self.train()
        name = 'model/unet/diffusion_pytorch_model.safetensors'
        data = bytearray(oldruns.read(self.path(name)))
        data[-1] ^= 1
        self.write(name, bytes(data))
        for verb in (['sample', 'run', '--prompt', 'cat', '-o', 'out'],
                     ['export', 'run', '--format', 'kohya', '-o', 'out.safetensors'],
                     ['export', 'run', '--format', 'kohya', '--checkpoint', '2', '-o', 'out.safetensors']):
            self.bad(3, ['hash'], *verb)


if __name__ == '__main__':
    sys.exit(cli.main())
