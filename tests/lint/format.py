#!/usr/bin/env python3
"""format.py - no line over 100 columns, and every file as .clang-format lays it out

Both hold between 'clang-format off' and 'clang-format on' comments too, but for the layout. Another version of
clang-format lays out differently: without version 14 the layout is not checked, and the test is skipped (77).
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import re
import shutil
import subprocess
import sys

LIMIT = 100
FOLDERS = ('libvard', 'plugins', 'rewards', 'frontends', 'tests')
VERSION = 14


def list_files(root):
    for top in FOLDERS:
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders.sort()
            yield from (os.path.join(folder, n) for n in sorted(names) if n.endswith(('.c', '.h', '.cu')))


def find_long_lines(root, path):
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            width = len(line.rstrip('\n'))
            if width > LIMIT:
                yield f'{os.path.relpath(path, root)}:{number}: {width} columns, the limit is {LIMIT}'


def find_program():
    for name in (f'clang-format-{VERSION}', 'clang-format'):
        program = shutil.which(name)
        if program is None:
            continue
        said = subprocess.run([program, '--version'], capture_output=True, text=True, check=False).stdout
        if re.search(rf'version {VERSION}\.', said):
            return program
    return None


def find_misformatted(program, root, paths):
    """A name per file that the formatter would change, with the first place"""
    said = subprocess.run([program, '--dry-run', '--style=file', '--ferror-limit=0', *paths], cwd=root,
                          capture_output=True, text=True, check=False).stderr
    seen = set()
    for match in re.finditer(r'^(\S+?):(\d+):\d+: (?:warning|error): code should be clang-formatted', said,
                             re.MULTILINE):
        if match[1] not in seen:
            seen.add(match[1])
            yield f'{os.path.relpath(match[1], root)}:{match[2]}: not as .clang-format lays it out'


def main(root):
    paths = list(list_files(root))
    complaints = [line for path in paths for line in find_long_lines(root, path)]
    program = find_program()
    if program is not None:
        for first in range(0, len(paths), 100):
            complaints += find_misformatted(program, root, paths[first:first + 100])
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        print(f'to lay a file out: clang-format-{VERSION} -i FILE', file=sys.stderr)
        return 1
    if program is None:
        print(f'no clang-format {VERSION}: only the width of lines was checked')
        return 77
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
