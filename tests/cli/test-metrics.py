#!/usr/bin/env python3
"""test-metrics.py - the table of metrics and the runs agree, and the pages say what the table says"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import re
import subprocess
import sys
import unittest

import cli

TINY = os.path.join(cli.TESTS, 'data', 'tiny-model')
ROOT = os.path.dirname(cli.TESTS)
# Between them they write every metric: rewards are called in each step or never, with and without value-refresh
RUNS = {
    'plain': [],
    'refresh': ['--value-refresh', '--reward', 'jpeg-size:label=size', '--evaluation-interval', '2'],
    'quiet': ['--score-interval', '0', '--evaluation-prompts', '1'],
}


def kind_of(line):
    if any(name.startswith('evaluation/') for name in line):
        return 'evaluation'
    return 'start' if line['step'] == 0 else 'step'


class Metrics(cli.CliTest):
    def table(self):
        return json.loads(self.good('inspect', 'metrics', '--json').stdout)

    def lines(self, run):
        """Each line of a run as its kind and its names"""
        with open(self.path(run, 'metrics.jsonl'), encoding='utf-8') as file:
            lines = [json.loads(line) for line in file]
        return [(kind_of(line), set(line) - {'step', 'time'}) for line in lines]

    def test_runs_keep_to_the_table(self):
        """Every name has a row for its kind of line, every row without a condition is in every such line, and every
        other row in some line"""
        rows = [(row, re.compile(re.sub('<[a-z]+>', '.+', row['name']) + '$')) for row in self.table()]
        kinds, found = set(), set()
        for run, more in RUNS.items():
            self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', run, *cli.QUICK, *more)
            for kind, names in self.lines(run):
                kinds.add(kind)
                for name in names:
                    fits = [row['name'] for row, pattern in rows if pattern.match(name) and kind in row['lines']]
                    self.assertTrue(fits, f'{name} of a {kind} line of the run {run} is not in the table')
                    found.update(fits)
                for row, pattern in rows:
                    if kind in row['lines'] and 'condition' not in row:
                        self.assertTrue(any(map(pattern.match, names)), f"no {row['name']} in a {kind} line of {run}")
        self.assertEqual(kinds, {'start', 'step', 'evaluation'})
        self.assertEqual({row['name'] for row, _ in rows} - found, set())

    def test_order(self):
        """An evaluation's line follows the line of its step"""
        self.good('train', '--model', TINY, '--reward', 'colorfulness', '--run', 'run', *cli.QUICK,
                  '--evaluation-interval', '2')
        kinds = [kind for kind, _ in self.lines('run')]
        self.assertEqual(kinds, ['start', 'evaluation', 'step', 'step', 'evaluation', 'step', 'step', 'evaluation'])
        with open(self.path('run/metrics.jsonl'), encoding='utf-8') as file:
            lines = [json.loads(line) for line in file]
        for before, line in zip(lines, lines[1:]):
            if kind_of(line) == 'evaluation':
                self.assertEqual(line['step'], before['step'])
        with open(self.path('run/samples/step-000004/samples.json'), encoding='utf-8') as file:
            said = json.load(file)['metrics']
        self.assertEqual({'evaluation/' + name: value for name, value in said.items()},
                         {name: value for name, value in lines[-1].items() if name not in ('step', 'time')})

    def test_text(self):
        text = self.good('inspect', 'metrics').stdout
        for row in self.table():
            self.assertIn(f"\n{row['name']} ({row['unit']}", '\n' + text)
            self.assertIn(row['advice'], text)

    def test_pages(self):
        """docs/metrics.md and the man page were made from this table"""
        done = subprocess.run([sys.executable, os.path.join(ROOT, 'docs', 'make-metrics.py'), '--check'], text=True,
                              input=json.dumps(self.table()), capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == '__main__':
    sys.exit(cli.main())
