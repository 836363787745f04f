#!/usr/bin/env python3
# test-sdk.py - the reward of docs/writing-a-reward.md builds with one command, against installed files only
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: test-sdk.py BUILD-FOLDER TUTORIAL COMPILER...
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

build, tutorial, compiler = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
if shutil.which("pkg-config") is None:
    print("pkg-config is missing")
    sys.exit(77)


def run(command, **keywords):
    result = subprocess.run(command, capture_output=True, text=True, **keywords)
    if result.returncode != 0:
        sys.exit("%s: %s%s" % (" ".join(map(str, command)), result.stdout, result.stderr))
    return result.stdout


with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root])
    options = json.loads(run(["meson", "introspect", build, "--buildoptions"]))
    prefix = root / next(o["value"] for o in options if o["name"] == "prefix").lstrip("/")
    outside = [path for path in root.rglob("*") if path.is_file() and prefix not in path.parents]
    assert not outside, "files outside the prefix: %s" % outside
    package = next(root.rglob("vard-1.pc"))
    environment = dict(os.environ, PKG_CONFIG_PATH=str(package.parent), PKG_CONFIG_SYSROOT_DIR=str(root))
    flags = run(["pkg-config", "--cflags", "--libs", "vard-1"], env=environment).split()
    # the sysroot goes before the paths of the system's own packages too, where there is nothing
    flags += run(["pkg-config", "--cflags", "gio-2.0", "json-glib-1.0"]).split()

    # The tutorial shows the file piece by piece
    pieces = re.findall(r"^```c\n(.*?)^```$", tutorial.read_text(), re.MULTILINE | re.DOTALL)
    assert len(pieces) == 5, pieces
    source, module = root / "sky-reward.c", root / "sky.so"
    source.write_text("\n".join(pieces))
    # The README quotes its score function
    readme = (tutorial.parent.parent / "README.md").read_text()
    assert re.search(r"^```c\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL).group(1) == pieces[2]
    assert len(source.read_text().splitlines()) < 60
    run([*compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-o", module,
         source, *flags])

    library = next(root.rglob("libvard-1.so.0"))
    scan = next(root.rglob("libexec/vard-1/vard-plugin-scan"))
    lines = run([scan, module], env=dict(os.environ, LD_LIBRARY_PATH=str(library.parent)))
    answer = json.loads(lines.splitlines()[-1])
    assert answer["state"] == "ready", answer
    assert answer["features"][0]["kind"] == "reward" and answer["features"][0]["name"] == "sky", answer
    assert answer["features"][0]["properties"][0]["range"] == "a number from 0 to 100", answer

    variable = run(["pkg-config", "--variable=pluginsdir", "vard-1"], env=environment).strip()
    installed = {path.stem for path in root.rglob("vard-1/plugins/*.so")}
    assert variable.endswith("vard-1/plugins"), variable
    assert {"jpeg-size-reward", "colorfulness-reward", "coverage-reward"} <= installed, installed
