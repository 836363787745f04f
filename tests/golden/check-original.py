#!/usr/bin/env python3
"""check-original.py - a single file of 2.x as the original programs leave it, against diffusers

24 OpenCLIP layers of which 23 are computed, a fused in_proj, averaged weights and buffers beside, no word about what
is predicted but scheduler/ beside the file or the header. Runs with the python that VARD_ORACLE_PYTHON names; skipped
without.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import importlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

interchange = importlib.import_module('check-interchange')
torch = interchange.torch

WIDTH = 128
TEXT = 'cond_stage_model.model.'
SIZE = ['--width', 16, '--height', 16]
LAYER = {'ln_1': 'layer_norm1', 'ln_2': 'layer_norm2', 'mlp.c_fc': 'mlp.fc1', 'mlp.c_proj': 'mlp.fc2',
         'attn.out_proj': 'self_attn.out_proj'}


def make_pipe():
    vocabulary = json.loads((interchange.HERE / 'tokenizer/vocab.json').read_text())
    parts = {
        'unet': interchange.UNet2DConditionModel(
            sample_size=64, block_out_channels=[64, 128], layers_per_block=2, cross_attention_dim=WIDTH,
            down_block_types=['CrossAttnDownBlock2D', 'DownBlock2D'],
            up_block_types=['UpBlock2D', 'CrossAttnUpBlock2D'], attention_head_dim=[1, 2], use_linear_projection=True),
        'vae': interchange.AutoencoderKL(
            block_out_channels=[32, 64], down_block_types=['DownEncoderBlock2D'] * 2,
            up_block_types=['UpDecoderBlock2D'] * 2, layers_per_block=1, latent_channels=4, sample_size=128),
        'text_encoder': interchange.CLIPTextModel(interchange.CLIPTextConfig(
            vocab_size=max(vocabulary.values()) + 1, hidden_size=WIDTH, intermediate_size=2 * WIDTH,
            num_hidden_layers=23, num_attention_heads=2, max_position_embeddings=16, hidden_act='gelu',
            bos_token_id=vocabulary['<|startoftext|>'], eos_token_id=vocabulary['<|endoftext|>'], pad_token_id=1)),
    }
    for seed, part in enumerate(parts.values()):
        interchange.randomize(part, seed)
    return interchange.StableDiffusionPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        tokenizer=interchange.CLIPTokenizer.from_pretrained(str(interchange.HERE / 'tokenizer')),
        scheduler=interchange.DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule='scaled_linear', clip_sample=False,
            set_alpha_to_one=False, steps_offset=1, prediction_type='v_prediction'))


def original_text(encoder):
    """OpenCLIP's names, with a 24th layer that nothing computes"""
    state = {name.removeprefix('text_model.'): tensor for name, tensor in encoder.state_dict().items()}
    out = {'token_embedding.weight': state['embeddings.token_embedding.weight'],
           'positional_embedding': state['embeddings.position_embedding.weight'],
           'text_projection': torch.ones(WIDTH, WIDTH), 'logit_scale': torch.tensor(4.6)}
    for kind in ('weight', 'bias'):
        out[f'ln_final.{kind}'] = state[f'final_layer_norm.{kind}']
        for i in range(24):
            here, there = f'transformer.resblocks.{i}.', f'encoder.layers.{min(i, 22)}.'
            out[f'{here}attn.in_proj_{kind}'] = torch.cat([state[f'{there}self_attn.{x}_proj.{kind}'] for x in 'qkv'])
            for name, ours in LAYER.items():
                out[f'{here}{name}.{kind}'] = state[f'{there}{ours}.{kind}'].clone()
    return {TEXT + name: tensor for name, tensor in out.items()}


def make_original(check, pipe):
    pipe.save_pretrained(check.folder / 'folder')
    shutil.copytree(interchange.HERE / 'tokenizer', check.folder / 'folder/tokenizer', dirs_exist_ok=True)
    ours = check.folder / 'ours.safetensors'
    check.vard('export', check.folder / 'folder', '--format', 'merged-single-file', '-o', ours)
    tensors = {name: tensor for name, tensor in interchange.load_file(ours).items() if not name.startswith('cond_stage')}
    denoiser = [name for name in tensors if name.startswith('model.diffusion_model.')]
    tensors |= {'model_ema.' + name.removeprefix('model.').replace('.', ''): 2 * tensors[name] for name in denoiser}
    tensors |= {name: torch.ones(1000) for name in ('betas', 'alphas_cumprod', 'posterior_variance')}
    return tensors | original_text(pipe.text_encoder) | {'global_step': torch.tensor(110000)}


def main():
    with tempfile.TemporaryDirectory(prefix='vard-original-') as name:
        check = interchange.Check(pathlib.Path(name))
        pipe = make_pipe()
        tensors = make_original(check, pipe)
        expected = interchange.run_diffusers(pipe, check.noise)
        shutil.copytree(interchange.HERE / 'tokenizer', check.folder / 'tokenizer')
        path = check.folder / 'original.safetensors'
        interchange.save_file(tensors, path)
        done = subprocess.run([interchange.VARD, 'sample', '--model', path, '--prompt', 'x'], capture_output=True,
                              text=True, check=False)
        if done.returncode != 3 or 'scheduler_config.json' not in done.stderr:
            check.failed.append('a file that does not say what it predicts')
        interchange.save_file(tensors, path, metadata={'modelspec.prediction_type': 'v'})
        check.equal('header says v', check.sample(path, *SIZE), expected)
        interchange.save_file(tensors, path)
        shutil.copytree(check.folder / 'folder/scheduler', check.folder / 'scheduler')
        check.equal('scheduler beside', check.sample(path, *SIZE), expected)
    print('failed: ' + ', '.join(check.failed) if check.failed else 'all is equal')
    return 1 if check.failed else 0


if __name__ == '__main__':
    sys.exit(main())
