#!/usr/bin/env python3
"""test-rules.py - the lints find what they are there to find"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = '/* %s - a test\n *\n * SPDX-License-Identifier: LGPL-2.1-or-later\n */\n'


class Rules(unittest.TestCase):
    def lint(self, lint, files, style=None):
        """Runs one lint on a tree made of the given files; returns the exit status and the complaints"""
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = os.path.join(root, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'w', encoding='utf-8') as file:
                    file.write(HEAD % os.path.basename(name) + text)
            if style is not None:
                with open(os.path.join(root, '.clang-format'), 'w', encoding='utf-8') as file:
                    file.write(style)
            done = subprocess.run([sys.executable, os.path.join(HERE, lint + '.py'), root],
                                  capture_output=True, text=True, check=False)
            return done.returncode, done.stderr

    def refuses(self, lint, files, word):
        status, complaints = self.lint(lint, files)
        self.assertEqual(status, 1)
        self.assertIn(word, complaints)

    def test_clean(self):
        files = {'libvard/graph/a.c': '#include "tensor/b.h"\n', 'libvard/tensor/b.h': 'int b;\n'}
        for lint in ('floors', 'sizes', 'words'):
            self.assertEqual(self.lint(lint, files), (0, ''))

    def test_rise(self):
        self.refuses('floors', {'libvard/nn/a.c': '#include "train/b.h"\n'}, 'upwards')

    def test_sideways(self):
        self.refuses('floors', {'libvard/nn/a.c': '#include "engine/b.h"\n'}, 'sideways')

    def test_other_algorithm(self):
        self.refuses('floors', {'libvard/algorithms/a/x.c': '#include "algorithms/b/y.h"\n'}, 'knows no other')
        self.refuses('floors', {'libvard/train/x.c': '#include "algorithms/b/y.h"\n'}, 'the trainer knows none')
        self.assertEqual(self.lint('floors', {
            'libvard/algorithms/a/x.c': '#include "algorithms/a/y.h"\n#include "algorithms/seam.h"\n',
            'libvard/algorithms/table.c': '#include "algorithms/a/y.h"\n'}), (0, ''))

    def test_circle(self):
        self.refuses('floors', {'libvard/nn/a.h': '#include "nn/b.h"\n',
                                'libvard/nn/b.h': '#include "nn/a.h"\n'}, 'circle')

    def test_plugin(self):
        self.refuses('floors', {'rewards/x/a.c': '#include "base/vard-error.h"\n'}, '<vard.h>')

    def test_frontend(self):
        self.refuses('floors', {'frontends/x/a.c': '#include "run/vard-run.h"\n'}, 'a frontend may include <vard.h>')
        self.assertEqual(self.lint('floors', {'frontends/x/a.c': '#include "a.h"\n#include <vard.h>\n',
                                              'frontends/x/a.h': '#include <vard.h>\n'}), (0, ''))

    def test_long_file(self):
        self.refuses('sizes', {'libvard/nn/a.c': 'int x;\n' * 700}, 'the limit is 600')

    def test_long_function(self):
        body = 'int\nlong_one (int a)\n{\n' + '  a++;\n' * 90 + '}\n'
        self.refuses('sizes', {'libvard/nn/a.c': body}, 'long_one has 92 lines')

    def test_long_table(self):
        table = 'int table[] =\n{\n' + '  1,\n' * 90 + '};\n'
        self.assertEqual(self.lint('sizes', {'libvard/nn/a.c': table}), (0, ''))

    def test_prefix(self):
        text = 'typedef struct\n{\n  int a;\n} Slab;\n\nstatic int\n%s (int a)\n{\n  return a;\n}\n'
        self.refuses('prefixes', {'libvard/nn/vard-a-b.c': text % 'get'}, 'vard_a_b_get')
        self.refuses('prefixes', {'plugins/cpu/cpu-pool.c': text % 'vard_get'}, 'cpu_vard_get')
        self.refuses('prefixes', {'rewards/sky/sky-reward.c': text % 'score'}, 'sky_score')
        for name in ('vard_a_b_get', 'slab_get'):
            self.assertEqual(self.lint('prefixes', {'libvard/nn/vard-a-b.c': text % name}), (0, ''))
        self.assertEqual(self.lint('prefixes', {'rewards/sky/sky-reward.c': text % 'provide'}), (0, ''))
        self.assertEqual(self.lint('prefixes', {'tests/unit/nn/test-a.c': text % 'get'}), (0, ''))

    def test_wide_line(self):
        self.refuses('format', {'libvard/nn/a.c': 'int ' + 'a' * 97 + ';\n'}, '102 columns')

    def test_layout(self):
        if shutil.which('clang-format-14') is None:
            self.skipTest('no clang-format 14')
        with open(os.path.join(HERE, '..', '..', '.clang-format'), encoding='utf-8') as file:
            style = file.read()
        for text, status in (('int\none (int a)\n{\n  return a;\n}\n', 0), ('int one (int a) { return a; }\n', 1)):
            found, complaints = self.lint('format', {'libvard/nn/a.c': text}, style)
            self.assertEqual(found, status, complaints)

    def test_full_folder(self):
        files = {f'libvard/nn/a{i}.c': 'int x;\n' for i in range(21)}
        self.refuses('sizes', files, 'libvard/nn has 21 units, the limit is 20')

    def test_line_comment(self):
        self.refuses('words', {'libvard/nn/a.c': 'int a; /' '/ no\n'}, 'line comment')

    def test_json(self):
        self.refuses('words', {'libvard/nn/a.c': 'x = json_from_string (a, NULL);\n'}, 'vard_json_parse')

    def test_installed(self):
        build = {'libvard/nn/meson.build': "folder_headers = files('a.h')\n"}
        bare = 'void vard_a_go (void);\n'
        self.refuses('installed', {**build, 'libvard/nn/a.h': bare}, 'vard_a_go has no documentation')
        self.refuses('installed', {**build, 'libvard/nn/a.h': '#include "nn/b.h"\n'}, 'not installed')
        documented = '/**\n * vard_a_go:\n *\n * Goes.\n */\nvoid vard_a_go (void) { }\n'
        self.assertEqual(self.lint('installed', {**build, 'libvard/nn/a.h': bare,
                                                 'libvard/nn/a.c': documented})[0], 0)

    def test_mark(self):
        self.refuses('words', {'libvard/nn/a.c': '/* TO' 'DO: all */\n'}, 'unfinished')

    def test_machine(self):
        self.refuses('words', {'libvard/nn/a.c': 'char *a = "/ho' 'me/me/x";\n'}, 'machine')


if __name__ == '__main__':
    unittest.main()
