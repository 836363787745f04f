#!/usr/bin/env python3
"""test-tutorial.py - the commands of docs/writing-a-reward.md, one after the other, against an installed vard

usage: test-tutorial.py BUILD-FOLDER TUTORIAL MODEL
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

build, tutorial, model = map(pathlib.Path, sys.argv[1:4])
if shutil.which("pkg-config") is None:
    print("pkg-config is missing")
    sys.exit(77)

commands = re.findall(r"^```sh\n(.*?)^```$", tutorial.read_text(), re.MULTILINE | re.DOTALL)
assert len(commands) >= 6, commands

with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root], check=True)
    package = next(root.rglob("vard-1.pc"))
    prefix = next(line[7:] for line in package.read_text().splitlines() if line.startswith("prefix="))
    package.write_text(package.read_text().replace("prefix=" + prefix, "prefix=%s%s" % (root, prefix), 1))
    helpers = next(root.rglob("libexec/vard-1"))
    (root / "work").mkdir()
    environment = dict(os.environ, MODEL=str(model), PKG_CONFIG_PATH=str(package.parent),
                       PATH="%s:%s" % (next(root.rglob("bin/vard")).parent, os.environ["PATH"]),
                       VARD_PLUGIN_SCAN=str(helpers / "vard-plugin-scan"),
                       VARD_REWARD_HOST=str(helpers / "vard-reward-host"), VARD_PLUGIN_CACHE=str(root / "plugins.json"),
                       VARD_PLUGIN_SYSTEM_PATH=str(next(root.rglob("vard-1/plugins"))), XDG_DATA_HOME=str(root / "data"))
    for name in ["VARD_PLUGIN_PATH", "MESON_TEST_ITERATION", "LD_LIBRARY_PATH"]:
        environment.pop(name, None)
    if prefix == "/usr":  # the loader's own folder; from any other, a program finds its library by itself
        environment["LD_LIBRARY_PATH"] = str(next(root.rglob("libvard-1.so.0")).parent)

    done = subprocess.run(["bash", "-euxo", "pipefail", "-c", "".join(commands)], cwd=root / "work", env=environment,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit("status %d\n%s\n%s" % (done.returncode, done.stdout, done.stderr))
    assert (root / "work" / "runs" / "sunny" / "final").is_dir()
    assert "finished" in done.stdout, done.stdout
