#!/usr/bin/env python3
"""floors.py - keeps the house's floors: no include may rise, go sideways or close a circle

A file of libvard/ may include its own folder and folders of lower floors. Plugins, rewards and frontends may include their
own files and <vard.h>. The order below is the one that ARCHITECTURE.md draws.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import re
import sys

FLOORS = {
    'base': 0,
    'tensor': 1, 'plugin': 1,
    'graph': 2, 'comm': 2, 'track': 2,
    'engine': 3, 'nn': 3,
    'process': 4, 'files': 4, 'reward': 4,
    'clip': 5, 'adapters': 5,
    'models': 6,
    'diffusion': 7,
    'learn': 8,
    'algorithms': 9,
    'train': 10,
    'run': 11,
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def sources(root):
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            if name.endswith(('.c', '.h')):
                yield os.path.join(folder, name)


def read_includes(path):
    with open(path, encoding='utf-8') as file:
        return INCLUDE.findall(file.read())


def enters_algorithm(name, include):
    """Whether a file of the trainer or of one algorithm includes a file of another algorithm's folder"""
    folder = os.path.dirname(include)
    own = os.path.dirname(name)
    return (folder.startswith('algorithms/') and folder != own and
            (own == 'train' or own.startswith('algorithms/')))


def check_library(root):
    """Returns the complaints and the graph of includes between the library's files"""
    complaints, graph = [], {}
    library = os.path.join(root, 'libvard')
    for path in sources(library):
        name = os.path.relpath(path, library)
        graph[name] = []
        if os.sep not in name:
            continue
        own = name.split(os.sep)[0]
        if own not in FLOORS:
            complaints.append(f'libvard/{name}: the folder {own} has no floor')
            continue
        for include in read_includes(path):
            other = include.split('/')[0] if '/' in include else own
            if include in ('vard.h', 'vard-engine-sdk.h', 'vard-internal.h'):
                complaints.append(f'libvard/{name}: includes the umbrella header')
            elif other in FLOORS and other != own and FLOORS[other] >= FLOORS[own]:
                word = 'sideways' if FLOORS[other] == FLOORS[own] else 'upwards'
                complaints.append(f'libvard/{name}: includes {include}, which is {word} '
                                  f'({own} is floor {FLOORS[own]}, {other} is floor {FLOORS[other]})')
            elif enters_algorithm(name, include):
                complaints.append(f'libvard/{name}: includes {include}: an algorithm knows no other, '
                                  'and the trainer knows none')
            target = include if '/' in include else f'{own}/{include}'
            graph[name].append(target)
    return complaints, graph


def find_circle(graph):
    """Depth first; returns the first circle of includes, or None"""
    state, path = {}, []

    def visit(name):
        state[name] = 'open'
        path.append(name)
        for other in graph.get(name, []):
            if state.get(other) == 'open':
                return path[path.index(other):] + [other]
            if other in graph and other not in state:
                circle = visit(other)
                if circle:
                    return circle
        state[name] = 'closed'
        path.pop()
        return None

    for name in sorted(graph):
        if name not in state:
            circle = visit(name)
            if circle:
                return circle
    return None


def check_outside(root, folder, kind):
    """Plugins and frontends see what is installed: <vard.h>, and the files of their own folder and the folders in it"""
    complaints = []
    for path in sources(os.path.join(root, folder)):
        plugin = os.path.relpath(path, os.path.join(root, folder)).split(os.sep)[0]
        own = {os.path.basename(p) for p in sources(os.path.join(root, folder, plugin))}
        for include in read_includes(path):
            beside = os.path.join(os.path.dirname(path), include)
            if include not in own and not os.path.exists(beside):
                complaints.append(f'{os.path.relpath(path, root)}: includes "{include}"; '
                                  f'a {kind} may include <vard.h> and its own files')
    return complaints


def main(root):
    complaints, graph = check_library(root)
    circle = find_circle(graph)
    if circle:
        complaints.append('a circle of includes: ' + ' -> '.join(circle))
    complaints += check_outside(root, 'plugins', 'plugin') + check_outside(root, 'rewards', 'plugin')
    complaints += check_outside(root, 'frontends', 'frontend')
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
