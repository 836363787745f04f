#!/usr/bin/env python3
"""test-export.py - adapters and merged models written for other programs, and LoRA files that were written by others"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import array
import hashlib
import json
import os
import random
import shutil
import struct
import sys
import time

import cli

MODEL = os.path.join(os.path.dirname(cli.TESTS), 'data/models/emoji')

TINY = os.path.join(cli.TESTS, 'data/tiny-model')


def read_header(path):
    with open(path, 'rb') as file:
        size, = struct.unpack('<Q', file.read(8))
        return json.loads(file.read(size))


def write_tensors(path, tensors, metadata=None):
    """tensors: name to (shape, array of floats)"""
    header, data = {}, b''
    if metadata:
        header['__metadata__'] = metadata
    for name, (shape, values) in tensors.items():
        header[name] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [len(data), len(data) + 4 * len(values)]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + data)


class Export(cli.CliTest):
    def layers(self, part='to_q'):
        """Linear layers of the denoiser by the end of their path, with (out, in)"""
        header = read_header(os.path.join(MODEL, 'unet/diffusion_pytorch_model.safetensors'))
        end = f'.{part}.weight'
        return {name[:-len('.weight')]: entry['shape'] for name, entry in header.items() if name.endswith(end)}

    def write_lora(self, name, prefix='lora_unet_', alpha=8.0):
        tensors, noise = {}, random.Random(4)
        for path, (n_out, n_in) in self.layers().items():
            key = prefix + path.replace('.', '_')
            tensors[key + '.lora_down.weight'] = ([2, n_in], array.array('f', (noise.gauss(0, .5) for _ in range(2 * n_in))))
            tensors[key + '.lora_up.weight'] = ([n_out, 2], array.array('f', (noise.gauss(0, .5) for _ in range(2 * n_out))))
            tensors[key + '.alpha'] = ([], array.array('f', [alpha]))
        write_tensors(self.path(name), tensors)
        return len(self.layers())

    def sample(self, name, *more):
        self.good('sample', '--model', MODEL, '--prompt', 'red apple', '--steps', '2', '-o', name, *more)
        folder = self.path(name)
        with open(os.path.join(folder, sorted(os.listdir(folder))[0]), 'rb') as file:
            return file.read()

    def test_lora_formats(self):
        n = self.write_lora('in.safetensors')
        for form in ('diffusers', 'kohya'):
            said = self.good('export', MODEL, '--lora', 'in.safetensors:0.5', '--format', form, '-o', form + '.safetensors')
            self.assertIn(f'{n} adapters', said.stdout)
            self.assertIn('all of them matched', said.stdout)
        kohya = read_header(self.path('kohya.safetensors'))
        metadata = kohya.pop('__metadata__')
        self.assertTrue(all(name.startswith('lora_unet_') for name in kohya))
        self.assertEqual(metadata['ss_network_dim'], '2')
        self.assertEqual(metadata['ss_network_alpha'], '4')
        self.assertEqual(metadata['vard_base_model'], 'emoji')
        with open(self.path('kohya.safetensors'), 'rb') as file:
            size, = struct.unpack('<Q', file.read(8))
            file.seek(8 + size)
            self.assertEqual(metadata['sshs_model_hash'], hashlib.sha256(file.read()).hexdigest())
        self.assertEqual(len(metadata['sshs_legacy_hash']), 8)
        self.assertEqual(metadata['modelspec.architecture'], 'stable-diffusion-v1/lora')
        self.assertNotIn(self.folder, json.dumps(metadata))
        diffusers = read_header(self.path('diffusers.safetensors'))
        self.assertEqual(len(diffusers) - 1, 2 * n)
        self.assertTrue(all(name.startswith('unet.') for name in diffusers if name != '__metadata__'))

    def test_merged(self):
        self.write_lora('in.safetensors')
        said = self.good('export', MODEL, '--lora', 'in.safetensors', '--format', 'merged-folder', '-o', 'merged')
        n = sum(len(read_header(self.path('merged', name))) - 1 for name in self.tree(self.path('merged'))
                if name.endswith('.safetensors'))
        self.assertIn(f'{n} tensors, all of them matched', said.stdout)
        header = read_header(self.path('merged/unet/diffusion_pytorch_model.safetensors'))
        self.assertEqual(header['__metadata__']['vard_base_model'], 'emoji')
        said = self.good('export', MODEL, '--lora', 'in.safetensors', '--half', '--format', 'merged-single-file',
                         '-o', 'merged.safetensors')
        self.assertIn('tokenizer', said.stdout)
        self.assertTrue(os.path.exists(self.path('merged/tokenizer/vocab.json')))
        header = read_header(self.path('merged.safetensors'))
        self.assertIn('model.diffusion_model.input_blocks.0.0.weight', header)
        self.assertEqual({entry['dtype'] for name, entry in header.items() if name != '__metadata__'}, {'F16'})
        # merged again from what was written: nothing more to add, the same model
        self.good('export', 'merged.safetensors', '--tokenizer', os.path.join(MODEL, 'tokenizer'), '--format',
                  'merged-folder', '-o', 'again')
        self.assertTrue(os.path.exists(self.path('again/model_index.json')))

    def test_sample_with_lora(self):
        self.write_lora('in.safetensors')
        plain = self.sample('plain')
        without = self.sample('without', '--lora', 'in.safetensors:0')
        changed = self.sample('changed', '--lora', 'in.safetensors')
        self.assertNotEqual(plain, changed)
        self.assertNotEqual(without, changed)
        self.assertIn(b'in.safetensors', changed)

    def test_text_encoder(self):
        """Keys of the text encoder, in both spellings, change what is sampled, and are in what is exported"""
        part = 'text_model.encoder.layers.0.self_attn.q_proj'
        noise = random.Random(5)
        down, up = (array.array('f', (noise.gauss(0, 5) for _ in range(32))) for _ in range(2))
        kohya = 'lora_te_' + part.replace('.', '_')
        write_tensors(self.path('kohya.safetensors'), {kohya + '.lora_down.weight': ([2, 16], down),
                                                       kohya + '.lora_up.weight': ([16, 2], up)})
        layer = 'text_encoder.' + part + '.lora_linear_layer.'
        write_tensors(self.path('diffusers.safetensors'), {layer + 'down.weight': ([2, 16], down),
                                                           layer + 'up.weight': ([16, 2], up)})
        latents = []
        for name in ('none', 'kohya', 'diffusers'):
            lora = [] if name == 'none' else ['--lora', name + '.safetensors']
            self.good('sample', '--model', TINY, '--prompt', 'red', '--latents', name + '-latents.safetensors', '-o', name,
                      '--steps', '2', *lora)
            with open(self.path(name + '-latents.safetensors'), 'rb') as file:
                latents.append(file.read())
        self.assertNotEqual(latents[0], latents[1])
        self.assertEqual(latents[1], latents[2])
        self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'run', *cli.QUICK)
        for form, key in ('kohya', kohya + '.lora_up.weight'), ('diffusers', layer + 'up.weight'):
            self.good('export', 'run', '--lora', 'kohya.safetensors', '--format', form, '-o', 'out-' + form + '.safetensors')
            names = read_header(self.path('out-' + form + '.safetensors'))
            self.assertIn(key, names)
            self.assertTrue(any('unet' in name for name in names))

    def test_run(self):
        """What a run ended with, and a checkpoint: the adapters do what was trained, the header says what for"""
        self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'run', *cli.QUICK)
        said = self.good('export', 'run', '--format', 'kohya', '-o', 'run.safetensors').stdout
        self.assertNotIn('have no effect', said)
        metadata = read_header(self.path('run.safetensors'))['__metadata__']
        self.assertEqual(metadata['vard_run'], 'run')
        self.assertEqual(metadata['vard_rewards'], 'colorfulness')
        self.assertEqual(metadata['ss_steps'], '4')
        self.assertLess(time.time() - 1000, float(metadata['ss_training_started_at']))
        self.assertLessEqual(float(metadata['ss_training_started_at']), float(metadata['ss_training_finished_at']))
        self.good('export', 'run', '--checkpoint', '2', '--format', 'merged-folder', '-o', 'merged')
        metadata = read_header(self.path('merged/unet/diffusion_pytorch_model.safetensors'))['__metadata__']
        self.assertEqual(metadata['vard_step'], '2')
        self.good('sample', '--model', 'merged', '--prompt', 'red', '--steps', '2', '-o', 'out')

    def test_run_that_went_on(self):
        """Ended, resumed and cancelled: what it ended with before is not what it has now"""
        self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'run', *cli.QUICK)
        with open(self.path('run/state.json'), encoding='utf-8') as file:
            state = json.load(file)
        self.write('run/state.json', json.dumps({**state, 'state': 'cancelled'}))
        shutil.rmtree(self.path('run/checkpoints/step-000004'))
        said = self.good('export', 'run', '--format', 'kohya', '-o', 'run.safetensors').stdout
        self.assertIn('has not ended; exporting its newest checkpoint', said)
        self.assertEqual(read_header(self.path('run.safetensors'))['__metadata__']['vard_step'], '2')

    def test_full_run(self):
        """Every weight was trained: what is exported is that to the last bit, and says what it began as"""
        self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'run', '--weights', 'full', *cli.QUICK)
        self.good('export', 'run', '--format', 'merged-folder', '-o', 'merged')
        os.mkdir(self.path('tokenizer'))
        self.good('export', 'run', '--format', 'merged-single-file', '-o', 'tokenizer/merged.safetensors')
        with open(self.path('run/run.json'), encoding='utf-8') as file:
            base = json.load(file)['model']
        for name in 'merged/unet/diffusion_pytorch_model.safetensors', 'tokenizer/merged.safetensors':
            metadata = read_header(self.path(name))['__metadata__']
            self.assertEqual(metadata['vard_base_model'], 'tiny-model')
            self.assertEqual(metadata['vard_base_model_hash'], base['hash'])
            self.assertEqual(metadata['vard_learning_rate'], '0.01')
        for name in 'vocab.json', 'merges.txt', 'tokenizer_config.json':
            shutil.copy(os.path.join(TINY, 'tokenizer', name), self.path('tokenizer'))
        latents = []
        for what in ['run'], ['--model', 'merged'], ['--model', 'tokenizer/merged.safetensors']:
            self.good('sample', *what, '--prompt', 'red', '--steps', '2', '-o', 'out', '--latents', 'latents.safetensors')
            with open(self.path('latents.safetensors'), 'rb') as file:
                latents.append(file.read())
            os.remove(self.path('latents.safetensors'))
        self.assertEqual(latents[0], latents[1])
        self.assertEqual(latents[0], latents[2])

    def test_layers(self):
        """Kinds of layers and ends of names: which have an adapter is what the file has"""
        header = read_header(os.path.join(TINY, 'unet/diffusion_pytorch_model.safetensors'))
        ends = {'attention': ['to_q', 'to_k', 'to_v', 'to_out.0'], 'feed-forward': ['ff.net.0.proj', 'ff.net.2'],
                'projections': ['proj_in', 'proj_out'], 'to_v': ['to_v']}
        for kinds in ['attention'], ['attention', 'feed-forward'], list(ends), ['feed-forward', 'to_v']:
            name = '-'.join(kinds)
            targets = [word for kind in kinds for word in ('--lora-target', kind)]
            self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', name, *targets, *cli.QUICK)
            wanted = {layer for layer in (key.removesuffix('.weight') for key in header)
                      if any(layer.endswith('.' + end) for kind in kinds for end in ends[kind])}
            file = read_header(self.path(name, 'final/pytorch_lora_weights.safetensors'))
            self.assertEqual({key.removeprefix('unet.').removesuffix('.lora.up.weight') for key in file
                              if key.endswith('.up.weight')}, wanted)
        self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'default', *cli.QUICK)
        self.assertEqual(read_header(self.path('default/final/pytorch_lora_weights.safetensors')),
                         read_header(self.path('attention/final/pytorch_lora_weights.safetensors')))

    def test_nothing_to_export(self):
        self.bad(2, ['no LoRA'], 'export', MODEL, '--format', 'kohya', '-o', 'x.safetensors')

    def test_wrong_usage(self):
        self.bad(2, ['--format'], 'export', MODEL, '-o', 'x.safetensors')
        self.bad(2, ['-o'], 'export', MODEL, '--format', 'kohya')
        self.bad(2, ['.safetensors'], 'export', MODEL, '--format', 'kohya', '-o', 'x.pt')
        self.bad(2, ['no run or model is given'], 'export', '--format', 'kohya', '-o', 'x.safetensors')
        self.bad(2, ['loud'], 'export', MODEL, '--lora', 'x:loud', '--format', 'kohya', '-o', 'x.safetensors')
        self.bad(3, ['nowhere'], 'export', 'nowhere', '--format', 'kohya', '-o', 'x.safetensors')

    def test_not_overwritten(self):
        self.write_lora('in.safetensors')
        self.write('out.safetensors', 'mine')
        self.bad(3, ['out.safetensors', 'exists'], 'export', MODEL, '--lora', 'in.safetensors', '--format', 'kohya',
                 '-o', 'out.safetensors')

    def test_lora_of_another_model(self):
        write_tensors(self.path('in.safetensors'), {
            'lora_unet_input_blocks_4_1_proj_in.lora_down.weight': ([1, 2], array.array('f', [1, 2])),
            'lora_unet_input_blocks_4_1_proj_in.lora_up.weight': ([2, 1], array.array('f', [1, 2]))})
        for verb in (['sample', '--model', MODEL, '--prompt', 'x', '-o', 'out'],
                     ['export', MODEL, '--format', 'kohya', '-o', 'x.safetensors']):
            self.bad(3, ['2 tensors fit no', 'lora_unet_input_blocks_4_1_proj_in'], *verb, '--lora', 'in.safetensors')

    def test_other_adapters(self):
        """What others call LoRA too is refused by its kind, whatever fits beside it"""
        layer = 'lora_unet_' + next(iter(self.layers())).replace('.', '_')
        ones = array.array('f', [1])
        for extra, word in (({layer + '.dora_scale': ([1, 1], ones)}, 'DoRA'),
                            ({layer + '.hada_w1_a': ([1, 1], ones)}, 'LoHa'),
                            ({layer + '.lokr_w1': ([1, 1], ones)}, 'LoKr'),
                            ({'lora_te2_text_model_x.lora_up.weight': ([1, 1], ones)}, 'XL'),
                            ({'lora_unet_conv_in.lora_down.weight': ([1, 1, 3, 3], array.array('f', [1] * 9)),
                              'lora_unet_conv_in.lora_up.weight': ([1, 1, 1, 1], ones)}, 'convolutions')):
            with self.subTest(word):
                write_tensors(self.path('in.safetensors'), extra)
                self.bad(3, ['in.safetensors', word], 'export', MODEL, '--lora', 'in.safetensors', '--format', 'kohya', '-o',
                         'x.safetensors')

    def test_lora_that_is_no_number(self):
        self.write_lora('in.safetensors', alpha=float('nan'))
        self.bad(3, ['alpha', 'finite'], 'export', MODEL, '--lora', 'in.safetensors', '--format', 'kohya',
                 '-o', 'x.safetensors')

    def test_lora_is_no_model(self):
        self.write_lora('in.safetensors')
        self.bad(3, ['LoRA file', '--lora'], 'sample', '--model', 'in.safetensors', '--prompt', 'x', '-o', 'out')

    def test_pickle(self):
        self.write('in.bin', b'\x80\x02')
        self.bad(3, ['pickle', 'save_file'], 'export', MODEL, '--lora', 'in.bin', '--format', 'kohya', '-o', 'x.safetensors')


if __name__ == '__main__':
    sys.exit(cli.main())
