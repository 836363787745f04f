#!/usr/bin/env python3
"""make-spacings-golden.py - the timesteps of every number of steps, as NumPy spaces them for diffusers

For each number of steps from 1 to 1000 the sum of (k + 1) times timestep k, k from the noisiest: of DDIMScheduler with
timestep_spacing linspace, and of DPMSolverMultistepScheduler, which divides into one step more. Prints the golden file.
Needs NumPy alone; the tests only need what this printed.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json

import numpy

N = 1000


def check(timesteps):
    return int(sum((k + 1) * int(t) for k, t in enumerate(timesteps)))


print(json.dumps({
    'linspace': [check(numpy.linspace(0, N - 1, n).round()[::-1]) for n in range(1, N + 1)],
    'solver': [check(numpy.linspace(0, N - 1, n + 1).round()[::-1][:-1]) for n in range(1, N + 1)],
}, indent=None).replace('], ', '],\n'))
