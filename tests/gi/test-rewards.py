#!/usr/bin/env python3
# test-rewards.py - plugins and rewards from Python: list, score, subclass
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import sys
import threading

try:
    import gi
    gi.require_version("Json", "1.0")
    gi.require_version("Vard", "1")
    from gi.repository import Gio, GLib, GObject, Vard
except (ImportError, ValueError) as missing:
    print("1..0 # SKIP", missing)
    sys.exit(77)

PIXELS = GLib.Bytes.new(bytes([200, 40, 10]) * 64)


class Redness(Vard.Reward):
    """Likes red; fails on pictures whose prompt is "broken"."""

    __gtype_name__ = "TestRednessReward"
    gain = GObject.Property(type=float, default=1.0)

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.threads = set()
        self.prepared = 0

    def do_prepare(self, cancellable):
        self.prepared += 1
        return True

    def do_get_needs(self):
        return Vard.RewardNeeds.PROMPT

    def do_dup_metadata_keys(self):
        return ["colour"]

    def do_score(self, batch):
        self.threads.add(threading.get_ident())
        for i in range(batch.get_count()):
            rgb = batch.get_pixels(i).get_data()
            if batch.get_prompt(i) == "broken":
                batch.set_failed(i, "I cannot look at it")
            elif batch.get_prompt(i) == "nan":
                batch.set_score(i, float("nan"))
            else:
                batch.set_score(i, self.gain * sum(rgb[0::3]) / (len(rgb) / 3))
        return True


class Raising(Vard.Reward):
    __gtype_name__ = "TestRaisingReward"

    def do_score(self, batch):
        raise GLib.Error("the file is not there", "test-domain", 1)


class Careless(Vard.Reward):
    """Raises at the second picture"""

    __gtype_name__ = "TestCarelessReward"

    def do_score(self, batch):
        sys.stderr = open("/dev/null", "w")  # where the exception is printed
        for i in range(batch.get_count()):
            batch.set_score(i, 1 / (1 - i))
        return True


class Forgetful(Vard.Reward):
    __gtype_name__ = "TestForgetfulReward"

    def do_score(self, batch):
        batch.set_score(0, 1)  # and no "return True"


class Blind(Vard.Reward):
    __gtype_name__ = "TestBlindReward"


def make_batch(*prompts):
    batch = Vard.RewardBatch.new()
    for prompt in prompts:
        assert batch.append(PIXELS, 8, 8, prompt, None, 0)
    return batch


def test_list():
    manager = Vard.PluginManager.get_default()
    names = {f.get_name(): f for f in manager.list_features("reward")}
    assert {"jpeg-size", "colorfulness", "coverage"} <= set(names), names
    target = names["jpeg-size"].get_property(0)
    assert (target.get_name(), target.get_default()) == ("target", "small")
    assert target.get_choices() == ["small", "large"]
    for plugin in manager:  # it is a GListModel
        assert plugin.props.state == Vard.PluginState.READY, plugin.props.reason
    assert Gio.ListModel.get_n_items(manager) == manager.get_n_plugins()


def test_score():
    manager = Vard.PluginManager.get_default()
    reward, spec = manager.create_from_spec("reward", "jpeg-size:target=large,weight=2")
    assert spec.get_value("weight") == "2"
    batch = make_batch("apple")
    assert reward.score_batch(batch, None)
    ok, score = batch.get_score(0)
    assert ok and 0.3 < score < 2, score


def test_unknown():
    try:
        Vard.PluginManager.get_default().create("reward", "jpeg-sise")
    except GLib.Error as error:
        assert error.matches(Vard.error_quark(), Vard.Error.USAGE)
        assert "did you mean \"jpeg-size\"?" in error.message
    else:
        raise AssertionError("no error")


def test_subclass():
    reward = Redness(gain=2.0)
    batch = make_batch("apple", "broken", "nan")
    assert reward.score_batch(batch, None)
    assert batch.get_score(0) == (True, 400.0)
    assert not batch.get_score(1)[0] and batch.get_message(1) == "I cannot look at it"
    assert batch.get_status(2) == Vard.RewardStatus.FAILED
    assert reward.score_batch(batch, None) and reward.prepared == 1


def test_needs():
    reward = Redness()
    assert reward.get_needs() == Vard.RewardNeeds.PROMPT
    assert reward.check_needs(True, ["colour"], 1)
    for arguments, part in [((False, ["colour"], 1), "needs a prompt"), ((True, [], 1), "\"colour\"")]:
        try:
            reward.check_needs(*arguments)
        except GLib.Error as error:
            assert part in error.message, error.message
        else:
            raise AssertionError("no error")


def test_errors():
    for reward, part in [(Raising(), "the file is not there"), (Blind(), "has no score function"),
                         (Forgetful(), "gave no reason")]:
        try:
            reward.score_batch(make_batch("apple"), None)
        except GLib.Error as error:
            assert part in error.message, error.message
        else:
            raise AssertionError("no error")
        finally:
            sys.stderr = sys.__stderr__


def test_exception():
    """What was scored before an exception stays; the rest has an error"""
    batch = make_batch("apple", "pear", "plum")
    try:
        assert Careless().score_batch(batch, None)
    finally:
        sys.stderr = sys.__stderr__
    assert batch.get_score(0) == (True, 1.0)
    for i in (1, 2):
        assert not batch.get_score(i)[0] and "raised an exception" in batch.get_message(i)


def test_mix():
    mix = Vard.RewardMix.new()
    mix.add(Redness(), "redness", 1.0, Vard.RewardPolicy.SKIP_SAMPLE)
    mix.add_spec("jpeg-size:policy=monitor-only")
    batch = make_batch("apple", "pear", "broken")
    assert batch.append(GLib.Bytes.new(bytes([10, 40, 10])), 1, 1, "dark", None, 0)
    scores = mix.score(batch, None)
    assert mix.fit_statistics([scores])
    assert mix.get_total(scores, 0)[0] and not mix.get_total(scores, 2)[0]
    assert mix.get_total(scores, 3)[1] < mix.get_total(scores, 0)[1]
    assert scores.get_message(0, 2) == "I cannot look at it"
    assert len(scores.get_warnings()) == 1
    statistics = mix.get_statistics()
    assert mix.set_statistics(statistics)


def test_thread():
    """Another thread scores; Python is called in this one."""
    reward = Redness()
    batch = make_batch("apple")
    loop = GLib.MainLoop()

    def work():
        assert reward.score_batch(batch, None)
        GLib.idle_add(loop.quit)

    thread = threading.Thread(target=work)
    GLib.idle_add(thread.start)
    loop.run()
    thread.join()
    assert batch.get_score(0) == (True, 200.0)
    assert reward.threads == {threading.get_ident()}


TESTS = [test_list, test_score, test_unknown, test_subclass, test_needs, test_errors, test_exception, test_mix, test_thread]
print("1..%d" % len(TESTS), flush=True)
failed = 0
for number, test in enumerate(TESTS, 1):
    try:
        test()
        print("ok", number, test.__name__, flush=True)
    except Exception as error:  # one failure must not hide the others
        failed += 1
        print("not ok %d %s # %s: %s" % (number, test.__name__, type(error).__name__, error), flush=True)
sys.exit(1 if failed else 0)
