#!/usr/bin/env python3
"""test-new-reward.py - what new-reward writes builds against an installed vard, passes its test, and scores a picture

usage: test-new-reward.py BUILD-FOLDER
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

build = pathlib.Path(sys.argv[1])
if shutil.which("pkg-config") is None:
    print("pkg-config is missing")
    sys.exit(77)


def run(*command, code=0, **keywords):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, **keywords)
    if result.returncode != code:
        sys.exit("%s: status %d\n%s%s" % (" ".join(map(str, command)), result.returncode, result.stdout, result.stderr))
    return result.stdout


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def write_png(path, width, height, rgb):
    rows = (b"\0" + bytes(rgb) * width) * height
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root)
    package = next(root.rglob("vard-1.pc"))
    prefix = next(line[7:] for line in package.read_text().splitlines() if line.startswith("prefix="))
    package.write_text(package.read_text().replace("prefix=" + prefix, "prefix=%s%s" % (root, prefix), 1))
    vard = next(root.rglob("bin/vard"))
    environment = dict(os.environ, PKG_CONFIG_PATH=str(package.parent),
                       VARD_PLUGIN_SCAN=str(next(root.rglob("vard-plugin-scan"))),
                       VARD_REWARD_HOST=str(next(root.rglob("libexec/vard-1/vard-reward-host"))),
                       VARD_PLUGIN_CACHE=str(root / "plugins.json"), VARD_PLUGIN_SYSTEM_PATH="",
                       XDG_DATA_HOME=str(root / "data"))
    for name in ["MESON_TEST_ITERATION", "LD_LIBRARY_PATH"]:
        environment.pop(name, None)
    if prefix == "/usr":  # the loader's own folder; from any other, a program finds its library by itself
        environment["LD_LIBRARY_PATH"] = str(next(root.rglob("libvard-1.so.0")).parent)

    run(vard, "new-reward", "sunny-sky", cwd=root, env=environment)
    reward = root / "sunny-sky"
    assert len((reward / "sunny-sky.c").read_text().splitlines()) < 60
    before = {path.name: path.read_bytes() for path in reward.iterdir()}
    run(vard, "new-reward", "sunny-sky", code=3, cwd=root, env=environment)
    assert before == {path.name: path.read_bytes() for path in reward.iterdir()}
    for name in ["Sunny", "1st", "a b", "../up", "a--b", "a-", ""]:
        run(vard, "new-reward", name, code=2, cwd=root, env=environment)

    run("meson", "setup", "build", cwd=reward, env=environment)
    run("meson", "compile", "-C", "build", cwd=reward, env=environment)
    run("meson", "test", "-C", "build", cwd=reward, env=environment)

    environment["VARD_PLUGIN_PATH"] = str(reward / "build")
    answer = json.loads(run(vard, "inspect", "sunny-sky", "--json", env=environment))
    assert answer["name"] == "sunny-sky" and answer["properties"][0]["range"] == "a number from 0 to 100", answer
    run(vard, "check-reward", "sunny-sky", env=environment)
    write_png(root / "grey.png", 5, 3, (51, 51, 51))
    for spec in ["sunny-sky:gain=5", "sunny-sky:gain=5,isolate=true"]:
        lines = run(vard, "score", "--reward", spec, root / "grey.png", env=environment).splitlines()
        assert lines[-1].split(",")[-1] == "1", lines
