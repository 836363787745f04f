#!/usr/bin/env python3
"""make-sampler-golden.py - the coefficients of diffusers' DDIM steps, for tests/unit/process/test-sampler.c

A step is linear in the latent, the model's output and the noise, so that feeding units reads its coefficients.
Prints the golden file. Needs torch and diffusers; the tests only need what this printed.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json

import torch
from diffusers import DDIMScheduler

LATENT = dict(beta_start=0.00085, beta_end=0.012, beta_schedule='scaled_linear')
PIXEL = dict(beta_start=0.0001, beta_end=0.02, beta_schedule='linear')

CASES = [
    (LATENT, 'leading', 1, False, 'epsilon', 50, 1.0),
    (LATENT, 'leading', 1, False, 'epsilon', 20, 0.0),
    (LATENT, 'trailing', 1, True, 'v_prediction', 20, 1.0),
    (LATENT, 'trailing', 0, True, 'v_prediction', 7, 0.5),
    (LATENT, 'linspace', 0, True, 'epsilon', 20, 1.0),
    (PIXEL, 'leading', 0, True, 'epsilon', 13, 1.0),
]


def read_step(scheduler, t, eta):
    zero, one = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)

    def call(out, x, z):
        return scheduler.step(out, int(t), x, eta=eta, variance_noise=z if eta > 0 else None).prev_sample.item()

    return [int(t), call(zero, one, zero), call(one, zero, zero), call(zero, zero, one)]


def make(case):
    betas, spacing, offset, to_one, prediction, n_steps, eta = case
    scheduler = DDIMScheduler(num_train_timesteps=1000, clip_sample=False, timestep_spacing=spacing,
                              steps_offset=offset, set_alpha_to_one=to_one, prediction_type=prediction,
                              **betas)
    scheduler.set_timesteps(n_steps)
    return dict(betas, spacing=spacing, steps_offset=offset, set_alpha_to_one=to_one, prediction=prediction,
                n_steps=n_steps, eta=eta, steps=[read_step(scheduler, t, eta) for t in scheduler.timesteps])


print(json.dumps([make(case) for case in CASES]).replace('}, {', '},\n{').replace('], [', '],\n['))
