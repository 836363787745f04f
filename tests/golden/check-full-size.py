#!/usr/bin/env python3
"""check-full-size.py - the whole Stable Diffusion 1.5 or 2.1 with random weights, against diffusers

Text encoder, denoiser at 8 x 8, encoder and decoder by themselves, and vard's latents after one DDIM step, as diffusers
and transformers have them; the latents also from the single file that vard writes. Takes 12 GB of memory and 9 GB below TMPDIR. Runs with the python
that VARD_ORACLE_PYTHON names, as check-interchange.py does. Usage: check-full-size.py 1.5|2.1
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import gc
import importlib
import json
import pathlib
import shutil
import sys
import tempfile
import time

interchange = importlib.import_module('check-interchange')
torch = interchange.torch

BLOCKS = {'block_out_channels': [320, 640, 1280, 1280], 'layers_per_block': 2, 'sample_size': 8,
          'down_block_types': ['CrossAttnDownBlock2D'] * 3 + ['DownBlock2D'],
          'up_block_types': ['UpBlock2D'] + ['CrossAttnUpBlock2D'] * 3}
TEXT = {'vocab_size': 49408, 'max_position_embeddings': 77, 'bos_token_id': 49406, 'eos_token_id': 49407}
KINDS = {
    '1.5': ({**BLOCKS, 'cross_attention_dim': 768, 'attention_head_dim': 8},
            {**TEXT, 'hidden_size': 768, 'intermediate_size': 3072, 'num_hidden_layers': 12,
             'num_attention_heads': 12, 'hidden_act': 'quick_gelu'}, 'epsilon'),
    '2.1': ({**BLOCKS, 'cross_attention_dim': 1024, 'attention_head_dim': [5, 10, 20, 20],
             'use_linear_projection': True, 'upcast_attention': True},
            {**TEXT, 'hidden_size': 1024, 'intermediate_size': 4096, 'num_hidden_layers': 23,
             'num_attention_heads': 16, 'hidden_act': 'gelu'}, 'v_prediction'),
}


def make(path, kind):
    unet, text, prediction = KINDS[kind]
    parts = {
        'unet': interchange.UNet2DConditionModel(**unet),
        'vae': interchange.AutoencoderKL(
            block_out_channels=[128, 256, 512, 512], down_block_types=['DownEncoderBlock2D'] * 4,
            up_block_types=['UpDecoderBlock2D'] * 4, layers_per_block=2, latent_channels=4, sample_size=64),
        'text_encoder': interchange.CLIPTextModel(interchange.CLIPTextConfig(**text)),
    }
    for seed, (name, part) in enumerate(parts.items()):
        interchange.randomize(part, seed)
        print(name, len(part.state_dict()), 'tensors', sum(p.numel() for p in part.parameters()), 'parameters', flush=True)
    tokenizer = interchange.HERE / 'tokenizer'
    pipe = interchange.StableDiffusionPipeline(
        **parts, tokenizer=interchange.CLIPTokenizer.from_pretrained(str(tokenizer)), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
        scheduler=interchange.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule='scaled_linear',
                                            clip_sample=False, set_alpha_to_one=False, steps_offset=1,
                                            prediction_type=prediction))
    pipe.save_pretrained(path)
    shutil.copytree(tokenizer, path / 'tokenizer', dirs_exist_ok=True)
    return pipe


def main(kind):
    interchange.STEPS = 1
    with tempfile.TemporaryDirectory(prefix='vard-full-size-') as name:
        folder = pathlib.Path(name)
        check = interchange.Check(folder)
        pipe = make(folder / 'model', kind)
        begin = time.monotonic()
        expected = interchange.run_diffusers(pipe, check.noise)
        print(f'diffusers: {time.monotonic() - begin:.1f} s', flush=True)
        inputs = interchange.make_inputs(pipe)
        parts = interchange.run_parts_here(pipe, inputs)
        del pipe
        gc.collect()
        begin = time.monotonic()
        check.equal(f'{kind} folder', check.sample(folder / 'model'), expected)
        print(f'vard, with loading: {time.monotonic() - begin:.1f} s', flush=True)
        interchange.check_parts(check, kind, folder / 'model', inputs, parts)
        single = folder / 'single.safetensors'
        print(check.vard('export', folder / 'model', '--format', 'merged-single-file', '-o', single), flush=True)
        shutil.rmtree(folder / 'model/unet')
        shutil.copytree(interchange.HERE / 'tokenizer', folder / 'tokenizer')
        check.equal(f'{kind} single file', check.sample(single), expected)
        with interchange.safe_open(single, 'pt') as file:
            print(len(list(file.keys())), 'tensors;', json.dumps(sorted(file.metadata())))
    print('failed: ' + ', '.join(check.failed) if check.failed else 'all is equal')
    return 1 if check.failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
