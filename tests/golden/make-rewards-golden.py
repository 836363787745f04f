#!/usr/bin/env python3
# make-rewards-golden.py - writes rewards.json: pictures by formula, with what Pillow and NumPy say of them
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: make-rewards-golden.py > rewards.json      (needs Pillow and NumPy; the tests do not)
import io
import json

import numpy as np
from PIL import Image

SIZES = [(1, 1), (1, 2), (2, 1), (3, 3), (7, 5), (8, 8), (9, 9), (15, 17), (16, 16), (17, 16),
         (16, 17), (31, 33), (33, 64), (64, 64), (64, 64), (3, 200), (200, 3), (100, 75), (255, 257),
         (320, 48)]
MASK = 0xFFFFFFFF


def noise(x, y, c, seed):
    h = ((x * 73856093) & MASK) ^ ((y * 19349663) & MASK) ^ ((c * 83492791) & MASK) ^ ((seed * 2654435761) & MASK)
    h ^= h >> 13
    h = (h * 0x5BD1E995) & MASK
    h ^= h >> 15
    return h & 255


def value(kind, x, y, c, seed, w, h):
    """The same formulas are in tests/plugin/test-rewards.c."""
    if kind == 0:  # flat
        return noise(0, 0, c, seed)
    if kind == 1:  # a slope
        return (x * (3 + c) + y * (5 - c) + seed * 17) & 255
    if kind == 2:  # squares of three pixels
        return 255 - 40 * c if (x // 3 + y // 3) & 1 else (20 * c + seed) & 255
    if kind == 3:  # noise
        return noise(x, y, c, seed)
    if kind == 4:  # a disc on white
        dx, dy, m = 2 * x + 1 - w, 2 * y + 1 - h, min(w, h)
        return (40 * c + 2 * x + y) & 255 if 10 * (dx * dx + dy * dy) < 6 * m * m else 255
    return 120 + (noise(x, y, c, seed) & 15)  # nearly grey


def picture(kind, seed, w, h):
    return np.array([[[value(kind, x, y, c, seed, w, h) for c in range(3)] for x in range(w)]
                     for y in range(h)], dtype=np.uint8)


def colorfulness(a):
    r, g, b = (a[..., i].astype(np.float64) for i in range(3))
    rg, yb = r - g, 0.5 * (r + g) - b
    return float(np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2))


def symmetry(a, axis):
    return float(1 - np.abs(a.astype(np.float64) - np.flip(a, axis)).mean() / 255)


rows = []
for i in range(2 * len(SIZES)):
    w, h = SIZES[i % len(SIZES)]
    kind, seed = (i * 5 + i // len(SIZES)) % 6, i
    a = picture(kind, seed, w, h)
    out = io.BytesIO()
    Image.fromarray(a).save(out, format="JPEG", quality=95)
    rows.append({"kind": kind, "seed": seed, "width": w, "height": h, "jpeg": len(out.getvalue()),
                 "colorfulness": colorfulness(a), "coverage": float((a.min(axis=2) < 230).mean()),
                 "brightness": float((a @ np.array([0.299, 0.587, 0.114])).mean() / 255),
                 "symmetry": symmetry(a, 1), "symmetry-horizontal": symmetry(a, 0)})
print("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")
