#!/usr/bin/env python3
# compare.py - vard and PyTorch + diffusers side by side on one machine, as a table
#
#   meson devenv -C build --workdir . python3 tests/bench/compare.py --python /path/to/python-with-torch
#
# Sampling is what 64 more pictures cost the command line (128 pictures against 64: start-up and loading cancel, writing
# the PNG files stays in). A policy step is the median of a training's own seconds/policy, an update of 64 states:
# both denoisers, the value's gradient, the backward pass, AdamW. The peer is tests/bench/peer.py. The two take turns.
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


def sample(vard, folder, count, threads):
    out = tempfile.mkdtemp(dir=folder)
    return seconds_of([vard, "sample", "--model", MODEL, "--prompt", "red apple", "--count", str(count),
                       "--batch", "64", "--guidance-scale", "1", "--steps", "20", "--threads", str(threads),
                       "-o", os.path.join(out, "pictures")])


def policy_step(vard, folder, weights, threads):
    run = os.path.join(tempfile.mkdtemp(dir=folder), "run")
    seconds_of([vard, "train", "--model", MODEL, "--reward", "colorfulness", "--weights", weights, "--steps", "8",
                "--pool-size", "32", "--value-fit-updates", "5", "--states-per-update", "64", "--policy-updates", "1",
                "--evaluation-interval", "1000", "--threads", str(threads), "--run", run])
    with open(os.path.join(run, "metrics.jsonl"), encoding="utf-8") as lines:
        times = [json.loads(line).get("seconds/policy") for line in lines]
    # the first update also records and compiles the graph
    return statistics.median([t for t in times if t][1:])


def time_vard(vard, threads):
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(sample(vard, folder, 64, threads), sample(vard, folder, 128, threads)) for _ in range(3)]
        return {"sample": statistics.median(large - small for small, large in pairs),
                "policy-full": policy_step(vard, folder, "full", threads),
                "policy-lora": policy_step(vard, folder, "lora", threads)}


def time_peer(python, threads):
    command = [python, os.path.join(HERE, "peer.py"), "--model", MODEL, "--threads", str(threads), "--repeats", "3"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout[done.stdout.index("{"):])["best"]


def main():
    parser = argparse.ArgumentParser(description="times vard and, where there is one, its PyTorch peer")
    parser.add_argument("--vard", default="vard")
    parser.add_argument("--python", help="a Python with torch, diffusers and peft")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(time_vard(args.vard, args.threads))
        if args.python:
            theirs.append(time_peer(args.python, args.threads))
    names = {"sample": "64 pictures, 20 steps", "policy-full": "policy step, 64 states, all weights",
             "policy-lora": "policy step, 64 states, LoRA rank 8"}
    print("| what | vard, s | PyTorch, s | ratio |\n|---|---|---|---|")
    for key, name in names.items():
        mine = statistics.median(o[key] for o in ours)
        if theirs:
            peer = statistics.median(t[key] for t in theirs)
            print(f"| {name} | {mine:.2f} | {peer:.2f} | {peer / mine:.2f} |")
        else:
            print(f"| {name} | {mine:.2f} | not measured | |")


if __name__ == "__main__":
    sys.exit(main())
