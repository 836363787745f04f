#!/usr/bin/env python3
"""example.py - a reward that likes red: --reward command:picture=rgb,command=./example.py"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import base64
import json
import sys

for line in sys.stdin:
    request = json.loads(line)
    rgb = base64.b64decode(request['rgb'])
    if any(rgb):
        answer = {'id': request['id'], 'score': sum(rgb[0::3]) / sum(rgb)}
    else:
        answer = {'id': request['id'], 'error': 'a black picture has no colour'}
    print(json.dumps(answer), flush=True)
