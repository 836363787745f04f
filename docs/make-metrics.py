#!/usr/bin/env python3
"""make-metrics.py - writes the metrics of docs/metrics.md and of the man page from `vard inspect metrics --json`

usage: vard inspect metrics --json | docs/make-metrics.py [--check]

The table in the library is the one description of the metrics. Both pages keep it between two marks;
with --check nothing is written, and a page that differs is an error.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import re
import sys
import textwrap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BEGIN, END = 'metrics of the table begin', 'metrics of the table end'
DIRECTIONS = {'higher': 'higher is better', 'lower': 'lower is better', 'none': 'neither way'}
LINES = {'start': 'step 0', 'step': 'steps', 'evaluation': 'evaluations'}


def lines_of(row):
    where = ', '.join(LINES[line] for line in row['lines'])
    return where + ('; ' + row['condition'] if 'condition' in row else '')


def markdown(rows):
    yield '| name | unit | direction | lines | what it measures | what is healthy, and what to do otherwise |'
    yield '|---|---|---|---|---|---|'
    for row in rows:
        yield (f"| `{row['name']}` | {row['unit']} | {DIRECTIONS[row['direction']]} | {lines_of(row)} | "
               f"{row['summary']} | {row['advice']} |")


def restructured(rows):
    for row in rows:
        yield ''
        yield f"{row['name']} ({row['unit']}; {DIRECTIONS[row['direction']]}; {lines_of(row)})"
        yield from textwrap.wrap(f"{row['summary']} {row['advice']}", 100, initial_indent='  ',
                                 subsequent_indent='  ', break_on_hyphens=False)
    yield ''


def place(path, comment, made, check):
    """The file with what was made between its marks; returns whether that is what it had"""
    with open(path, encoding='utf-8') as file:
        text = file.read()
    begin, end = comment % BEGIN, comment % END
    pattern = re.compile(re.escape(begin) + '\n.*?' + re.escape(end) + '\n', re.DOTALL)
    if len(pattern.findall(text)) != 1:
        sys.exit(f'make-metrics: {path} must have the marks "{begin}" and "{end}", once each and in this order')
    wanted = pattern.sub(lambda _: '\n'.join([begin, '', *made, end, '']), text)
    if wanted != text and not check:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(wanted)
    return wanted == text


def main():
    check = sys.argv[1:] == ['--check']
    rows = json.load(sys.stdin)
    pages = (('docs/metrics.md', '<!-- %s -->', [*markdown(rows), '']),
             ('data/man/vard.1.rst', '.. %s', [*restructured(rows)]))
    same = [place(os.path.join(ROOT, path), comment, made, check) for path, comment, made in pages]
    if check and not all(same):
        names = ' and '.join(page[0] for page, is_same in zip(pages, same) if not is_same)
        sys.exit(f'make-metrics: {names} differs from the table: vard inspect metrics --json | docs/make-metrics.py')


if __name__ == '__main__':
    main()
