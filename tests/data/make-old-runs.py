#!/usr/bin/env python3
"""make-old-runs.py - run folders as an earlier vard left them, and what that vard made of them afterwards

Usage: VARD_TEST_BUILD=BUILD make-old-runs.py FOLDER VARD [ARGUMENT...]     (VARD is the earlier program, BUILD what
tests/cli/meson.build says of its build)

Writes FOLDER/runs.tar.xz and FOLDER/expected.json. Each run stopped after step 2 of 4. To keep the archive small the
floats of the checkpoints keep three bits of their mantissa: the files' layout is untouched, and what is expected was
made from the files as they are in the archive.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import shutil
import struct
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'cli'))

import oldruns  # noqa: E402

COMMON = ['--model', 'model', '--steps', '4', '--reward', 'colorfulness', '--pool-size', '16', '--value-fit-updates', '4',
          '--batch-size', '4', '--states-per-update', '4', '--evaluation-seeds', '2', '--evaluation-prompts', '2',
          '--sampler-steps', '3', '--checkpoint-interval', '2', '--value-batch', '4', '--value-channels', '8',
          '--warm-up', '0', '--learning-rate', '0.01', '--q-min', '-1', '--w-max', '1000000', '--threads', '1',
          '--keep-checkpoints', '0', '--sample-interval', '0', '--quiet']
RUNS = {
    'lora': [],
    'full': ['--weights', 'full', '--learning-rate', '0.001', '--ema', '0.9'],
    'running': ['--whitening', 'running', '--value-refresh', '--ring-size', '8', '--reward', 'brightness',
                '--sampler', 'ddpm', '--guidance-scale', '2'],
}
KEPT_BITS = 3


def round_floats(path):
    header, data = oldruns.split_safetensors(path)
    data = bytearray(data)
    for name, entry in header.items():
        if name == '__metadata__' or entry['dtype'] != 'F32':
            continue
        first, last = entry['data_offsets']
        whole = struct.unpack('<%dI' % ((last - first) // 4), data[first:last])
        mask = 0xffffffff ^ ((1 << (23 - KEPT_BITS)) - 1)
        data[first:last] = struct.pack('<%dI' % len(whole), *(x & mask for x in whole))
    before = oldruns.read(path)
    with open(path, 'wb') as file:
        file.write(before[:len(before) - len(data)] + data)


def rewrite(path, change):
    text = change(oldruns.read(path).decode())
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def interrupt(path):
    """As if the process had been killed after step 2"""
    shutil.rmtree(os.path.join(path, 'checkpoints/step-000004'))
    shutil.rmtree(os.path.join(path, 'samples/step-000004'))
    shutil.rmtree(os.path.join(path, 'final'))
    state = {'state': 'running', 'step': 2, 'phase': 'step', 'fraction': 0.5, 'pid': 1, 'heartbeat': 1796000000}
    rewrite(os.path.join(path, 'state.json'), lambda _: json.dumps(state, indent=2) + '\n')
    size = int(oldruns.read(os.path.join(path, 'checkpoints/step-000002/metrics-size')))
    rewrite(os.path.join(path, 'metrics.jsonl'), lambda text: text[:size])
    for name in 'pool', 'trainer':
        round_floats(os.path.join(path, 'checkpoints/step-000002', name + '.safetensors'))
    with open(os.path.join(path, 'run.json'), encoding='utf-8') as file:
        record = json.load(file)
    for plugin in record['plugins']:
        plugin['path'] = '/usr/lib/vard/' + os.path.basename(plugin['path'])
    rewrite(os.path.join(path, 'run.json'), lambda _: json.dumps(record, indent=2) + '\n')


def main(folder, vard):
    expected = {'place': oldruns.place(), 'runs': {}}
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        shutil.copytree(os.path.join(HERE, 'tiny-model'), os.path.join(work, 'model'))
        for name, more in RUNS.items():
            run = oldruns.OldRun(vard, work, name)
            run.call('train', '--run', name, *COMMON, *more)
            interrupt(os.path.join(work, name))
        with tarfile.open(os.path.join(folder, 'runs.tar.xz'), 'w:xz', preset=9) as archive:
            for name in RUNS:
                archive.add(os.path.join(work, name), name, filter=lambda info: info.replace(
                    uid=0, gid=0, uname='', gname='', mtime=1796000000, deep=False))
        for name in RUNS:
            run = oldruns.OldRun(vard, work, name)
            expected['runs'][name] = {'before': run.facts('before'), 'resumed': run.resume(), 'after': run.facts('after')}
    with open(os.path.join(folder, 'expected.json'), 'w', encoding='utf-8') as file:
        json.dump(expected, file, separators=(',', ':'), sort_keys=True)
        file.write('\n')


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
