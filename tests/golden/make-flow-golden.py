#!/usr/bin/env python3
"""make-flow-golden.py - what FlowMatchEulerDiscreteScheduler of diffusers does with a denoiser that is a formula

Whole trajectories, for tests/unit/process/test-noise-levels.c: what the model sees at each step, and the end. Linspace
is what the class spaces by itself, trailing what the pipelines of Flux hand to it. Prints the golden file. Needs torch
and diffusers; the tests only need what this printed.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import math

import numpy
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

SIZE = 3


def noise():
    return torch.tensor([[1.5 * math.sin(12.9898 + 78.233 * (i + 1)) for i in range(SIZE)]])


def denoise(x, t):
    return 0.9 * torch.sin(1.1 * x + 0.003 * float(t)) + 0.2 * x


def make(n_steps, spacing, shift):
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=shift)
    if spacing == 'trailing':
        scheduler.set_timesteps(sigmas=numpy.linspace(1, 1 / n_steps, n_steps))
    else:
        scheduler.set_timesteps(n_steps)
    x = noise()
    rows = []
    for t in scheduler.timesteps:
        rows.append([round(float(t), 4)] + [float(f'{v:.8g}') for v in x[0].tolist()])
        x = scheduler.step(denoise(x, t), t, x).prev_sample
    rows.append([-1] + [float(f'{v:.8g}') for v in x[0].tolist()])
    return {'sampler': 'flow-euler', 'n_steps': n_steps, 'spacing': spacing, 'prediction': 'velocity', 'shift': shift,
            'eta': 0.0, 'karras': False, 'sigma_min': False, 'rows': rows}


CASES = [make(*case) for case in [(20, 'linspace', 1.0), (7, 'linspace', 3.0), (1, 'linspace', 1.0), (20, 'trailing', 1.0),
                                  (28, 'trailing', 3.0), (9, 'trailing', 1.15)]]
print('[\n' + ',\n'.join(json.dumps(case, separators=(',', ':')) for case in CASES) + '\n]')
