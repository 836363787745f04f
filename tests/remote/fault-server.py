#!/usr/bin/env python3
"""fault-server.py - a server that goes wrong as it is told to, by the first part of the path

It listens on this machine alone, prints its address, and ends when its input ends. A picture's first pixel is its
number, and its score is half of that, so that a swapped score is seen.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import base64
import collections
import importlib.util
import json
import math
import os
import socket
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

spec = importlib.util.spec_from_file_location('reward_server', os.environ['REWARD_SERVER'])
reward_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reward_server)

LOCK = threading.Lock()
SEEN = collections.Counter()
HUGE = b'{"rewards": [' + b'0,' * (50 << 20) + b'0]}'
SECRET = 'open-sesame-42'
STORM = ['reset-once', 'error-twice', 'busy-once', 'partial-once', 'truncated', 'short', 'nan', 'slow', 'moved',
         'timeout-once', 'limited-once', 'long', 'one-error', 'huge', 'endless', 'redirects', 'plain', 'text', 'deep',
         'big-integer']


def number_of(text):
    picture = reward_server.Picture(base64.b64decode(text))
    return picture.pixels[0] << 16 | picture.pixels[1] << 8 | picture.pixels[2]


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    timeout = 60

    def log_message(self, *args):
        pass

    def send(self, status, text, headers=()):
        body = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.connection.close()

    def do_GET(self):
        mode = self.path.split('/')[1]
        if mode == 'no-health':
            self.send(404, '{}')
        elif mode == 'sick':
            self.send(500, '{"detail": "the model is not loaded"}')
        elif mode == 'token' and self.headers.get('Authorization') != 'Bearer ' + SECRET:
            self.send(401, 'no entry for ' + self.headers.get('Authorization', 'nobody'))
        else:
            self.send(200, json.dumps(SEEN))

    def do_POST(self):
        mode, page = self.path.split('/')[1], self.path.split('/')[-1]
        if mode.startswith('http:'):  # somebody takes this for a proxy
            mode = 'plain'
        request = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        if page == 'completions':
            self.judge(mode, request)
            return
        images = request['images' if mode == 'plural' else 'image']
        numbers = [number_of(text) for text in images]
        if mode == 'storm':
            mode = STORM[numbers[0] // 4 % len(STORM)]
        with LOCK:
            key = f'{mode} {numbers[0]}'
            SEEN[key] += 1
            SEEN['requests'] += 1
            times = SEEN[key]
        self.compute(mode, numbers, request, times)

    def compute(self, mode, numbers, request, times):
        rewards = [n / 2 for n in numbers]
        fine = json.dumps({'rewards': rewards})
        if mode in ('plain', 'plural', 'no-health', 'sick'):
            self.send(200, fine)
        elif mode == 'latency':
            time.sleep(0.05)
            self.send(200, fine)
        elif mode == 'slow':
            time.sleep(0.1)
            self.send(200, fine)
        elif mode == 'hang':
            time.sleep(30)
        elif mode == 'reset-once':
            self.hang_up() if times == 1 else self.send(200, fine)
        elif mode == 'reset':
            self.hang_up()
        elif mode == 'error-twice':
            self.send(500, 'oops') if times < 3 else self.send(200, fine)
        elif mode == 'error':
            self.send(500, 'no\n<b>memory</b>')
        elif mode == 'bad-request':
            self.send(400, json.dumps({'detail': 'too red'}))
        elif mode == 'busy-once':
            self.send(503, '') if times == 1 else self.send(200, fine)
        elif mode == 'timeout-once':
            self.send(408, '') if times == 1 else self.send(200, fine)
        elif mode == 'limited-once':
            self.send(429, '') if times == 1 else self.send(200, fine)
        elif mode == 'retry-after':
            self.send(429, '', [('Retry-After', '1')]) if times == 1 else self.send(200, fine)
        elif mode == 'retry-late':
            self.send(429, '', [('Retry-After', '86400')])
        elif mode == 'partial-once' and times == 1:
            self.send_response(200)
            self.send_header('Content-Length', '1000')
            self.end_headers()
            self.wfile.write(fine.encode())
            self.close_connection = True
        elif mode == 'moved':
            self.send(307, '', [('Location', '/plain/compute')])
        elif mode == 'elsewhere':
            self.send(307, '', [('Location', f'http://localhost:{self.server.server_port}/plain/compute')])
        elif mode == 'redirects':
            self.send(307, '', [('Location', '/redirects/compute')])
        elif mode == 'metadata':
            self.send(200, json.dumps({'rewards': [m['value'] if m else None for m in request['metadata']],
                                       'errors': [None if m else 'no metadata' for m in request['metadata']]}))
        elif mode == 'prompt':
            self.send(200, json.dumps({'rewards': [len(p) for p in request['prompt']]}))
        elif mode == 'token':
            allowed = self.headers.get('Authorization') == 'Bearer ' + SECRET
            self.send(200, fine) if allowed else self.send(403, 'not ' + self.headers.get('Authorization', ''))
        else:
            self.damage(mode, rewards, fine)

    def damage(self, mode, rewards, fine):
        """Answers of status 200 that are not what they should be"""
        if mode == 'truncated':
            fine = fine[:-2]
        elif mode == 'short':
            fine = json.dumps({'rewards': rewards[:-1]})
        elif mode == 'long':
            fine = json.dumps({'rewards': rewards + [7]})
        elif mode == 'nan':
            fine = json.dumps({'rewards': [r if i != 1 else float('nan') for i, r in enumerate(rewards)]})
        elif mode == 'whole-error':
            fine = json.dumps({'rewards': rewards, 'error': 'out of memory'})
        elif mode == 'one-error':
            fine = json.dumps({'rewards': [None] + rewards[1:], 'errors': ['too red'] + [None] * (len(rewards) - 1)})
        elif mode == 'text':
            fine = json.dumps({'rewards': [str(r) for r in rewards]})
        elif mode == 'deep':
            fine = '[' * 500000
        elif mode == 'big-integer':
            fine = '{"rewards": [' + ', '.join(['1' + '0' * 30] * len(rewards)) + ']}'
        elif mode == 'huge':
            fine = HUGE
        elif mode == 'endless':
            self.pour()
            return
        try:
            self.send(200, fine)
        except OSError:
            self.close_connection = True

    def pour(self):
        """100 MB without a length"""
        self.close_connection = True
        self.send_response(200)
        self.send_header('Connection', 'close')
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b' ' * (1 << 20))
        except OSError:
            pass

    def judge(self, mode, request):
        text, url = [part.get('text') or part['image_url']['url'] for part in request['messages'][0]['content']]
        number = number_of(url.split(',', 1)[1])
        said = {'plain': f'I see {text.count("cat")} cats. Score: {number}/10', 'rude': 'It is very nice.',
                'json': '```json\n{"reason": "3 cats", "score": %d.5}\n```' % number, 'high': 'Score: 11'}.get(mode)
        reason = 'length' if mode == 'cut' else 'stop'
        if mode == 'odds':  # mostly 3, a little 5 in two spellings, and a word
            assert request['logprobs'] and request['top_logprobs'] >= 5, request
            top = [('3', 0.6), (' 5', 0.1), ('5', 0.1), ('well', 0.15), ('12', 0.05)]
            odds = {'content': [{'token': 'Score', 'logprob': 0.0, 'top_logprobs': []},
                                {'token': ' 3', 'logprob': math.log(0.6), 'top_logprobs': [
                                    {'token': t, 'logprob': math.log(p)} for t, p in top]}]}
            self.send(200, json.dumps({'choices': [{'finish_reason': 'length', 'logprobs': odds, 'message': {
                'role': 'assistant', 'content': 'Score 3'}}]}))
            return
        self.send(200, json.dumps({'choices': [{'finish_reason': reason, 'message': {
            'role': 'assistant', 'content': said if said else 'Score: 3'}}]}))


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is part of the tests


def main():
    server = Server(('127.0.0.1', 0), Handler)
    scheme = 'http'
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = 'https'
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f'{scheme}://127.0.0.1:{server.server_port}', flush=True)
    sys.stdin.read()


if __name__ == '__main__':
    main()
