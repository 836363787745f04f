#!/usr/bin/env python3
"""make-resize-golden.py - writes resize.json: checksums of what Pillow's bicubic resize makes of pictures by formula

usage: make-resize-golden.py > resize.json      (needs Pillow, NumPy and transformers; the tests do not)

Pillow from 13 on begins with the columns where the height shrinks much more than the width; no case here is of that kind,
and preprocessing, which keeps the aspect, neither.

"clip" has the pixels that CLIP's preprocessing keeps: the shorter side becomes 224, then the middle 224 x 224. Its
"floor" is from transformers' processor for Pillow pictures, "round" cuts as torchvision's CenterCrop does.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import hashlib
import json
import os

import numpy as np
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../data')
SIZES = [((1, 1), (1, 1)), ((1, 1), (5, 3)), ((2, 2), (7, 7)), ((5, 3), (3, 5)), ((16, 16), (16, 16)), ((64, 64), (224, 224)),
         ((64, 48), (63, 47)), ((512, 512), (224, 224)), ((300, 200), (7, 9)), ((640, 3), (3, 64)), ((17, 23), (224, 302)),
         ((333, 251), (297, 224)), ((1000, 10), (1, 1)), ((224, 500), (224, 224)), ((500, 224), (224, 224))]
CROPS = [(64, 64), (512, 512), (333, 251), (251, 333), (640, 227), (100, 101), (1, 1), (225, 224), (227, 224), (229, 224), (224, 231)]
FILES = ['emoji-grid.png', 'demo.png']


def picture(width, height, seed):
    """The same formula is in tests/unit/tensor/test-image-resize.c: blocks of noise, and noise"""
    i = np.arange(3 * width * height, dtype=np.uint64)
    x, y = i // 3 % width, i // 3 // width
    block = (x // 6 * 7919 + y // 5 * 104729 + i % 3 * 31 + seed) * 2654435761 % 2**32 >> 24
    noise = (i + seed) * 2246822519 % 2**32 >> 26
    return ((block + noise) & 255).astype(np.uint8).reshape(height, width, 3)


def checksum(pixels):
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def resize(image, size):
    return np.asarray(image.resize(size, Image.BICUBIC))


def crop(image, rule):
    width, height = image.size
    short = min(width, height)
    wide = resize(image, (224 * width // short, 224 * height // short))
    top, left = (rule((n - 224) / 2) for n in wide.shape[:2])
    return wide[top:top + 224, left:left + 224]


def clip_rows():
    processor = CLIPImageProcessorPil(do_rescale=False, do_normalize=False)
    for seed, (width, height) in enumerate(CROPS):
        image = Image.fromarray(picture(width, height, seed))
        pixels = np.asarray(processor(image, return_tensors='np')['pixel_values'][0]).transpose(1, 2, 0).astype(np.uint8)
        assert (pixels == crop(image, int)).all(), (width, height)
        yield {'width': width, 'height': height, 'seed': seed, 'floor': checksum(pixels),
               'round': checksum(crop(image, round))}


def resize_rows():
    for seed, (old, new) in enumerate(SIZES):
        pixels = resize(Image.fromarray(picture(*old, seed)), new)
        row = {'from': old, 'to': new, 'seed': seed, 'sha256': checksum(pixels)}
        if pixels.size <= 64:
            row['pixels'] = pixels.flatten().tolist()
        yield row
    for name in FILES:
        pixels = resize(Image.open(os.path.join(DATA, name)).convert('RGB'), (224, 111))
        yield {'file': name, 'to': (224, 111), 'sha256': checksum(pixels)}


def lines(rows):
    return '[\n  ' + ',\n  '.join(json.dumps(row) for row in rows) + '\n ]'


if __name__ == '__main__':
    print('{"resize": ' + lines(resize_rows()) + ',\n "clip": ' + lines(clip_rows()) + '\n}')
