#!/usr/bin/env python3
# ablations.py - the demo with one thing changed at a time, as a table, and the curve of an over-trusted value network
#
#   meson devenv -C build --workdir . python3 tests/bench/ablations.py --out FOLDER [--seed N] [--only NAME ...]
#
# Every row is data/demo.json with the options beside its name; the last two rows keep the first value network, and
# the very last follows it without KL: then the network's own estimate keeps rising while the reward falls.
# A run that is already in FOLDER is not repeated. Two to three minutes each on two cores.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import glob
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
DEMO = os.path.join(HERE, "..", "..", "data", "demo.json")
FROZEN = ["--value-refresh=false", "--pool-size", "512", "--value-fit-updates", "300"]
ROWS = {
    "demo": [],
    "kl-weight x 2.5": ["--kl-weight", "0.045"],
    "kl-weight / 4": ["--kl-weight", "0.0045"],
    "no KL": ["--kl-weight", "0"],
    "gamma 0.9": ["--gamma", "0.9"],
    "value of t = 0 only": ["--value-noisy=false"],
    "value of t = 0 only, trusted": ["--value-noisy=false", "--q-min", "-1"],
    "LoRA, rank 8": ["--weights", "lora", "--learning-rate", "1e-3"],
    "frozen value": FROZEN,
    "frozen value, no KL": FROZEN + ["--kl-weight", "0"],
}


def run_of(name, options, out, seed):
    run = os.path.join(out, "".join(c if c.isalnum() else "-" for c in name))
    if not os.path.exists(os.path.join(run, "final", "COMPLETE")):
        subprocess.run(["vard", "train", DEMO, "--run", run, "--quiet", "--seed", str(seed), *options],
                       check=True, stdout=subprocess.DEVNULL)
    return run


def evaluation_of(run):
    last = sorted(glob.glob(os.path.join(run, "samples", "step-*", "samples.json")))[-1]
    with open(last, encoding="utf-8") as file:
        return json.load(file)["metrics"]


def steps_of(run):
    """The lines of steps, without those of evaluations"""
    with open(os.path.join(run, "metrics.jsonl"), encoding="utf-8") as lines:
        return [line for line in map(json.loads, lines) if "reward-calls" in line]


def print_row(name, run):
    measured = evaluation_of(run)
    print(f"| {name} | {measured['reward/gain-sd']:+.2f} | {measured['kl/trajectory']:.0f} | "
          f"{100 * measured['diversity/kept']:.0f} % | {steps_of(run)[-1]['reward-calls']:.0f} |", flush=True)


def print_curve(run):
    steps = [step for step in steps_of(run) if "policy/value" in step]
    marks = [steps[round(i * (len(steps) - 1) / 9)] for i in range(10)]
    print("\n| step | " + " | ".join(str(mark["step"]) for mark in marks) + " |")
    print("|---" * 11 + "|")
    print("| reward, training pictures | " + " | ".join(f"{mark['reward/mean']:+.2f}" for mark in marks) + " |")
    print("| the value network's estimate | " + " | ".join(f"{mark['policy/value']:+.2f}" for mark in marks) + " |")
    print("| KL, nats | " + " | ".join(f"{mark['kl/trajectory']:.0f}" for mark in marks) + " |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True, help="folder of the runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="rows to run; all unless named")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    rows = {name: ROWS[name] for name in options.only or ROWS}
    print("| run | gain, sd | KL, nats | diversity kept | reward calls |\n|---|---|---|---|---|")
    for name, changes in rows.items():
        print_row(name, run_of(name, changes, options.out, options.seed))
    if "frozen value, no KL" in rows:
        print_curve(run_of("frozen value, no KL", rows["frozen value, no KL"], options.out, options.seed))


main()
