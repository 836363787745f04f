#!/usr/bin/env python3
"""make-views-pth.py - writes views.pth: tensors that are views of others, and of many types

usage: make-views-pth.py views.pth      (needs torch; the tests do not)
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import sys

import torch

whole = torch.arange(6, dtype=torch.float32).reshape(2, 3)
half = torch.tensor([0.5, -2])
torch.save({
    'whole': whole, 'turned': whole.T, 'row': whole[1], 'column': whole[:, 1], 'step': whole.flatten()[::2],
    'scalar': whole[1, 2], 'empty': torch.empty(0, 3), 'number': 3, 'list': [whole, 2.5], 'nothing-here': None,
    'nested': {'f64': half.double(), 'f16': half.half(), 'bf16': half.bfloat16(), 'i64': torch.tensor([1, -3]),
               'u8': torch.tensor([7, 255], dtype=torch.uint8), 'bool': torch.tensor([True, False]),
               'i16': torch.tensor([1, 2], dtype=torch.int16)},
}, sys.argv[1])
