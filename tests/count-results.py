#!/usr/bin/env python3
"""count-results.py - the closing line of a test run, from meson's own logs

Usage: count-results.py TESTLOG.json...

A program that speaks TAP counts once for each of its test points, any other once. A program that died without
a failing point counts as one failure. The exit status is 1 where anything failed or nothing ran.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import re
import sys

POINT = re.compile(r'^(not ok|ok)\b(.*)$')
SKIPPED = re.compile(r'#\s*skip', re.IGNORECASE)
GOOD = ('OK', 'EXPECTEDFAIL')


def count_points(text):
    passed = failed = skipped = 0
    for line in text.splitlines():
        point = POINT.match(line)
        if not point:
            continue
        if SKIPPED.search(point.group(2)):
            skipped += 1
        elif point.group(1) == 'ok':
            passed += 1
        else:
            failed += 1
    return passed, failed, skipped


def count_test(entry):
    passed, failed, skipped = count_points(entry.get('stdout') or '')
    result = entry['result']
    if result == 'SKIP' and passed + failed == 0:
        return 0, 0, max(skipped, 1)
    if result not in GOOD and result != 'SKIP' and failed == 0:
        failed = 1
    elif passed + failed + skipped == 0:
        passed = 1
    return passed, failed, skipped


def main(paths):
    totals = [0, 0, 0]
    for path in paths:
        with open(path, encoding='utf-8') as log:
            for line in log:
                totals = [a + b for a, b in zip(totals, count_test(json.loads(line)))]
    print('%d passed, %d failed, %d skipped' % tuple(totals))
    return 1 if totals[1] or not totals[0] else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
