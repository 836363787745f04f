#!/usr/bin/env python3
"""links.py - every relative link in a Markdown page leads to a file"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import pathlib
import re
import sys

LINK = re.compile(r'\]\(([^)#\s]+)')


def main(root):
    pages = [*root.glob('*.md'), *root.glob('docs/*.md'), *root.glob('data/**/*.md')]
    missing = []
    for page in sorted(pages):
        for target in LINK.findall(page.read_text(encoding='utf-8')):
            if '://' not in target and not (page.parent / target).exists():
                missing.append(f'{page.relative_to(root)}: no file {target}')
    for line in missing:
        print(line, file=sys.stderr)
    return 1 if missing or not pages else 0


if __name__ == '__main__':
    sys.exit(main(pathlib.Path(sys.argv[1])))
