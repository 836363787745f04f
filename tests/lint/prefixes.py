#!/usr/bin/env python3
"""prefixes.py - a static function says by its name where it lives

It begins with the name of its file (vard_lora_file_ in vard-lora-file.c), or with what stands for the whole house:
vard_ of a type or a subject in the library, cpu_ and cuda_ in the engines, cli_ in the program, the reward's first
word in a reward. Two shorter forms are as good: the name of a type that the file declares for itself (slab_free of
a Slab), and that of an operation that the file defines (silu_vjp of vard_op_silu). Tests are free.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import re
import sys

STATIC = re.compile(r'^static (?:inline )?[^\n;={}()]*\n(\w+) \(', re.MULTILINE)
TYPE = re.compile(r'^(?:\} |typedef [^;{}]*[ *])(\w+);', re.MULTILINE)
CLASS = re.compile(r'\bG_DEFINE_\w+ \(\w+, (\w+)')
OPERATION = re.compile(r'\bvard_op_(\w+)\b')
# the function that a plugin's descriptor names
FREE = ('provide', 'main')
HOUSES = {'libvard': 'vard', 'plugins/cpu': 'cpu', 'plugins/cuda': 'cuda', 'frontends/cli': 'cli'}


def snake(name):
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '_', name).lower()


def house_of(path):
    """The prefix of a file's house: cpu for plugins/cpu/cpu-pool.c; None where names are free"""
    for folder, house in HOUSES.items():
        if path.startswith(folder + '/'):
            return house
    parts = path.split('/')
    return parts[1].split('-')[0] if parts[0] == 'rewards' and len(parts) > 2 else None


def stem_of(path):
    return os.path.splitext(os.path.basename(path))[0].replace('-', '_')


def find_bad(path, text):
    """(line, name) of each static function without a prefix"""
    house = house_of(path)
    if house is None or not path.endswith('.c'):
        return
    prefixes = [house + '_', stem_of(path) + '_'] + [snake(name) + '_' for name in TYPE.findall(text)]
    prefixes += [name + '_' for name in CLASS.findall(text)]
    if stem_of(path).startswith('vard_op'):
        prefixes += [name + '_' for name in OPERATION.findall(text)]
    for match in STATIC.finditer(text):
        if match[1] not in FREE and not match[1].startswith(tuple(prefixes)):
            yield text.count('\n', 0, match.start(1)) + 1, match[1]


def suggest(path, name):
    """Names with a prefix, the best first"""
    stem = stem_of(path)
    if house_of(path) == 'vard':
        yield f'{stem}_{name}'
    else:
        yield f'{house_of(path)}_{name}'
        yield f'{stem}_{name}'
    yield f'{stem}_do_{name}'


def main(root):
    complaints = []
    for top in ('libvard', 'plugins', 'rewards', 'frontends'):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders.sort()
            for name in sorted(names):
                if not name.endswith('.c'):
                    continue
                path = os.path.join(folder, name)
                relative = os.path.relpath(path, root).replace(os.sep, '/')
                with open(path, encoding='utf-8') as file:
                    for line, function in find_bad(relative, file.read()):
                        complaints.append(f'{relative}:{line}: {function} has no prefix, as in '
                                          f'{next(suggest(relative, function))}')
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
