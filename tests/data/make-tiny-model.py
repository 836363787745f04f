#!/usr/bin/env python3
"""make-tiny-model.py - a model folder with random weights, as diffusers writes it, small enough to train in a test

Usage: make-tiny-model.py FOLDER    (needs torch, diffusers, transformers, safetensors)
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import sys

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

TOKENS = 8
SCHEDULER = {
    'num_train_timesteps': 1000, 'beta_start': 0.00085, 'beta_end': 0.012, 'beta_schedule': 'scaled_linear',
    'clip_sample': False, 'set_alpha_to_one': False, 'steps_offset': 1, 'prediction_type': 'v_prediction',
    'timestep_spacing': 'trailing',
}
INDEX = {
    '_class_name': 'StableDiffusionPipeline', '_diffusers_version': '0.30.0',
    'feature_extractor': [None, None], 'requires_safety_checker': False, 'safety_checker': [None, None],
    'scheduler': ['diffusers', 'DDIMScheduler'], 'text_encoder': ['transformers', 'CLIPTextModel'],
    'tokenizer': ['transformers', 'CLIPTokenizer'], 'unet': ['diffusers', 'UNet2DConditionModel'],
    'vae': ['diffusers', 'AutoencoderKL'],
}


def byte_symbols():
    """The printable stand-ins for bytes of byte-pair vocabularies"""
    plain = list(range(ord('!'), ord('~') + 1)) + list(range(0xa1, 0xad)) + list(range(0xae, 0x100))
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


def write_json(path, value):
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(value, file, indent=1, sort_keys=True)
        file.write('\n')


def save_tokenizer(folder):
    os.makedirs(folder)
    symbols = byte_symbols()
    words = symbols + [s + '</w>' for s in symbols] + ['<|startoftext|>', '<|endoftext|>']
    write_json(os.path.join(folder, 'vocab.json'), {word: i for i, word in enumerate(words)})
    with open(os.path.join(folder, 'merges.txt'), 'w', encoding='utf-8') as file:
        file.write('#version: 0.2\n')
    end = {name: '<|endoftext|>' for name in ('eos_token', 'pad_token', 'unk_token')}
    write_json(os.path.join(folder, 'special_tokens_map.json'), {'bos_token': '<|startoftext|>', **end})
    write_json(os.path.join(folder, 'tokenizer_config.json'),
               {'bos_token': '<|startoftext|>', **end, 'model_max_length': TOKENS, 'do_lower_case': True,
                'errors': 'replace', 'add_prefix_space': False, 'tokenizer_class': 'CLIPTokenizer'})
    return len(words)


def save_weights(model, path):
    save_file({k: v.detach().half().contiguous() for k, v in model.state_dict().items()
               if not k.endswith('position_ids')}, path, metadata={'format': 'pt'})


def main(folder):
    torch.manual_seed(1)
    n_words = save_tokenizer(os.path.join(folder, 'tokenizer'))
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=n_words, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=TOKENS, bos_token_id=n_words - 2, eos_token_id=n_words - 1,
        pad_token_id=n_words - 1, projection_dim=16))
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
        down_block_types=('CrossAttnDownBlock2D', 'DownBlock2D'), up_block_types=('UpBlock2D', 'CrossAttnUpBlock2D'),
        cross_attention_dim=16, attention_head_dim=2, norm_num_groups=4)
    vae = AutoencoderKL(
        sample_size=16, block_out_channels=(8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=4,
        down_block_types=('DownEncoderBlock2D',) * 2, up_block_types=('UpDecoderBlock2D',) * 2,
        mid_block_add_attention=False, scaling_factor=1.0)
    with torch.no_grad():
        # As random weights come, pictures are all grey and a reward has nothing to tell apart
        vae.decoder.conv_out.weight *= 8
    for name, model, weights in (('text_encoder', text, 'model'), ('unet', unet, 'diffusion_pytorch_model'),
                                 ('vae', vae, 'diffusion_pytorch_model')):
        path = os.path.join(folder, name)
        os.makedirs(path)
        if name == 'text_encoder':
            model.config.save_pretrained(path)
        else:
            model.save_config(path)
        save_weights(model, os.path.join(path, weights + '.safetensors'))
    DDIMScheduler(**SCHEDULER).save_config(os.path.join(folder, 'scheduler'))
    write_json(os.path.join(folder, 'model_index.json'), INDEX)
    with open(os.path.join(folder, 'prompts.txt'), 'w', encoding='utf-8') as file:
        file.write('apple\ncat\nfire\nsun\n')


if __name__ == '__main__':
    main(sys.argv[1])
