#!/usr/bin/env python3
# compare-sd.py - vard and PyTorch side by side at the sizes of Stable Diffusion
#
# A denoiser evaluation at 512 x 512 and a LoRA training step at 256 x 256, on an idle machine, vard and PyTorch in turns:
# a shared host's speed changes from minute to minute, so a ratio is the median of the turns' own ratios, each of the
# fastest of --rounds rounds. PyTorch has its better memory format, found in the first turn, for seconds and for memory
# each. --isa avx2 holds both to AVX2.
#
#   meson devenv -C build --workdir . python3 tests/bench/compare-sd.py --model DIR --python PYTHON
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import json
import os
import pathlib
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TASKS = {'forward 512 x 512': ['--latent', '64'], 'LoRA step 256 x 256': ['--latent', '32', '--lora', '8']}


def measure(command, extra=None):
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                         env={**os.environ, **(extra or {})}).stdout
    return json.loads(out.splitlines()[-1])


def measure_peer(args, task, forms):
    limits = {'ATEN_CPU_CAPABILITY': 'avx2', 'ONEDNN_MAX_CPU_ISA': 'AVX2', 'MKL_ENABLE_INSTRUCTIONS': 'AVX2'}
    return {form: measure([args.python, str(HERE / 'peer-sd.py'), '--model', args.model, '--threads', str(args.threads),
                           '--rounds', str(args.rounds), '--format', form, *TASKS[task]],
                          limits if args.isa == 'avx2' else None) for form in forms}


def variants(args, task):
    options = ['--threads', str(args.threads), '--rounds', str(args.rounds), *TASKS[task]]
    found = {'vard': [args.bench, '--model', args.model, *options]}
    if args.half:
        found['vard, half-precision weights'] = [args.bench, '--model', args.half, *options]
    if '--lora' in options:
        found['vard, segments'] = [args.bench, '--model', args.half or args.model, '--segments', *options]
    return found


def compare(args, task):
    """Prints a line for each turn, and the medians"""
    commands, forms, ratios, peer, memory, runs = variants(args, task), ['channels-last', 'contiguous'], {}, {}, 0, {}
    for turn in range(args.turns):
        for name, command in commands.items():
            runs.setdefault(name, []).append(measure(command))
        if args.python:
            peer = measure_peer(args, task, forms)
            memory = memory or min(run['memory'] for run in peer.values())
            forms = [min(peer, key=lambda form: peer[form]['seconds'])]
            seconds = peer[forms[0]]['seconds']
            print(f'{task}, turn {turn + 1}: PyTorch {seconds:.2f} s ({forms[0]}, {memory / 1e6:.0f} MB)', flush=True)
        for name, done in runs.items():
            run = done[-1]
            line = f"  {name:30} {run['seconds']:6.2f} s {run['memory'] / 1e6:6.0f} MB"
            if args.python:
                ratios.setdefault(name, []).append(seconds / run['seconds'])
                line += f"   x {ratios[name][-1]:4.2f}, {100 * run['memory'] / memory:.0f} % of memory"
            print(line, flush=True)
    for name, values in ratios.items():
        print(f'{task}, median of {args.turns}: {name} x {statistics.median(values):.2f}', flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--model', required=True, help='a folder with single precision weights')
    parser.add_argument('--half', help='the same model with half precision weights, for vard')
    parser.add_argument('--python', help='a Python with torch, diffusers and peft')
    parser.add_argument('--bench', help='build/tests/bench/bench-sd, or bench-sd-avx2 with --isa avx2')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--turns', type=int, default=3)
    parser.add_argument('--isa', choices=['native', 'avx2'], default='native')
    args = parser.parse_args()
    if args.bench is None:
        args.bench = 'build/tests/bench/bench-sd' + ('-avx2' if args.isa == 'avx2' else '')
    for task in TASKS:
        compare(args, task)


if __name__ == '__main__':
    main()
