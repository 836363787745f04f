#!/usr/bin/env python3
"""check-bf16.py - how far bf16 takes PyTorch itself from what the golden files hold

The same small denoisers, decoders and adapters as in models.json and lora-gradients.json, in single precision and in bf16:
the largest difference, of the largest value; of adapters by autocast, in the matrix where it is largest. The tolerances
of the CUDA engine's bf16 are to be read beside it (docs/cuda.md). Needs torch, diffusers and peft.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import importlib
import json
import pathlib

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from peft import LoraConfig

models = importlib.import_module('make-models-golden')
lora = importlib.import_module('make-lora-golden')


def difference(exact, rounded):
    return float((exact - rounded.to(exact.dtype)).abs().max() / exact.abs().max())


def compare(module, run):
    with torch.no_grad():
        exact = run(module, torch.float32)
        return difference(exact, run(module.to(torch.bfloat16), torch.bfloat16))


def check_denoiser(case):
    module = UNet2DConditionModel(**case['config'])
    models.fill(module)
    context = case['config']['cross_attention_dim']
    width = context[0] if isinstance(context, list) else context
    latents = models.noise('latents', (2, case['height'], case['width'], 4)).permute(0, 3, 1, 2)
    words = models.noise('context', (2, 5, width))
    return compare(module, lambda m, t: m(latents.to(t), torch.tensor([7.0, 961.0]), words.to(t)).sample)


def check_decoder(case):
    module = AutoencoderKL(**case['config'])
    models.fill(module)
    pictures = models.noise('pictures', (1, case['side'], case['side'], 3)).permute(0, 3, 1, 2)
    return compare(module, lambda m, t: m.encode(pictures.to(t)).latent_dist.parameters)


def get_gradients(case, is_half):
    config, targets, rank, alpha = case
    module = UNet2DConditionModel(**config)
    models.fill(module)
    module.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=lora.TARGETS[targets]))
    matrices = {}
    for name, parameter in module.named_parameters():
        if '.lora_' in name:
            path, kind = name.split('.lora_')
            key = f'{path}.{"down" if kind[0] == "A" else "up"}'
            parameter.data = models.values(key, tuple(parameter.shape))
            matrices[key] = parameter
    latents, target = (models.noise(name, (2, 8, 4, 4)).permute(0, 3, 1, 2) for name in ('latents', 'target'))
    with torch.autocast('cpu', dtype=torch.bfloat16, enabled=is_half):
        out = module(latents, torch.tensor([7.0, 961.0]), models.noise('context', (2, 5, config['cross_attention_dim'])))
    (out.sample.float() - target).square().mean().backward()
    return {key: parameter.grad for key, parameter in matrices.items()}


def check_adapters(case):
    exact, rounded = get_gradients(case, False), get_gradients(case, True)
    return max(difference(exact[key], rounded[key]) for key in exact)


def main():
    golden = json.loads(pathlib.Path(__file__).with_name('models.json').read_text())
    for name, case in golden.items():
        if case['class'] in ('unet', 'vae'):
            print(f'{name}: {(check_denoiser if case["class"] == "unet" else check_decoder)(case):.1e}')
    for name, case in lora.CASES.items():
        print(f'adapters-{name}: {check_adapters(case):.1e}')


if __name__ == '__main__':
    main()
