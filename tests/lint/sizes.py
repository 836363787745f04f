#!/usr/bin/env python3
"""sizes.py - no file over 600 lines, no function over 60, no folder over 20 units

A function's body is what stands between a '{' and a '}' alone in the first column; a table ends with '};' and does
not count. A folder has at most 20 units, a unit being a source and its header.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import sys

FILE_LIMIT, FUNCTION_LIMIT, FOLDER_LIMIT = 600, 60, 20
FOLDERS = ('libvard', 'plugins', 'rewards', 'frontends', 'tests')


def function_lengths(lines):
    """Yields (first line, name, number of lines) of each function"""
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == '{':
            start = number
        elif line.rstrip() == '}' and start is not None:
            header = start - 2
            while header > 0 and lines[header].startswith(' '):
                header -= 1
            yield start, lines[header].split('(')[0].strip(), number - start + 1
            start = None
        elif line.startswith('}'):
            start = None


def check_file(root, path):
    with open(path, encoding='utf-8') as file:
        lines = file.read().splitlines()
    name = os.path.relpath(path, root)
    if len(lines) > FILE_LIMIT:
        yield f'{name}: {len(lines)} lines, the limit is {FILE_LIMIT}'
    for start, function, length in function_lengths(lines):
        if length > FUNCTION_LIMIT:
            yield f'{name}:{start}: {function} has {length} lines, the limit is {FUNCTION_LIMIT}'


def main(root):
    complaints = []
    for top in FOLDERS:
        for folder, _, names in sorted(os.walk(os.path.join(root, top))):
            kept = sorted(n for n in names if n.endswith(('.c', '.h', '.cu')))
            n_units = len({os.path.splitext(n)[0] for n in kept})
            if n_units > FOLDER_LIMIT:
                complaints.append(f'{os.path.relpath(folder, root)} has {n_units} units, '
                                  f'the limit is {FOLDER_LIMIT}')
            for name in kept:
                complaints += check_file(root, os.path.join(folder, name))
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
