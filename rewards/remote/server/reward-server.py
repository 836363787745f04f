#!/usr/bin/env python3
"""reward-server.py - a server for vard's reward "remote": copy it and change score()

    reward-server.py --port 8000
    vard score --reward remote:url=http://127.0.0.1:8000 pictures/

It listens only on this machine. To listen elsewhere it requires a secret (--token-file). It limits the size of
bodies and pictures. It answers GET /health, and POST /compute with {"prompt": [...], "image": ["<base64 of a PNG
file>", ...]} by {"rewards": [...], "errors": [...]}. A picture that cannot be scored gets null and a message.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import base64
import hmac
import json
import math
import struct
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 256 << 20
MAX_SIDE = 4096


def score(picture, prompt):
    """The reward: how red a picture is, from -1 to 1. Load a model once, above this function."""
    red, green, blue = (sum(picture.pixels[c::3]) for c in range(3))
    return (red - (green + blue) / 2) / (255 * picture.width * picture.height)


class Picture:
    """Width, height, and three bytes a pixel, from the top. With Pillow: Image.open(io.BytesIO(png)).convert('RGB')"""

    def __init__(self, png):
        chunks = dict(read_chunks(png))
        if b'IHDR' not in chunks or b'IDAT' not in chunks:
            raise ValueError('not a whole PNG file')
        self.width, self.height, depth, color, _, _, interlace = struct.unpack('>IIBBBBB', chunks[b'IHDR'])
        if (depth, color, interlace) != (8, 2, 0):
            raise ValueError('not 8-bit RGB without interlacing')
        if not (0 < self.width <= MAX_SIDE and 0 < self.height <= MAX_SIDE):
            raise ValueError(f'{self.width} x {self.height} pixels; {MAX_SIDE} a side is the limit')
        row = 3 * self.width
        data = zlib.decompressobj().decompress(chunks[b'IDAT'], (row + 1) * self.height)
        if len(data) != (row + 1) * self.height:
            raise ValueError('its pixels are cut off')
        self.pixels = undo_filters(data, row)


def read_chunks(png):
    """Yields (name, bytes); the parts of IDAT as one"""
    if png[:8] != b'\x89PNG\r\n\x1a\n':
        raise ValueError('not a PNG file')
    at, pixels = 8, []
    while at + 8 <= len(png):
        size, name = struct.unpack('>I4s', png[at:at + 8])
        if name == b'IDAT':
            pixels.append(png[at + 8:at + 8 + size])
        else:
            yield name, png[at + 8:at + 8 + size]
        at += 12 + size
    if pixels:
        yield b'IDAT', b''.join(pixels)


def paeth(left, up, corner):
    guess = left + up - corner
    distances = abs(guess - left), abs(guess - up), abs(guess - corner)
    return (left, up, corner)[distances.index(min(distances))]


def undo_filters(data, row):
    pixels, above = bytearray(), bytearray(row)
    for start in range(0, len(data), row + 1):
        kind, line = data[start], bytearray(data[start + 1:start + 1 + row])
        if kind > 4:
            raise ValueError(f'there is no filter {kind}')
        for i in range(row if kind else 0):
            left, corner = (line[i - 3], above[i - 3]) if i >= 3 else (0, 0)
            line[i] = (line[i] + (left, above[i], (left + above[i]) // 2,
                                  paeth(left, above[i], corner))[kind - 1]) & 255
        pixels += line
        above = line
    return bytes(pixels)


def score_all(request):
    """One reward and one error, of which one is None, for each picture"""
    if not isinstance(request, dict) or not all(isinstance(request.get(k), list) for k in ('prompt', 'image')):
        raise ValueError('"prompt" and "image" must be lists')
    if len(request['prompt']) != len(request['image']):
        raise ValueError(f"{len(request['prompt'])} prompts and {len(request['image'])} images")
    rewards, errors = [], []
    for text, prompt in zip(request['image'], request['prompt']):
        reward, error = None, None
        try:
            reward = float(score(Picture(base64.b64decode(text, validate=True)), prompt))
            if not math.isfinite(reward):
                reward, error = None, 'the score is not a finite number'
        except Exception as problem:  # one bad picture is no reason to lose the others
            error = str(problem) or type(problem).__name__
        rewards.append(reward)
        errors.append(error)
    return {'rewards': rewards, 'errors': errors}


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    timeout = 60
    token = None

    def log_message(self, *args):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def is_allowed(self):
        given = self.headers.get('Authorization', '').encode()
        return self.token is None or hmac.compare_digest(given, b'Bearer ' + self.token.encode())

    def do_GET(self):
        if not self.is_allowed():
            self.answer(401, {'detail': 'the secret is missing or wrong'})
        elif self.path == '/health':
            self.answer(200, {'status': 'ok'})
        else:
            self.answer(404, {'detail': f'there is no {self.path}'})

    def do_POST(self):
        size = self.headers.get('Content-Length', '')
        if not size.isdigit() or int(size) > MAX_BODY:
            self.close_connection = True  # what was not read cannot be skipped
            self.answer(413, {'detail': f'a body has a length, {MAX_BODY} bytes at most'})
            return
        body = self.rfile.read(int(size))
        if not self.is_allowed():
            self.answer(401, {'detail': 'the secret is missing or wrong'})
        elif self.path != '/compute':
            self.answer(404, {'detail': f'there is no {self.path}'})
        else:
            try:
                self.answer(200, score_all(json.loads(body)))
            except ValueError as problem:
                self.answer(400, {'detail': str(problem)})


def main():
    parser = argparse.ArgumentParser(description='Scores pictures over HTTP')
    parser.add_argument('--host', default='127.0.0.1')
    parser.add_argument('--port', type=int, default=8000, help='0 for any that is free')
    parser.add_argument('--token-file', help='file with the secret that a client must send')
    options = parser.parse_args()
    if options.token_file:
        with open(options.token_file, encoding='utf-8') as file:
            Handler.token = file.read().strip()
    if not Handler.token and options.host not in ('127.0.0.1', '::1', 'localhost'):
        sys.exit(f'reward-server: to listen on {options.host}, others need to be kept out: set --token-file')
    server = ThreadingHTTPServer((options.host, options.port), Handler)
    print(f'listening on http://{options.host}:{server.server_port}', flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == '__main__':
    main()
