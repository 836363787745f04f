"""oldruns.py - what a run gives when it is sampled, evaluated, exported and resumed, as facts that can be compared"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import hashlib
import json
import math
import os
import platform
import struct
import subprocess

# What depends on the clock and the machine, and not on the training
CLOCKS = ('time', 'images-per-second', 'memory/', 'seconds/')
# How a run is exported: adapters, or a whole model
EXPORTS = {'lora': ['diffusers', 'kohya'], 'full': ['merged-folder'], 'running': ['diffusers']}


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def split_safetensors(path):
    """The header's entries by name, and the bytes behind it"""
    data = read(path)
    size = struct.unpack('<Q', data[:8])[0]
    return json.loads(data[8:8 + size]), data[8 + size:]


def floats(path, name):
    header, data = split_safetensors(path)
    first, last = header[name]['data_offsets']
    return list(struct.unpack('<%df' % ((last - first) // 4), data[first:last]))


def weigh(path):
    """The tensors of a file: their hash, and their length as a vector; the header names versions and dates"""
    header, data = split_safetensors(path)
    squares = 0.0
    for name, entry in header.items():
        if name != '__metadata__' and entry['dtype'] == 'F32':
            first, last = entry['data_offsets']
            squares += sum(x * x for x in struct.unpack('<%df' % ((last - first) // 4), data[first:last]))
    return {'hash': hashlib.sha256(data).hexdigest(), 'norm': math.sqrt(squares)}


def without_clocks(metrics):
    return {name: value for name, value in metrics.items() if not name.startswith(CLOCKS)}


def picture_hash(path):
    """Of the compressed pixels: the texts beside them name versions"""
    data = read(path)
    return hashlib.sha256(data[data.index(b'IDAT'):]).hexdigest()


class OldRun:
    """One run in a folder that has the model beside it"""

    def __init__(self, vard, folder, name, env=None):
        self.vard, self.folder, self.name, self.env = vard, folder, name, env

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def call(self, *arguments):
        done = subprocess.run([*self.vard, *arguments], cwd=self.folder, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env=self.env, timeout=100)
        if done.returncode != 0:
            raise AssertionError('vard %s: %s' % (' '.join(arguments), done.stderr))
        return done.stdout

    def sample(self, out):
        latents = self.path(out + '.safetensors')
        self.call('sample', self.name, '--prompt', 'cat', '--seed', '7', '-o', out, '--latents', latents)
        return {'latents': floats(latents, 'latents'), 'picture': picture_hash(self.path(out, '000-cat-7.png'))}

    def export(self, form, out):
        whole = form == 'merged-folder'
        path = out if whole else out + '.safetensors'
        self.call('export', self.name, '--format', form, '--engine', 'cpu', '--threads', '1', '-o', path)
        return weigh(self.path(path, 'unet/diffusion_pytorch_model.safetensors') if whole else self.path(path))

    def facts(self, when):
        """What can be told of the run as it stands; the files that this needs have @when in their names"""
        prefix = '%s-%s-' % (self.name, when)
        return {
            'sample': self.sample(prefix + 'pictures'),
            'evaluation': without_clocks(json.loads(self.call('evaluate', self.name, '--json'))),
            'export': {form: self.export(form, prefix + form) for form in EXPORTS[self.name]},
        }

    def resume(self):
        self.call('resume', self.name, '--quiet')
        final = self.path(self.name, 'final')
        files = [os.path.join(where, name) for where, _, names in os.walk(final) for name in names
                 if name.endswith('.safetensors')]
        lines = read(self.path(self.name, 'metrics.jsonl')).splitlines()
        return {
            'metrics': [without_clocks(json.loads(line)) for line in lines],
            'final': {os.path.relpath(path, final): weigh(path) for path in sorted(files)},
        }


def place():
    """Where the same program gives the same bits: compiler, processor's vector instructions, C library's functions"""
    flags = next((line for line in read('/proc/cpuinfo').decode().splitlines() if line.startswith('flags')), '')
    return {'build': os.environ.get('VARD_TEST_BUILD', ''), 'libc': ' '.join(platform.libc_ver()), 'machine': platform.machine(),
            'vectors': [flag for flag in ('avx2', 'fma', 'avx512f') if ' %s ' % flag in flags + ' ']}
