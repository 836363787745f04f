#!/usr/bin/env python3
"""words.py - what every source file has, and what none may have

Has: a first line that says what it is for, and an SPDX line. Has not: line comments in C, paths of somebody's
machine, marks of unfinished work, tabs.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import re
import sys

FOLDERS = ('libvard', 'plugins', 'rewards', 'frontends', 'tests', 'data', '.ci')
SOURCES = ('.c', '.h', '.cu', '.py', '.sh', '.js', '.lua', '.vala')
STRING = re.compile(r'"(?:\\.|[^"\\])*"')
# In two halves, so that this file passes its own test
MARKS = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X)\b')
UNCHECKED_JSON = re.compile(r'\bjson_(parser_load|parser_new|from_string)')
MACHINE = re.compile(r'(?<![\w.])/(?:home|root|work|Users|mnt)/\w')


def strip_block_comments(text):
    return re.sub(r'/\*.*?\*/', lambda m: '\n' * m.group(0).count('\n'), text, flags=re.DOTALL)


def check_c(name, text):
    first = text.split('\n', 1)[0]
    expected = f'/* {os.path.basename(name)} - '
    if not first.startswith(expected):
        yield f'{name}:1: does not begin with "{expected}"'
    for number, line in enumerate(strip_block_comments(text).split('\n'), 1):
        if '//' in STRING.sub('""', line):
            yield f'{name}:{number}: a line comment; use /* */'
    for number, line in enumerate(text.split('\n'), 1):
        if '\t' in line:
            yield f'{name}:{number}: a tab'


def check_json(name, text):
    """json-glib's parser overflows the stack on nested brackets: one function looks at the text before"""
    if name.startswith('libvard') and os.path.basename(name) != 'vard-json-parse.c':
        for number, line in enumerate(text.split('\n'), 1):
            if UNCHECKED_JSON.search(line):
                yield f'{name}:{number}: parses JSON; use vard_json_parse ()'


def check_any(name, text):
    if 'SPDX-License-Identifier: ' not in text:
        yield f'{name}: no SPDX-License-Identifier line'
    for number, line in enumerate(text.split('\n'), 1):
        if MARKS.search(line):
            yield f'{name}:{number}: a mark of unfinished work'
        if MACHINE.search(line):
            yield f'{name}:{number}: a path of one machine'


def main(root):
    complaints = []
    for top in FOLDERS:
        for folder, _, names in sorted(os.walk(os.path.join(root, top))):
            for name in sorted(n for n in names if n.endswith(SOURCES)):
                path = os.path.join(folder, name)
                with open(path, encoding='utf-8') as file:
                    text = file.read()
                relative = os.path.relpath(path, root)
                complaints += check_any(relative, text)
                if name.endswith(('.c', '.h')):
                    complaints += check_c(relative, text)
                    complaints += check_json(relative, text)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
