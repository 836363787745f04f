#!/usr/bin/env python3
"""trace-sums.py TRACE [CATEGORY] - seconds by name of a trace's durations, the largest first, with their share

Where the trace has several rounds, so have the sums.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import collections
import json
import sys


def read_events(path):
    """Chrome's trace format: an array, or an object with one; the end may be missing"""
    with open(path, encoding='utf-8') as file:
        text = file.read().rstrip().rstrip(',')
    try:
        found = json.loads(text)
    except ValueError:
        found = json.loads(text + ']')
    return found['traceEvents'] if isinstance(found, dict) else found


def main(path, category='cuda'):
    sums, counts = collections.Counter(), collections.Counter()
    for event in read_events(path):
        if event.get('cat') == category and 'dur' in event:
            sums[event['name']] += event['dur'] * 1e-6
            counts[event['name']] += 1
    total = sum(sums.values())
    for name, seconds in sums.most_common():
        print('%-44s %7d calls %10.6f s %5.1f %%' % (name, counts[name], seconds, 100 * seconds / total))
    print('%-44s %7d calls %10.6f s' % ('all', sum(counts.values()), total))
    return 0 if sums else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
