"""cli.py - runs vard and looks at what it says and leaves behind"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import subprocess
import sys
import tempfile
import unittest

VARD = os.environ.get('VARD', 'vard')
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Settings of a training that takes a second
QUICK = ['--steps', '4', '--pool-size', '16', '--value-fit-updates', '4', '--batch-size', '4', '--states-per-update',
         '4', '--evaluation-seeds', '2', '--sampler-steps', '3', '--checkpoint-interval', '2', '--value-batch', '4',
         '--value-channels', '8', '--warm-up', '0', '--learning-rate', '0.01', '--q-min', '-1',
         '--w-max', '1000000', '--threads', '1',
         '--keep-checkpoints', '0']


class CliTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='vard-cli-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def tree(self, folder=None):
        """Every path below a folder, relative to it"""
        top = folder or self.folder
        return sorted(os.path.relpath(os.path.join(where, name), top)
                      for where, folders, files in os.walk(top) for name in folders + files)

    def vard(self, *arguments, env=None, timeout=100):
        return subprocess.run([VARD, *arguments], capture_output=True, text=True, check=False,
                              cwd=self.folder, stdin=subprocess.DEVNULL, timeout=timeout,
                              env={**os.environ, **(env or {})})

    def good(self, *arguments, **more):
        done = self.vard(*arguments, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def bad(self, code, words, *arguments, **more):
        """Exits with the code; one sentence that has every one of the words; nothing new is left behind"""
        before = self.tree()
        done = self.vard(*arguments, **more)
        self.assertEqual(done.returncode, code, done.stderr)
        said = [line for line in done.stderr.splitlines() if line and not line.startswith("Try 'vard")]
        self.assertEqual(len(said), 1, done.stderr)
        for word in words:
            self.assertIn(word, said[0])
        self.assertEqual(self.tree(), before)
        return done


def main():
    """Speaks TAP, so that each case counts as one test"""
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules['__main__'])
    result = TapResult()
    print('1..%d' % suite.countTestCases())
    suite.run(result)
    return 0 if result.wasSuccessful() else 1


class TapResult(unittest.TestResult):
    def point(self, word, test, more=''):
        print('%s %d %s%s' % (word, self.testsRun, test.id().split('.', 1)[-1], more), flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.point('ok', test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.point('ok', test, ' # SKIP ' + reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            kind = self.failures if issubclass(err[0], test.failureException) else self.errors
            self.tell('not ok', subtest, kind[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell('not ok', test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.tell('not ok', test, self.errors[-1][1])

    def tell(self, word, test, text):
        self.point(word, test)
        for line in text.splitlines():
            print('# ' + line, flush=True)
