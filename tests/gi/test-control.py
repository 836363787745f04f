#!/usr/bin/env python3
# test-control.py - a run beside a main loop, from Python: progress, pause, continue, requests, cancelled runs and loads
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import sys
import tempfile
import threading

try:
    import gi
    gi.require_version("Json", "1.0")
    gi.require_version("Vard", "1")
    from gi.repository import Gio, GLib, Vard
except (ImportError, ValueError) as missing:
    print("1..0 # SKIP", missing)
    sys.exit(77)

TINY = os.path.join(os.environ["VARD_TEST_DATA"], "data", "tiny-model")
EMOJI = os.path.join(os.environ["VARD_DATA"], "models", "emoji")
QUICK = {
    "pool-size": 16, "value-fit-updates": 4, "batch-size": 4, "states-per-update": 4, "evaluation-seeds": 2,
    "sampler-steps": 3, "value-batch": 4, "value-channels": 8, "warm-up": 0, "threads": 1,
}
MAIN = threading.current_thread()
N_TESTS = 0


class Brightness(Vard.Reward):
    """Likes light, in whatever thread it is called"""

    __gtype_name__ = "TestControlBrightness"

    def do_score(self, batch):
        for i in range(batch.get_count()):
            rgb = batch.get_pixels(i).get_data()
            batch.set_score(i, sum(rgb) / len(rgb))
        return True


def check(name, truth):
    global N_TESTS
    N_TESTS += 1
    print("ok" if truth else "not ok", N_TESTS, name, flush=True)


def make_settings(steps, model=TINY):
    settings = Vard.RunSettings.new()
    settings.set("model", model)
    settings.set("steps", str(steps))
    for name, value in QUICK.items():
        settings.set(name, str(value))
    return settings


def make_rewards():
    rewards = Vard.RewardMix.new()
    rewards.add(Brightness(), "brightness", 1.0, Vard.RewardPolicy.REQUIRED)
    return rewards


def wait(start):
    """Runs the main loop until the callback that start was given is called; returns the result"""
    loop, results = GLib.MainLoop(), []

    def done(source, result, *_):
        results.append(result)
        loop.quit()

    start(done)
    loop.run()
    return results[0]


def load(settings, cancellable=None):
    result = wait(lambda done: Vard.Runner.load_async(settings, make_rewards(), cancellable, done))
    return Vard.Runner.load_finish(result)


def test_order():
    runner = load(make_settings(1))
    try:
        runner.run(None)
        check("to run before start is an error", False)
    except GLib.Error as error:
        check("to run before start is an error", error.matches(Vard.error_quark(), Vard.Error.USAGE))


def test_run(folder):
    runner = load(make_settings(30))
    threads, steps, states, requests = set(), [], [], []

    def on_progress(runner, phase, fraction, metrics):
        threads.add(threading.current_thread())

    def on_step(runner, step, metrics):
        threads.add(threading.current_thread())
        steps.append(step)
        if step == 2:
            runner.pause()

    def on_asked(run, result):
        run.request_finish(result)
        runner.continue_()

    def on_state(runner, state):
        threads.add(threading.current_thread())
        states.append(state)
        if state == Vard.RunState.PAUSED:
            viewer = Vard.Run.open(os.path.join(folder, "run"))
            check("the folder says that it is paused", viewer.get_state() == Vard.RunState.PAUSED)
            viewer.request_async("checkpoint", None, on_asked)

    runner.connect("progress", on_progress)
    runner.connect("step", on_step)
    runner.connect("state", on_state)
    runner.connect("request", lambda _, word, outcome: requests.append((word, "wrote a checkpoint" in outcome)))
    runner.start(os.path.join(folder, "run"))
    check("it is done", runner.run_finish(wait(lambda done: runner.run_async(None, done))))
    check("signals in the thread of the main loop", threads == {MAIN})
    check("a signal a step", steps == list(range(31)))
    check("paused, and then on", states == [Vard.RunState.RUNNING, Vard.RunState.PAUSED, Vard.RunState.RUNNING,
                                            Vard.RunState.FINISHED])
    check("a request while it waits", requests == [("checkpoint", True)])
    check("its state", runner.get_state() == Vard.RunState.FINISHED)


def test_cancel_run(folder):
    runner, cancellable = load(make_settings(100000)), Gio.Cancellable()
    runner.connect("step", lambda _, step, metrics: cancellable.cancel() if step == 1 else None)
    runner.start(os.path.join(folder, "cancelled"))
    result = wait(lambda done: runner.run_async(cancellable, done))
    try:
        runner.run_finish(result)
        check("a cancelled run is an error", False)
    except GLib.Error as error:
        check("a cancelled run is an error", error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED))
    check("and its folder says so", Vard.Run.open(os.path.join(folder, "cancelled")).get_state()
          == Vard.RunState.CANCELLED)


def test_stop(folder):
    runner = load(make_settings(100000))
    runner.connect("step", lambda _, step, metrics: runner.stop() if step == 1 else None)
    runner.start(os.path.join(folder, "stopped"))
    check("a run that was stopped is no error", runner.run_finish(wait(lambda done: runner.run_async(None, done))))
    check("it says that it was", runner.get_state() == Vard.RunState.CANCELLED)
    check("and can be resumed", len(Vard.Run.open(os.path.join(folder, "stopped")).list_checkpoints()) > 0)


def test_cancel_loading():
    for name, milliseconds in ("at once", 0), ("while it loads", 5):
        cancellable = Gio.Cancellable()

        def start(done, cancellable=cancellable, milliseconds=milliseconds):
            Vard.Runner.load_async(make_settings(2, EMOJI), make_rewards(), cancellable, done)
            if milliseconds:
                GLib.timeout_add(milliseconds, lambda: cancellable.cancel() or GLib.SOURCE_REMOVE)
            else:
                cancellable.cancel()

        result = wait(start)
        try:
            Vard.Runner.load_finish(result)
            check("loading is cancelled " + name, False)
        except GLib.Error as error:
            check("loading is cancelled " + name, error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED))


def test_forecast(folder):
    forecast = Vard.Forecast.new(load(make_settings(2)))
    check("calls", forecast.lookup("calls/total") == (True, 16 + 2 * 4 + 2 * 16 * 2))
    result = wait(lambda done: forecast.measure_async(os.path.join(folder, "forecast"), None, done))
    check("measured", forecast.measure_finish(result))
    rows = {forecast.get_name(i): i for i in range(forecast.get_count())}
    check("memory, disk and time", {"memory/peak", "disk/free", "time/total"} <= set(rows))
    check("remedies are names of settings", forecast.get_remedies(rows["memory/pool"]) == ["pool-size"])
    check("a unit", forecast.get_unit(rows["time/total"]) == "seconds")
    check("as JSON", forecast.to_json().get_double_member("memory/peak")
          == forecast.get_value(rows["memory/peak"]) > 1e6)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        test_order()
        test_run(temporary)
        test_cancel_run(temporary)
        test_stop(temporary)
        test_cancel_loading()
        test_forecast(temporary)
    print("1..%d" % N_TESTS)
