#!/usr/bin/env python3
"""make-trajectories-golden.py - what the samplers of diffusers do with a denoiser that is a formula

Whole trajectories, for tests/unit/process/test-noise-levels.c: what the model sees at each step, and the end. Noise
is a formula too. Prints the golden file trajectories.json, or with the name of a sampler that came later that sampler's
own file, such as trajectories-dpmpp-2m-sde.json. Needs torch and diffusers; the tests only need what this printed.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import math
import sys

import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
                       EulerDiscreteScheduler)
from diffusers.schedulers import scheduling_ddpm, scheduling_euler_ancestral_discrete

LATENT = dict(beta_start=0.00085, beta_end=0.012, beta_schedule='scaled_linear')
CLASSES = {'ddim': DDIMScheduler, 'ddpm': DDPMScheduler, 'euler': EulerDiscreteScheduler,
           'euler-ancestral': EulerAncestralDiscreteScheduler, 'dpmpp-2m': DPMSolverMultistepScheduler}
LATER = {'dpmpp-2m-sde': (DPMSolverMultistepScheduler, dict(algorithm_type='sde-dpmsolver++', solver_order=2,
                                                            solver_type='midpoint'))}
SIZE = 3


def noise(k):
    """of step k; 0 is where it begins"""
    return torch.tensor([[1.5 * math.sin(12.9898 * (k + 1) + 78.233 * (i + 1)) for i in range(SIZE)]])


def denoise(x, t):
    return 0.9 * torch.sin(1.1 * x + 0.003 * float(t)) + 0.2 * x


def make(kind, n_steps, spacing=None, prediction='epsilon', eta=0.0, **more):
    config = dict(LATENT, num_train_timesteps=1000, steps_offset=1, prediction_type=prediction, **more)
    if spacing:
        config['timestep_spacing'] = spacing
    if kind in ('ddim', 'ddpm'):
        config['clip_sample'] = False
    if kind == 'ddim':
        config['set_alpha_to_one'] = False
    own, own_config = LATER.get(kind) or (CLASSES[kind], {})
    scheduler = own(**config, **own_config)
    scheduler.set_timesteps(n_steps)
    k = 0

    def next_noise(*_args, **_more):
        return noise(k + 1)

    scheduling_ddpm.randn_tensor = scheduling_euler_ancestral_discrete.randn_tensor = next_noise
    x = noise(0) * scheduler.init_noise_sigma
    rows = []
    for k, t in enumerate(scheduler.timesteps):
        seen = scheduler.scale_model_input(x, t)
        rows.append([round(float(t), 4)] + [float(f'{v:.8g}') for v in seen[0].tolist()])
        extra = {'eta': eta, 'variance_noise': noise(k + 1) if eta > 0 else None} if kind == 'ddim' else {}
        if kind in LATER:
            extra = {'variance_noise': noise(k + 1)}
        x = scheduler.step(denoise(seen, t), t, x, **extra).prev_sample
    rows.append([-1] + [float(f'{v:.8g}') for v in x[0].tolist()])
    return {'sampler': kind, 'n_steps': n_steps, 'spacing': spacing, 'prediction': prediction, 'eta': eta,
            'karras': more.get('use_karras_sigmas', False),
            'sigma_min': more.get('final_sigmas_type') == 'sigma_min', 'rows': rows}


def make_all():
    for kind in CLASSES:
        for spacing in ('leading', 'trailing', 'linspace', None):
            for prediction in ('epsilon', 'v_prediction'):
                yield make(kind, 9 if spacing == 'trailing' else 20, spacing, prediction, 1.0 if kind == 'ddim' else 0.0)
    yield make('ddim', 10, 'leading', 'epsilon', 0.0)
    for kind in ('euler', 'dpmpp-2m'):
        yield make(kind, 12, 'linspace', use_karras_sigmas=True)
        yield make(kind, 20, 'leading', 'v_prediction', use_karras_sigmas=True)
        yield make(kind, 20, 'trailing', final_sigmas_type='sigma_min')
        yield make(kind, 8, 'linspace', 'v_prediction', final_sigmas_type='sigma_min')
    yield make('dpmpp-2m', 1, 'linspace')
    yield make('euler', 1, 'trailing')
    yield make('euler-ancestral', 50, 'leading')


def make_later(kind):
    for spacing in ('leading', 'trailing', 'linspace', None):
        for prediction in ('epsilon', 'v_prediction', 'sample'):
            yield make(kind, 9 if spacing == 'trailing' else 20, spacing, prediction)
    yield make(kind, 12, 'linspace', use_karras_sigmas=True)
    yield make(kind, 20, 'trailing', final_sigmas_type='sigma_min')
    yield make(kind, 8, 'linspace', 'v_prediction', final_sigmas_type='sigma_min')
    yield make(kind, 1, 'linspace')


rows = make_later(sys.argv[1]) if len(sys.argv) > 1 else make_all()
print('[\n' + ',\n'.join(json.dumps(row, separators=(',', ':')) for row in rows) + '\n]')
