#!/usr/bin/env python3
"""installed.py - installed headers stand on their own, and every function that they declare is documented

An installed header includes only installed headers. The block of reference documentation stands where the function
is defined, or in the header for inline functions. The lists folder_headers in the build files say which headers are
installed.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import re
import sys

COMMENT = re.compile(r'/\*.*?\*/', re.DOTALL)
MACRO = re.compile(r'^[ \t]*#[ \t]*define(?:.*\\\n)*.*', re.MULTILINE)
DECLARED = re.compile(r'\b(vard_\w+)\s*\(')
BLOCK = re.compile(r'/\*\*\n \* (vard_\w+):')
HEADERS = re.compile(r'^folder_headers\s*\+?=\s*files\((.*?)\)', re.DOTALL | re.MULTILINE)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# GObject's macros declare these
GENERATED = re.compile(r'_get_type$')


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def installed_headers(library):
    for folder, _, names in sorted(os.walk(library)):
        if 'meson.build' in names and folder != library:
            for group in HEADERS.findall(read(os.path.join(folder, 'meson.build'))):
                for name in re.findall(r"'([^']+)'", group):
                    yield os.path.join(folder, name)


def documented_names(library):
    names = set()
    for folder, _, files in os.walk(library):
        for name in files:
            if name.endswith(('.c', '.h')):
                names.update(BLOCK.findall(read(os.path.join(folder, name))))
    return names


def check_header(root, header, installed, known):
    text = COMMENT.sub('', read(header))
    for include in INCLUDE.findall(text):
        if include not in installed:
            yield f'{os.path.relpath(header, root)}: includes {include}, which is not installed'
    text = MACRO.sub('', text)
    # the bodies of inline functions call others
    text = re.sub(r'^\{.*?^\}', '', text, flags=re.DOTALL | re.MULTILINE)
    for name in dict.fromkeys(DECLARED.findall(text)):
        if name not in known and not GENERATED.search(name):
            yield f'{os.path.relpath(header, root)}: {name} has no documentation'


def main(root):
    library = os.path.join(root, 'libvard')
    known = documented_names(library)
    headers = list(installed_headers(library))
    installed = {os.path.relpath(header, library) for header in headers}
    complaints = []
    for header in headers:
        complaints += check_header(root, header, installed, known)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
