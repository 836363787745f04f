#!/usr/bin/env python3
"""test-setup.py - what ./setup says to words that it does not know"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import pathlib
import subprocess
import unittest

SETUP = pathlib.Path(__file__).resolve().parents[2] / 'setup'


def setup(*words):
    return subprocess.run([SETUP, *words], capture_output=True, text=True, check=False)


class Words(unittest.TestCase):
    def refuses(self, words, message):
        done = setup(*words)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.splitlines()[0], message)
        self.assertIn('Usage: ./setup VERB', done.stderr)

    def test_unknown_verb(self):
        self.refuses(['tset'], "setup: there is no verb 'tset'")

    def test_extra_word(self):
        self.refuses(['test', 'unit'], "setup: 'test' takes no 'unit'")

    def test_extra_prefix(self):
        self.refuses(['install', 'a', 'b'], "setup: 'install' takes no 'b'")

    def test_help(self):
        self.assertEqual(setup('help').returncode, 0)


if __name__ == '__main__':
    unittest.main()
