#!/usr/bin/env python3
# compare-sd.py - vard and PyTorch side by side at the sizes of Stable Diffusion
#
# A denoiser evaluation at 512 x 512 and a LoRA training step at 256 x 256, one after the other on an idle machine. The
# better of PyTorch's memory formats counts, for seconds and for memory each. --isa avx2 holds PyTorch to AVX2 (vard has
# the same peak with both on processors that split 512-bit products).
#
#   meson devenv -C build --workdir . python3 tests/bench/compare-sd.py --model DIR --python PYTHON
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import json
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TASKS = {'forward 512 x 512': ['--latent', '64'], 'LoRA step 256 x 256': ['--latent', '32', '--lora', '8']}


def measure(command, extra=None):
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                         env={**os.environ, **(extra or {})}).stdout
    return json.loads(out.splitlines()[-1])


def measure_peer(args, task):
    limits = {'ATEN_CPU_CAPABILITY': 'avx2', 'ONEDNN_MAX_CPU_ISA': 'AVX2', 'MKL_ENABLE_INSTRUCTIONS': 'AVX2'}
    runs = [measure([args.python, str(HERE / 'peer-sd.py'), '--model', args.model, '--threads', str(args.threads),
                     '--rounds', str(args.rounds), '--format', form, *TASKS[task]],
                    limits if args.isa == 'avx2' else None) for form in ('channels-last', 'contiguous')]
    return {key: min(run[key] for run in runs) for key in ('seconds', 'memory')}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--model', required=True, help='a folder with single precision weights')
    parser.add_argument('--half', help='the same model with half precision weights, for vard')
    parser.add_argument('--python', help='a Python with torch, diffusers and peft')
    parser.add_argument('--bench', default='build/tests/bench/bench-sd')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--isa', choices=['native', 'avx2'], default='native')
    args = parser.parse_args()
    for task, options in TASKS.items():
        common = ['--threads', str(args.threads), '--rounds', str(args.rounds), *options]
        ours = {'vard': measure([args.bench, '--model', args.model, *common])}
        if args.half:
            ours['vard, half-precision weights'] = measure([args.bench, '--model', args.half, *common])
        if '--lora' in options:
            ours['vard, segments'] = measure([args.bench, '--model', args.half or args.model, '--segments', *common])
        peer = measure_peer(args, task) if args.python else None
        for name, run in ours.items():
            line = f"{task:20} {name:30} {run['seconds']:6.2f} s {run['memory'] / 1e6:7.0f} MB"
            if peer:
                line += f"   x {peer['seconds'] / run['seconds']:4.2f}, {100 * run['memory'] / peer['memory']:.0f} % of memory"
            print(line, flush=True)
        if peer:
            print(f"{task:20} {'PyTorch':30} {peer['seconds']:6.2f} s {peer['memory'] / 1e6:7.0f} MB", flush=True)


if __name__ == '__main__':
    main()
