#!/usr/bin/env python3
"""check-tokenizer.py - ten thousand strings by vard's tokenizer and by CLIPTokenizerFast

Words, white space of every kind, signs, scripts, emoji, contractions, numbers, control characters, texts that are too
long, and mixtures: string i is a formula, so that the test without this script (test-tokenizer-strings.c) makes the same
ones, and compares a hash per hundred strings with tokenizer-strings.json.

  check-tokenizer.py             the two vocabularies of the tests, each string
  check-tokenizer.py FOLDER      any tokenizer, for example that of Stable Diffusion 1.5
  check-tokenizer.py --write     writes tokenizer-strings.json

Runs with the python that VARD_ORACLE_PYTHON names (it needs transformers); skipped without. VARD_TOKENIZE is the
program that says what vard makes of the strings.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import hashlib
import json
import os
import pathlib
import subprocess
import sys

try:
    import tokenizers
    import transformers
except ImportError:
    oracle = os.environ.get('VARD_ORACLE_PYTHON')
    if oracle and oracle != sys.executable:
        os.execv(oracle, [oracle, *sys.argv])
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = {'emoji': HERE / 'tokenizer', 'bytes': HERE.parent / 'data/tiny-model/tokenizer'}
N, BLOCK, LENGTH = 10000, 100, 77
MASK = (1 << 64) - 1

WORDS = ('red', 'apple', 'Cat', 'FACE', 'sunflower', 'a', 'the', 'of', 'photograph', 'Qwxzk', 'e\u0301te\u0301', '\u00e9t\u00e9', 'Stra\u00dfe',
         '\u0130stanbul', '\u041c\u0418\u0420', '\u03a3\u0391\u03a3', '\u65e5\u672c\u8a9e', 'masterpiece,', '(best', 'quality:1.2)', '8k', 'high-res', '1girl', 'x')
SPACES = (' ', '  ', '\t', '\n', '\r\n', '\v', '\f', '\u0085', '\u00a0', '\u1680', '\u2003', '\u2028', '\u2029', '\u202f', '\u205f', '\u3000')
SIGNS = 'abcxyzABCXYZ0189 .,;:!?\'"()[]{}<>|/\\_-+=*&^%$#@~`'
RANGES = ((0xa1, 0x17f), (0x250, 0x2af), (0x300, 0x36f), (0x391, 0x3a1), (0x400, 0x45f), (0x5d0, 0x5ea), (0x627, 0x64a),
          (0x905, 0x939), (0xe01, 0xe2e), (0x1100, 0x1112), (0x1161, 0x1175), (0x1e00, 0x1eff), (0x1f00, 0x1f15),
          (0x2010, 0x205e), (0x2100, 0x214d), (0x2150, 0x2188), (0x2190, 0x21ff), (0x2460, 0x24ff), (0x2600, 0x26ff),
          (0x3041, 0x3096), (0x30a1, 0x30fa), (0x4e00, 0x9fa5), (0xac00, 0xd7a3), (0xfb00, 0xfb06), (0xff01, 0xff5e),
          (0x10400, 0x1044f), (0x1d400, 0x1d454), (0x1f300, 0x1f320), (0x1f600, 0x1f640))
EMOJI = ('\U0001f34e', '\U0001f408\u200d\u2b1b', '\u2764\ufe0f', '\U0001f468\u200d\U0001f469\u200d\U0001f467', '\U0001f1e9\U0001f1ea', '\U0001f44d\U0001f3fd', '\u26a1', '1\ufe0f\u20e3')
ENDINGS = ("'s", "'S", "'t", "'T", "'re", "'ve", "'m", "'ll", "'LL", "'d", "\u2019s", "'", "''", "'x", "'sa", "`s")
NUMBERS = ('0', '7', '42', '3.14', '1,000', '1e-5', '\u00bd', '\u2167', '\u0663', '\u00b2', '007', '1st', '16:9', '2\u00d74', '\u2460', '\uff15')
CONTROLS = ('\x01', '\x07', '\x08', '\x1b', '\x1f', '\x7f', '\x80', '\x9f', '\u00ad', '\u200b', '\u200d', '\u200e', '\ufeff', '\ufffd', '\uffff', '\U0010ffff')
SPECIALS = ('<|startoftext|>', '<|endoftext|>', '<|ENDOFTEXT|>', '</w>', '<|', '|>', '\u0120', '\u0100')


class Random:
    """splitmix64"""

    def __init__(self, seed):
        self.state = seed * 0xd1342543de82ef95 & MASK

    def below(self, n):
        self.state = self.state + 0x9e3779b97f4a7c15 & MASK
        z = self.state
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & MASK
        z = (z ^ z >> 27) * 0x94d049bb133111eb & MASK
        return (z ^ z >> 31) % n

    def pick(self, table):
        return table[self.below(len(table))]


def letter(random):
    low, high = random.pick(RANGES)
    return chr(low + random.below(high - low + 1))


def word(random, kind):
    if kind == 0:
        return random.pick(WORDS) + ' '
    if kind == 1:
        text = random.pick(WORDS)
        return text + random.pick(SPACES)
    if kind == 2:
        return random.pick(SIGNS)
    if kind == 3:
        return letter(random)
    if kind == 4:
        text = random.pick(EMOJI)
        return text + ('' if random.below(3) else ' ')
    if kind == 5:
        text = random.pick(WORDS)
        text += random.pick(ENDINGS)
        return text + ('' if random.below(3) else ' ')
    if kind == 6:
        text = random.pick(NUMBERS)
        return text + ('' if random.below(2) else ' ')
    if kind == 7:
        return random.pick(CONTROLS) if random.below(2) else random.pick(SIGNS)
    return random.pick(SPECIALS)


def make_string(i):
    random, kind = Random(i + 1), i % 10
    if kind == 8:       # far too long: words, or one endless word
        if random.below(2):
            n = 100 + random.below(300)
            return ''.join(word(random, 0) for _ in range(n))
        text = word(random, 2 + random.below(3))
        return text * (200 + random.below(1000))
    n = random.below(41)
    if kind == 9:
        return ''.join(word(random, random.below(9)) for _ in range(n))
    return ''.join(word(random, kind) for _ in range(n))


def tokenize_here(folder, texts):
    tokenizer = transformers.CLIPTokenizer.from_pretrained(str(folder))
    assert tokenizer.is_fast
    return [tokenizer(text, padding='max_length', truncation=True, max_length=LENGTH).input_ids for text in texts]


def tokenize_vard(folder):
    done = subprocess.run([os.environ.get('VARD_TOKENIZE', 'test-golden-tokenizer-strings'), '--print', str(folder)],
                          capture_output=True, text=True, check=True)
    return [[int(number) for number in line.split()] for line in done.stdout.splitlines()]


def check(name, folder, texts):
    expected, found = tokenize_here(folder, texts), tokenize_vard(folder)
    wrong = [i for i in range(N) if found[i] != expected[i]]
    print(f'{name}: {N - len(wrong)} of {N} strings are equal')
    for i in wrong[:5]:
        print(f'  string {i}: {texts[i][:60]!a}\n    vard  {found[i][:20]}\n    theirs {expected[i][:20]}')
    return not wrong


def hash_blocks(texts, rows):
    """of each text, its ids, and a line end"""
    blocks = []
    for begin in range(0, N, BLOCK):
        total = hashlib.sha256()
        for text, ids in zip(texts[begin:begin + BLOCK], rows[begin:begin + BLOCK]):
            total.update(text.encode() + b'\0' + ' '.join(map(str, ids)).encode() + b'\n')
        blocks.append(total.hexdigest()[:16])
    return blocks


def write(texts):
    golden = {'transformers': transformers.__version__, 'tokenizers': tokenizers.__version__, 'length': LENGTH,
              'blocks': {name: hash_blocks(texts, tokenize_here(folder, texts)) for name, folder in FOLDERS.items()}}
    (HERE / 'tokenizer-strings.json').write_text(json.dumps(golden, indent=1) + '\n')


def main(arguments):
    texts = [make_string(i) for i in range(N)]
    if arguments == ['--write']:
        write(texts)
        return 0
    folders = {argument: argument for argument in arguments} or FOLDERS
    return 0 if all([check(name, folder, texts) for name, folder in folders.items()]) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
