#!/usr/bin/env python3
# compare.py - vard and PyTorch + diffusers side by side on one machine, as a table
#
#   meson devenv -C build --workdir . python3 tests/bench/compare.py --python /path/to/python-with-torch
#
# Sampling is what 64 more pictures cost the command line (128 pictures against 64: start-up and loading cancel, writing
# the PNG files stays in). A policy step is the median of a training's own seconds/policy, an update of 64 states:
# both denoisers, the value's gradient, the backward pass, AdamW. The peer is tests/bench/peer.py. The two take turns,
# and a ratio is the median of the rounds' own ratios: what slows the machine for a minute slows both.
# Without --python only vard is timed.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "..", "data", "models", "emoji")


def seconds_of(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def sample_once(vard, folder, count, threads):
    out = tempfile.mkdtemp(dir=folder)
    return seconds_of([*vard, "sample", "--model", MODEL, "--prompt", "red apple", "--count", str(count),
                       "--batch", "64", "--guidance-scale", "1", "--steps", "20", "--threads", str(threads),
                       "-o", os.path.join(out, "pictures")])


def sample(vard, folder, threads):
    pairs = [(sample_once(vard, folder, 64, threads), sample_once(vard, folder, 128, threads)) for _ in range(3)]
    return statistics.median(large - small for small, large in pairs)


def policy_step(vard, folder, weights, threads):
    run = os.path.join(tempfile.mkdtemp(dir=folder), "run")
    seconds_of([*vard, "train", "--model", MODEL, "--reward", "colorfulness", "--weights", weights, "--steps", "4",
                "--pool-size", "32", "--value-fit-updates", "5", "--states-per-update", "64", "--policy-updates", "4",
                "--evaluation-prompts", "1", "--evaluation-seeds", "2", "--threads", str(threads), "--run", run])
    with open(os.path.join(run, "metrics.jsonl"), encoding="utf-8") as lines:
        times = [json.loads(line).get("seconds/policy") for line in lines]
    # the first update also records and compiles the graph
    return statistics.median([t for t in times if t][1:]) / 4


WAYS = {
    "sample": ("64 pictures, 20 steps", sample),
    "policy-full": ("policy step, 64 states, all weights", lambda *a: policy_step(a[0], a[1], "full", a[2])),
    "policy-lora": ("policy step, 64 states, LoRA rank 8", lambda *a: policy_step(a[0], a[1], "lora", a[2])),
}


def time_vard(vard, what, threads):
    with tempfile.TemporaryDirectory() as folder:
        return WAYS[what][1](vard, folder, threads)


def time_peer(python, what, threads):
    command = [*python, os.path.join(HERE, "peer.py"), "--model", MODEL, "--threads", str(threads), "--what", what]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout[done.stdout.index("{"):])["best"][what]


def print_row(what, ours, theirs):
    mine = statistics.median(ours)
    if theirs:
        ratio = statistics.median(peer / vard for vard, peer in zip(ours, theirs))
        print(f"| {WAYS[what][0]} | {mine:.3f} | {statistics.median(theirs):.3f} | {ratio:.2f} |", flush=True)
    else:
        print(f"| {WAYS[what][0]} | {mine:.3f} | not measured | |", flush=True)


def main():
    parser = argparse.ArgumentParser(description="times vard and, where there is one, its PyTorch peer")
    parser.add_argument("--vard", default="vard")
    parser.add_argument("--python", help="a Python with torch, diffusers and peft")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--what", choices=list(WAYS), action="append", help="only this; may be given several times")
    parser.add_argument("--before", default="", help="put before every command that is timed, such as taskset -c 0,1")
    args = parser.parse_args()
    before = args.before.split()
    print("| what | vard, s | PyTorch, s | ratio |\n|---|---|---|---|")
    for what in args.what or WAYS:
        ours, theirs = [], []
        for _ in range(args.rounds):
            ours.append(time_vard([*before, args.vard], what, args.threads))
            if args.python:
                theirs.append(time_peer([*before, args.python], what, args.threads))
                print(f"{what}: {ours[-1]:.3f} s and {theirs[-1]:.3f} s", file=sys.stderr)
        print_row(what, ours, theirs)


if __name__ == "__main__":
    sys.exit(main())
