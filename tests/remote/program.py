#!/usr/bin/env python3
"""program.py - a reward's program that goes wrong as its argument says"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import base64
import json
import os
import sys
import time

mode = sys.argv[1]


def say(number, **answer):
    print(json.dumps({'id': number, **answer}), flush=True)


def number_of(request):
    if 'rgb' in request:
        pixels = base64.b64decode(request['rgb'])
    else:
        with open(request['ppm'], 'rb') as file:
            pixels = file.read().split(b'255\n', 1)[1]
    return pixels[0] << 16 | pixels[1] << 8 | pixels[2]


if mode == 'stillborn':
    sys.exit('no module named torch')
if mode == 'banner':
    print('Loading weights', flush=True)
held = []
for line in sys.stdin:
    request = json.loads(line)
    number, n = request['id'], number_of(request)
    if mode == 'backwards':  # answers in threes, the last first
        held.append((number, n))
        if len(held) == 3:
            for one, m in reversed(held):
                say(one, score=m / 2)
            held = []
        continue
    if n == 5:
        if mode == 'poison':
            print('Segmentation fault, nearly', file=sys.stderr, flush=True)
            os.abort()
        elif mode == 'hang':
            time.sleep(60)
        elif mode == 'nan':
            say(number, score=float('nan'))
            continue
        elif mode == 'nothing':
            say(number)
            continue
        elif mode == 'error':
            say(number, error='too dark')
            continue
        elif mode == 'rubbish':
            print('Hello, world!', flush=True)
        elif mode == 'other':
            say(number + 1000, score=1)
        elif mode == 'long':
            print('x' * 200000, flush=True)
        elif mode == 'close':
            os.close(0)
            time.sleep(0.2)
            sys.exit(3)
    if mode == 'once' and not os.path.exists(sys.argv[2]):
        open(sys.argv[2], 'w', encoding='utf-8').close()
        sys.exit(4)
    if mode == 'chatty':
        print('e' * 100000, file=sys.stderr, flush=True)
    if mode == 'asleep':
        time.sleep(60)
    say(number, score=n / 2)
    if mode == 'twice' and n == 5:
        say(number, score=n / 2)
