#!/usr/bin/env python3
"""test-bad-models.py - models that are broken, half there, or something else: one sentence that says what to do

And the forms in which good ones come: half precision variants, shards, single files.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import array
import json
import os
import shutil
import struct
import sys

import cli

TINY = os.path.join(cli.TESTS, 'data', 'tiny-model')
UNET = 'unet/diffusion_pytorch_model.safetensors'
VAE = 'vae/diffusion_pytorch_model.safetensors'
TEXT = 'text_encoder/model.safetensors'


def read_tensors(path):
    """Name to (type, shape, bytes)"""
    with open(path, 'rb') as file:
        size, = struct.unpack('<Q', file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    header.pop('__metadata__', None)
    return {name: (entry['dtype'], entry['shape'], data[slice(*entry['data_offsets'])]) for name, entry in header.items()}


def write_tensors(path, tensors):
    header, data = {}, b''
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + data)


class ModelTest(cli.CliTest):
    def setUp(self):
        super().setUp()
        shutil.copytree(TINY, self.path('model'))

    def bad_model(self, words, *more, model='model', code=3):
        return self.bad(code, words, 'sample', '--model', model, '--prompt', 'x', '-o', 'out', '--steps', '2', *more)

    def pixels(self, name, *more, model='model'):
        self.good('sample', '--model', model, '--prompt', 'x', '-o', name, '--steps', '2', *more)
        with open(self.path(name, '000-x-0.png'), 'rb') as file:
            data = file.read()
        return data[data.index(b'IDAT'):]

    def edit(self, name, change):
        path = self.path('model', name)
        with open(path, encoding='utf-8') as file:
            value = json.load(file)
        change(value)
        self.write('model/' + name, json.dumps(value))

    def edit_tensors(self, name, change):
        tensors = read_tensors(self.path('model', name))
        changed = change(tensors)
        write_tensors(self.path('model', name), tensors if changed is None else changed)


class Forms(ModelTest):
    """What is the same model gives the same picture"""

    def setUp(self):
        super().setUp()
        self.expected = self.pixels('expected')

    def shard(self, n=2):
        tensors = read_tensors(self.path('model', UNET))
        shards = [{} for _ in range(n)]
        where = {}
        for i, (name, tensor) in enumerate(tensors.items()):
            shards[i % n][name] = tensor
            where[name] = f'diffusion_pytorch_model-{i % n + 1:05}-of-{n:05}.safetensors'
        for i, shard in enumerate(shards):
            write_tensors(self.path('model/unet', f'diffusion_pytorch_model-{i + 1:05}-of-{n:05}.safetensors'), shard)
        self.write('model/unet/diffusion_pytorch_model.safetensors.index.json',
                   json.dumps({'metadata': {'total_size': 1}, 'weight_map': where}))
        os.remove(self.path('model', UNET))

    def test_half_variant(self):
        for name in UNET, VAE, TEXT:
            os.rename(self.path('model', name), self.path('model', name.replace('.safetensors', '.fp16.safetensors')))
        self.assertEqual(self.pixels('half'), self.expected)

    def test_both_variants(self):
        """The full one is taken where both are there: the other is broken here"""
        self.write('model/' + UNET.replace('.safetensors', '.fp16.safetensors'), 'nothing')
        self.assertEqual(self.pixels('both'), self.expected)

    def test_shards(self):
        self.shard()
        self.assertEqual(self.pixels('shards'), self.expected)

    def test_missing_shard(self):
        self.shard()
        os.remove(self.path('model/unet/diffusion_pytorch_model-00002-of-00002.safetensors'))
        self.bad_model(['diffusion_pytorch_model-00002-of-00002.safetensors'])

    def test_tensor_missing_in_its_shard(self):
        self.shard()
        path = self.path('model/unet/diffusion_pytorch_model-00002-of-00002.safetensors')
        tensors = read_tensors(path)
        name = sorted(tensors)[0]
        del tensors[name]
        write_tensors(path, tensors)
        self.bad_model([name])

    def test_shard_outside(self):
        """An index may not name files elsewhere"""
        self.shard()
        name = 'model/unet/diffusion_pytorch_model.safetensors.index.json'
        with open(self.path(name), encoding='utf-8') as file:
            index = json.load(file)
        index['weight_map'] = {key: '../../' + value for key, value in index['weight_map'].items()}
        self.write(name, json.dumps(index))
        self.bad_model(['index.json'])

    def test_old_text_names(self):
        self.edit_tensors(TEXT, lambda t: {
            **{'text_model.' + name.removeprefix('text_model.'): tensor for name, tensor in t.items()},
            'text_model.embeddings.position_ids': ('I64', [1, 8], struct.pack('<8q', *range(8)))})
        self.assertEqual(self.pixels('old'), self.expected)

    def test_single_file(self):
        self.good('export', 'model', '--format', 'merged-single-file', '-o', 'single.safetensors')
        self.bad_model(['single.safetensors', 'tokenizer', 'beside'], model='single.safetensors')
        shutil.copytree(self.path('model/tokenizer'), self.path('tokenizer'))
        self.assertEqual(self.pixels('single', model='single.safetensors'), self.expected)


class Broken(ModelTest):
    def test_missing_tokenizer(self):
        shutil.rmtree(self.path('model/tokenizer'))
        self.bad_model(['tokenizer', 'vocab.json'])

    def test_missing_vocabulary(self):
        os.remove(self.path('model/tokenizer/vocab.json'))
        self.bad_model(['vocab.json'])

    def test_missing_merges(self):
        os.remove(self.path('model/tokenizer/merges.txt'))
        self.bad_model(['merges.txt'])

    def test_vocabulary_is_no_json(self):
        self.write('model/tokenizer/vocab.json', '{')
        self.bad_model(['vocab.json'])

    def test_special_token_missing(self):
        self.edit('tokenizer/vocab.json', lambda v: v.pop('<|endoftext|>'))
        self.bad_model(['<|endoftext|>', 'vocabulary'])

    def test_vocabulary_of_another_model(self):
        self.edit('tokenizer/vocab.json', lambda v: v.update({'apple</w>': 99999}))
        self.bad_model(['100000 tokens', 'vocab_size is 514'])

    def test_missing_configs(self):
        for name in 'unet/config.json', 'vae/config.json', 'text_encoder/config.json', 'scheduler/scheduler_config.json':
            with self.subTest(name):
                os.rename(self.path('model', name), self.path('kept'))
                self.bad_model([name])
                os.rename(self.path('kept'), self.path('model', name))

    def test_missing_component(self):
        shutil.rmtree(self.path('model/vae'))
        self.bad_model(['vae'])

    def test_pickles(self):
        for name in UNET, VAE, TEXT:
            with self.subTest(name):
                pickle = name.replace('diffusion_pytorch_model.safetensors', 'diffusion_pytorch_model.bin') \
                    .replace('model.safetensors', 'pytorch_model.bin') if name == TEXT else name.replace('.safetensors', '.bin')
                os.rename(self.path('model', name), self.path('kept'))
                self.write('model/' + pickle, b'\x80\x02}q\x00.')
                self.bad_model([os.path.basename(pickle), 'pickle', 'save_pretrained'])
                os.remove(self.path('model', pickle))
                os.rename(self.path('kept'), self.path('model', name))

    def test_what_is_no_weights(self):
        """What a clone or a download leaves when it did not fetch the weights, and pickles by another name"""
        for text, word in (('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3438167540\n', 'git lfs pull'),
                           ('<!doctype html><title>Sign in</title>', 'web page'), (b'PK\3\4' + bytes(40), 'pickle'),
                           (b'\x80\x02}q\0' + b'x' * 40, 'pickle'), ('GGUF' + 'x' * 40, 'GGUF'),
                           ('x' * 40, 'header')):
            with self.subTest(word):
                self.write('model/' + UNET, text)
                self.bad_model([UNET, word])

    def test_folders_that_are_no_model(self):
        self.bad_model(['only a part of a model', 'folder that contains'], model='model/unet')
        self.write('downloads/v1-5.ckpt', 'x')
        self.bad_model(['no model_index.json', 'v1-5.ckpt'], model='downloads')
        self.write('downloads/sd.safetensors', 'x')
        self.bad_model(['no model_index.json', 'sd.safetensors'], model='downloads')
        self.bad_model(['some-one/model', 'vard downloads nothing'], model='some-one/model')

    def test_no_prompts(self):
        os.remove(self.path('model/prompts.txt'))
        self.bad(3, ['prompts is not set', 'one prompt a line'], 'train', '--model', 'model', '--reward', 'colorfulness', '--run',
                 'run')

    def test_checkpoint_file(self):
        self.write('model.ckpt', b'\x80\x02}q\x00.')
        self.bad_model(['model.ckpt', 'pickle', 'from_single_file'], model='model.ckpt')

    def test_another_variant(self):
        """Half precision of the other kind, and weights that are averages: named, and how to go on"""
        os.rename(self.path('model', UNET), self.path('model', UNET.replace('.safetensors', '.non_ema.safetensors')))
        self.bad_model(['diffusion_pytorch_model.non_ema.safetensors', 'rename'])

    def test_missing_tensor(self):
        self.edit_tensors(UNET, lambda t: t.pop('mid_block.resnets.0.conv1.weight') and None)
        self.bad_model(['1 tensor of the configuration', 'missing', 'mid_block.resnets.0.conv1.weight'])

    def test_left_over_tensor(self):
        self.edit_tensors(UNET, lambda t: t.update(stray=('F32', [1], b'\0' * 4)))
        self.bad_model(['1 tensor in the file', 'stray'])

    def test_wrong_shape(self):
        def transpose(tensors):
            dtype, shape, values = tensors['time_embedding.linear_1.weight']
            tensors['time_embedding.linear_1.weight'] = (dtype, shape[::-1], values)
        self.edit_tensors(UNET, transpose)
        self.bad_model(['time_embedding.linear_1.weight', '8', '32'])

    def test_not_a_number(self):
        for name in UNET, VAE, TEXT:
            with self.subTest(name):
                kept = read_tensors(self.path('model', name))
                key = next(key for key, (dtype, _s, _v) in kept.items() if dtype == 'F16')
                broken = dict(kept)
                broken[key] = ('F16', kept[key][1], kept[key][2][:-2] + b'\0\x7e')
                write_tensors(self.path('model', name), broken)
                self.bad_model([os.path.basename(name), key])
                write_tensors(self.path('model', name), kept)

    def test_layers_of_another_size(self):
        self.edit('unet/config.json', lambda v: v.update(layers_per_block=2))
        self.bad_model(['resnets.1', '24', '32'])

    def test_text_encoder_of_another_size(self):
        self.edit('text_encoder/config.json', lambda v: v.update(hidden_size=32))
        self.bad_model(['32', '16'])

    def test_head_size(self):
        self.edit('unet/config.json', lambda v: v.update(attention_head_dim=3))
        self.bad_model(['attention_head_dim', '3'])

    def test_width(self):
        self.bad_model(['width', '501', 'multiple'], '--width', '501', code=2)


class Others(ModelTest):
    """Another architecture: what was found, and what there is"""

    def test_pipelines(self):
        for name in ('StableDiffusionXLPipeline', 'StableDiffusion3Pipeline', 'FluxPipeline', 'PixArtAlphaPipeline',
                     'FlaxStableDiffusionPipeline', 'OnnxStableDiffusionPipeline', 'StableDiffusionInpaintPipeline'):
            with self.subTest(name):
                self.edit('model_index.json', lambda v, name=name: v.update(_class_name=name))
                self.bad_model([name, 'StableDiffusionPipeline'])

    def test_components(self):
        for part, name, ours in (('unet', 'SD3Transformer2DModel', 'UNet2DConditionModel'),
                                 ('vae', 'AutoencoderTiny', 'AutoencoderKL'),
                                 ('text_encoder', 'T5EncoderModel', 'CLIPTextModel'),
                                 ('tokenizer', 'T5Tokenizer', 'CLIPTokenizer')):
            with self.subTest(part):
                with open(self.path('model/model_index.json'), encoding='utf-8') as file:
                    kept = file.read()
                self.edit('model_index.json', lambda v, part=part, name=name: v.update({part: ['diffusers', name]}))
                self.bad_model([name, ours])
                self.write('model/model_index.json', kept)

    def test_samplers(self):
        self.edit('scheduler/scheduler_config.json', lambda v: v.update(_class_name='FlowMatchEulerDiscreteScheduler'))
        self.bad_model(['FlowMatchEulerDiscreteScheduler', 'DDIMScheduler'])

    def test_scheduler_values(self):
        for key, value, word in (('prediction_type', 'score', 'epsilon'), ('beta_schedule', 'squaredcos_cap_v2', 'linear'),
                                 ('timestep_spacing', 'log', 'trailing'), ('rescale_betas_zero_snr', True, 'false'),
                                 ('final_sigmas_type', 'tiny', 'sigma_min'),
                                 ('use_beta_sigmas', True, 'false'), ('interpolation_type', 'log_linear', 'linear')):
            with self.subTest(key):
                name = 'scheduler/scheduler_config.json'
                with open(self.path('model', name), encoding='utf-8') as file:
                    kept = file.read()
                self.edit(name, lambda v, key=key, value=value: v.update({key: value}))
                self.bad_model([key, word])
                self.write('model/' + name, kept)

    def test_inpainting(self):
        self.edit('unet/config.json', lambda v: v.update(in_channels=9))
        self.bad_model(['9 to 4 channels', 'inpainting'])

    def test_single_files(self):
        """By the tensors that tell them"""
        one = ('F32', [1], array.array('f', [1]).tobytes())
        for key, word in (('conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight', 'XL'),
                          ('double_blocks.0.img_attn.proj.weight', 'Flux'), ('some.tensor', 'not a Stable Diffusion 1.x or 2.x model')):
            with self.subTest(key):
                write_tensors(self.path('other.safetensors'), {key: one, 'model.diffusion_model.x': one})
                done = self.bad_model(['other.safetensors'], model='other.safetensors')
                self.assertIn(word, done.stderr)


if __name__ == '__main__':
    sys.exit(cli.main())
