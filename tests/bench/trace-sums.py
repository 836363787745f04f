#!/usr/bin/env python3
"""Seconds by kernel of a trace's steps, the largest first, with their share; by shape, too, with --shapes; by what kind of
work it is with --families: products, convolutions, attention, norms, elementwise, sums, moves, other.

A shape is what a step reads and what it makes: its first two operands and its first result. GFLOP/s count the
multiplications and additions of the plain algorithm. Where the trace has several rounds, so have the sums.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import collections
import json
import re
import sys


FAMILIES = {'matmul': 'products', 'conv2d': 'convolutions', 'conv2d_input_gradient': 'convolutions',
            'conv2d_weight_gradient': 'convolutions', 'attention': 'attention', 'attention_gradient': 'attention',
            'softmax': 'attention', 'normalize': 'norms', 'normalize_gradient': 'norms', 'region': 'elementwise',
            'sum': 'sums', 'concat': 'moves', 'slice': 'moves', 'pad': 'moves', 'upsample': 'moves', 'pool_sum': 'moves',
            'permute': 'moves', 'gather': 'moves', 'gather_gradient': 'moves', 'cast': 'moves', 'fill': 'moves'}


def find_family(event):
    """by the operation that a step's name begins with: what is fused with it counts with it"""
    return FAMILIES.get(re.match(r'\w+', event['name']).group(), 'other')


def read_events(path):
    """Chrome's trace format: an array, or an object with one; the end may be missing"""
    with open(path, encoding='utf-8') as file:
        text = file.read().rstrip().rstrip(',')
    try:
        found = json.loads(text)
    except ValueError:
        found = json.loads(text + ']')
    return found['traceEvents'] if isinstance(found, dict) else found


def describe(event):
    shapes = [re.findall(r'\[[^]]*\]', event.get('args', {}).get(key, '')) for key in ('in', 'out')]
    return ' '.join([event['name'], *shapes[0][:2], '->', *shapes[1][:1]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('trace')
    parser.add_argument('category', nargs='?', default='cuda', help='cpu or cuda')
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument('--shapes', action='store_true')
    kinds.add_argument('--families', action='store_true')
    parser.add_argument('--top', type=int, default=40, help='lines at most')
    args = parser.parse_args()
    sums, counts, flops = collections.Counter(), collections.Counter(), collections.Counter()
    for event in read_events(args.trace):
        if event.get('cat') == args.category and 'dur' in event:
            name = describe(event) if args.shapes else find_family(event) if args.families else event['name']
            sums[name] += event['dur'] * 1e-6
            counts[name] += 1
            flops[name] += event.get('args', {}).get('flops', 0)
    total = sum(sums.values())
    width = 100 if args.shapes else 44
    for name, seconds in sums.most_common(args.top):
        print('%-*s %7d calls %10.6f s %5.1f %% %8.1f GFLOP/s'
              % (width, name, counts[name], seconds, 100 * seconds / total, flops[name] / max(seconds, 1e-9) * 1e-9))
    print('%-*s %7d calls %10.6f s' % (width, 'all', sum(counts.values()), total))
    return 0 if sums else 1


if __name__ == '__main__':
    sys.exit(main())
