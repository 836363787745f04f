#!/usr/bin/env python3
# compare-cuda.py - vard and PyTorch side by side on one device, at the size of Stable Diffusion
#
# One evaluation of the denoiser, and one policy step with a LoRA, both with the same number of states, in turns; a ratio is
# the median of the turns' own, and leaves out turns in which a run failed. PyTorch has the faster of its FORMS, found before
# the turns, and for memory the one that takes least. The goals: an evaluation 1.2 times as fast as eager PyTorch, a policy
# step 1.4 times with at most 60 % of its memory; PyTorch compiled is shown beside. The share of the device's peak is that of a
# large product of PyTorch's.
#
#   meson devenv -C build --workdir . python3 tests/bench/compare-cuda.py --python PYTHON [--json FILE]
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
GOALS = {'forward': 1.2, 'policy': 1.4}
MEMORY_GOAL = 0.6
SEARCH = '--search'
FORMS = {'forward': [(), (SEARCH,)],
         'policy': [('--adapters', way, *search) for way in ('master', 'autocast') for search in ((), (SEARCH,))]}


def measure(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ['no word'])[-1]
        print(f'{command[0]} {" ".join(command[-4:])} failed: {last}', file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def measure_vard(args, task):
    lora = ['--lora', str(args.lora), '--policy'] if task == 'policy' else []
    return measure([args.bench, '--config', args.config, '--engine', args.engine, '--batch', str(args.batch), '--latent',
                    str(args.latent), '--rounds', str(args.rounds), *lora])


def measure_peer(args, task, form=()):
    return measure([args.python, str(HERE / 'peer-cuda.py'), '--config', args.config, '--device', args.device, '--batch',
                    str(args.batch), '--latent', str(args.latent), '--lora', str(args.lora), '--rounds', str(args.rounds),
                    '--precision', args.precision, '--task', task, *form])


def choose_form(args, task):
    """PyTorch's faster form, and the least memory of any"""
    found = {form: measure_peer(args, task, form) for form in FORMS[task]}
    found = {form: run for form, run in found.items() if run}
    for form, run in found.items():
        print(describe('PyTorch', run, 0), ' '.join(form), flush=True)
    if not found:
        return None, 0
    return min(found, key=lambda form: found[form]['seconds']), min(run['peak'] for run in found.values())


def describe(name, run, peak):
    line = f"  {name:18} {run['seconds'] * 1e3:10.2f} ms {run['peak'] / 1e9:8.2f} GB"
    if 'tflops_per_second' in run:
        line += f" {run['tflops_per_second']:8.3g} TFLOP/s"
        if peak:
            line += f", {100 * run['tflops_per_second'] / peak:.0f} % of a large product's"
    return line


def run_turn(args, task, form, peak):
    """Each one's result, without those that failed"""
    names = {'vard': lambda: measure_vard(args, task)}
    if form is not None:
        names['PyTorch'] = lambda: measure_peer(args, task, form)
        if task == 'forward' and args.compiled:
            names['PyTorch compiled'] = lambda: measure_peer(args, 'compiled', form)
    turn = {}
    for name, run in names.items():
        result = run()
        if result:
            turn[name] = result
            print(describe(name, result, peak), flush=True)
    return turn


def summarise(task, turns, memory):
    """Ratios within each turn: PyTorch's time by vard's; and vard's memory by the least of PyTorch's"""
    summary = {'task': task}
    for name in 'PyTorch', 'PyTorch compiled':
        ratios = [turn[name]['seconds'] / turn['vard']['seconds'] for turn in turns if name in turn and 'vard' in turn]
        if ratios:
            key = name.lower().replace(' ', '-')
            summary[key] = statistics.median(ratios)
            goal = f' (goal {GOALS[task]})' if name == 'PyTorch' else ''
            print(f'{task}: {summary[key]:.2f} times as fast as {name}{goal}')
    own = max((turn['vard']['peak'] for turn in turns if 'vard' in turn), default=0)
    if own and memory:
        summary['memory'] = own / memory
        print(f'{task}: {100 * summary["memory"]:.0f} % of its memory'
              + (f' (goal {100 * MEMORY_GOAL:.0f} %)' if task == 'policy' else ''))
    return summary


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--python', help='a Python with torch, diffusers and peft')
    parser.add_argument('--bench', default='build/tests/bench/bench-unet')
    parser.add_argument('--config', default=str(HERE / 'sd15-unet.json'))
    parser.add_argument('--engine', default='cuda:precision=bf16')
    parser.add_argument('--device', default='cuda', help="PyTorch's")
    parser.add_argument('--precision', choices=['bf16', 'fp32'], default='bf16', help="PyTorch's")
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--latent', type=int, default=64)
    parser.add_argument('--lora', type=int, default=8)
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--turns', type=int, default=3)
    parser.add_argument('--compiled', action='store_true', help='PyTorch by torch.compile, too: minutes more')
    parser.add_argument('--json', help='a file for the summary')
    args = parser.parse_args()
    product = measure_peer(args, 'product') if args.python else None
    peak = product['tflops_per_second'] if product else 0
    if peak:
        print(f"{product.get('device', args.device)}, PyTorch {product['torch']}: a large product reaches {peak:.3g} TFLOP/s")
    results = []
    for task in GOALS:
        form, memory = choose_form(args, task) if args.python else (None, 0)
        turns = []
        for turn in range(args.turns):
            print(f'{task}, {args.batch} states, turn {turn + 1}', flush=True)
            turns.append(run_turn(args, task, form, peak))
        results.append({**summarise(task, turns, memory), 'form': form, 'turns': turns})
        if not any('vard' in turn for turn in turns) or (args.python and form is None):
            return 1
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
