#!/usr/bin/env python3
"""make-tokenizer-golden.py - writes tokenizer.json: ids of CLIPTokenizerFast for hard strings.

The vocabulary is the emoji model's (data/models/emoji/tokenizer); a copy of what the golden file was made with lies in
tests/golden/tokenizer, so that a new model does not change the test. CLIP's own vocabulary has the same form and is
not in the repository. Needs transformers.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import pathlib
import random
import sys

from transformers import CLIPTokenizer

HERE = pathlib.Path(__file__).parent

PLAIN = """red apple|cat face|sunflower|soccer ball|fire|a fruit|an animal face|Red Apple|RED APPLE|  red   apple  |
red\tapple|red\napple|it's a dog's life|I'LL we've they're you'd I'm can't|rock 'n' roll|'s|''s|'S|''|don't!!!|'tis|
12345|1 2 3|3.14|1st 2nd 3rd|route66|x2y3z4|a1b2|!?|...|hello, world!|wow!!1|(red) [apple] {pear}|a-b_c/d\\e|
<|startoftext|>|<|endoftext|>|a<|endoftext|>b|A <|ENDOFTEXT|> b|<|startoftext|> x <|startoftext|>|<| endoftext|>|
<|endoftext|><|endoftext|>|<|endoftext|</w>|</w>|a</w>b|#version: 0.2|\\u0041|100%|$5.99|#tag @name|e=mc^2|~`|
x|xx|xxxxxxxxxxxxxxxx|supercalifragilisticexpialidocious|antidisestablishmentarianism|zzzzqqqq""".replace("\n", "").split("|")

UNICODE = ["", " ", "\t", "\u00a0", "\u3000", "\u2028x\u2029y", "a\u0085b", "a\u000bb", "\u200b", "a\u200bb", "\ufeff", "\u180e",
           "\u0130stanbul", "I\u0307", "\u03a3\u0391\u03a3", "Stra\u00dfe", "STRA\u1e9eE", "caf\u00e9", "cafe\u0301", "\u212b\u212a\u2126",
           "na\u00efve", "\u00c5\u00c4\u00d6", "\u01c5 \u01c4", "\ufb01ne", "\u1e9b\u0323", "\uac00\u1100\u1161", "\u65e5\u672c\u8a9e\u306e\u30c6\u30b9\u30c8",
           "\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\u041f\u0440\u0438\u0432\u0435\u0442, \u041c\u0418\u0420", "\u0645\u0631\u062d\u0628\u0627", "\u05e9\u05dc\u05d5\u05dd", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
           "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0661\u0662\u0663", "\u00bd \u2167 \u00b2", "\u2460\u3007", "\U0001f34e", "\U0001f408\u200d\u2b1b", "\u2764\ufe0f",
           "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\U0001f44d\U0001f3fd", "red \U0001f34e apple", "\U0001d400\U0001d7d9",
           "\u0300", "a\u0300\u0301\u0302", "\u00ad", "\ud7ff\ue000", "\uffff", "\U0010ffff", "\x7f", "\u2019s", "it\u2019s", "\u0149",
           "\u1f88", "\u10a0\u2d00", "\u13a0\uab70", "\U00010400", "\u2c00", "\u0345\u0399", "\u1e97", "\u0958", "\u2adc", "\ufb1d", "\u1100\u1161\u11a8"]


def generate():
    rng = random.Random(7)
    words = "red blue a the apple cat dog heart face green of on background ball fruit sun 7 42 ! ? , it's I'm \u00e9t\u00e9 \U0001f34e".split()
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 '!-.,\u00e9\u00df\u65e5\u0416\U0001f525"
    texts = PLAIN + UNICODE
    texts += [" ".join(rng.choices(words, k=rng.randint(1, 30))) for _ in range(150)]
    texts += ["".join(rng.choices(letters, k=rng.randint(1, 60))) for _ in range(150)]
    texts += [chr(c) for c in range(1, 256)] + ["red " * 500, "a" * 3000, "!" * 200, "9" * 40]
    blocks = [c for c in range(0x100, 0x3000) if rng.random() < 0.03]
    texts += ["x" + chr(c) + "Y" for c in blocks]
    return texts


def main(folder):
    cases = []
    for name, changes in (("stock", {}), ("stable-diffusion-2", {"pad_token": "!"})):
        tokenizer = CLIPTokenizer.from_pretrained(folder, **changes)
        texts = generate() if name == "stock" else PLAIN + UNICODE
        cases.append({"name": name, "pad_token": tokenizer.pad_token, "length": tokenizer.model_max_length,
                      "rows": [[text, tokenizer(text, padding="max_length", truncation=True).input_ids]
                               for text in texts]})
    rows = ",\n".join("{" + ",".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in c.items())
                      + "}" for c in cases)
    (HERE / "tokenizer.json").write_text("[\n" + rows + "\n]\n")


main(sys.argv[1])
