#!/usr/bin/env python3
"""make-lora-golden.py - writes lora-gradients.json: what autograd says of the adapters of PEFT on a denoiser of diffusers

The loss is the mean square of the denoiser's error, in double precision, so that the error that is
measured is vard's. Weights, adapters and inputs are the formula of
make-models-golden.py. Of each gradient are kept its length, its product with a known vector, its largest value and some
elements. Needs torch, diffusers and peft.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import importlib
import json
import pathlib

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig

models = importlib.import_module('make-models-golden')

TARGETS = {'attention': ['to_q', 'to_k', 'to_v', 'to_out.0'],
           'wide': ['to_q', 'to_k', 'to_v', 'to_out.0', 'proj_in', 'proj_out', 'ff.net.0.proj', 'ff.net.2']}
N_KEPT = 12
COMMON = {'sample_size': 8, 'norm_num_groups': 8, 'in_channels': 4, 'out_channels': 4, 'block_out_channels': [16, 32],
          'layers_per_block': 1, 'down_block_types': ['CrossAttnDownBlock2D', 'DownBlock2D'],
          'up_block_types': ['UpBlock2D', 'CrossAttnUpBlock2D'], 'cross_attention_dim': 24}
CASES = {
    'sd1': ({**COMMON, 'attention_head_dim': 4}, 'wide', 2, 0.5),
    'sd2': ({**COMMON, 'attention_head_dim': [2, 4], 'use_linear_projection': True}, 'attention', 3, 3.0),
}


def digest(name, gradient):
    flat = gradient.double().flatten()
    known = torch.tensor(models.uniform('dot', len(flat)))
    kept = flat[::max(1, len(flat) // N_KEPT)][:N_KEPT]
    numbers = [flat.abs().max(), flat.norm(), flat @ known, *kept]
    assert flat.abs().max() > 0, name
    return [float(f'{float(v):.7g}') for v in numbers]


def make(config, targets, rank, alpha):
    module = UNet2DConditionModel(**config)
    tensors = models.fill(module)
    module.double()
    module.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=TARGETS[targets]))
    matrices = {}
    for name, parameter in module.named_parameters():
        if '.lora_' in name:
            path, kind = name.split('.lora_')
            key = f'{path}.{"down" if kind[0] == "A" else "up"}'
            parameter.data = models.values(key, tuple(parameter.shape[:2])).reshape(parameter.shape).double()
            matrices[key] = parameter
    latents, target = (models.noise(name, (2, 8, 4, 4)).permute(0, 3, 1, 2).double() for name in ('latents', 'target'))
    out = module(latents, torch.tensor([7.0, 961.0]), models.noise('context', (2, 5, config['cross_attention_dim'])).double())
    loss = (out.sample - target).square().mean()
    loss.backward()
    return {'config': config, 'tensors': tensors, 'height': 8, 'width': 4, 'targets': TARGETS[targets], 'rank': rank,
            'alpha': alpha, 'loss': loss.item(),
            'gradients': {key: digest(key, parameter.grad) for key, parameter in matrices.items()}}


def main():
    torch.manual_seed(0)
    lines = ',\n'.join(f'{json.dumps(name)}: {json.dumps(make(*case), separators=(",", ":"))}'
                       for name, case in CASES.items())
    pathlib.Path(__file__).with_name('lora-gradients.json').write_text('{\n' + lines + '\n}\n')


if __name__ == '__main__':
    main()
