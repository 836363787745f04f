#!/usr/bin/env python3
# test-training.py - a run of two steps from Python, with a reward written in Python
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import sys
import tempfile

try:
    import gi
    gi.require_version("Json", "1.0")
    gi.require_version("Vard", "1")
    from gi.repository import Gio, GLib, Vard
except (ImportError, ValueError) as missing:
    print("1..0 # SKIP", missing)
    sys.exit(77)

TINY = os.path.join(os.environ["VARD_TEST_DATA"], "data", "tiny-model")
QUICK = {
    "pool-size": 16, "value-fit-updates": 4, "batch-size": 4, "states-per-update": 4, "evaluation-seeds": 2,
    "sampler-steps": 3, "value-batch": 4, "value-channels": 8, "warm-up": 0, "threads": 1,
}
N_TESTS = 0


class Redness(Vard.Reward):
    """Likes red"""

    __gtype_name__ = "TestTrainingRedness"

    def do_score(self, batch):
        for i in range(batch.get_count()):
            rgb = batch.get_pixels(i).get_data()
            batch.set_score(i, sum(rgb[0::3]) / len(rgb))
        return True


class Notes(Vard.Tracker):
    """Writes down what a run hands to its trackers, and fails when told to"""

    __gtype_name__ = "TestTrainingNotes"

    def __init__(self, fails=False):
        super().__init__()
        self.fails, self.lines, self.pictures, self.flushed, self.closed = fails, [], [], 0, 0

    def do_write(self, metrics):
        if self.fails:
            raise GLib.Error("the paper is full")
        self.lines.append((metrics.get_step(), metrics.lookup("reward/mean")[0],
                           metrics.lookup("evaluation/reward/mean")[0]))
        return True

    def do_write_picture(self, step, name, png):
        self.pictures.append((step, name, png.get_data()[1:4]))
        return True

    def do_flush(self):
        self.flushed += 1
        return True

    def do_close(self):
        self.closed += 1
        return True


def check(name, truth):
    global N_TESTS
    N_TESTS += 1
    print("ok" if truth else "not ok", N_TESTS, name, flush=True)


def make_settings(steps):
    settings = Vard.RunSettings.new()
    settings.set("model", TINY)
    settings.set("steps", str(steps))
    for name, value in QUICK.items():
        settings.set(name, str(value))
    return settings


def test_settings():
    settings = make_settings(2)
    check("settings reach the trainer", settings.get_trainer().props.steps == 2)
    try:
        settings.set("kl-wieght", "1")
        check("an unknown setting is refused", False)
    except GLib.Error as error:
        check("an unknown setting is refused with a suggestion", "kl-weight" in error.message)


def test_training(folder):
    rewards = Vard.RewardMix.new()
    rewards.add(Redness(), "redness", 1.0, Vard.RewardPolicy.REQUIRED)
    runner = Vard.Runner.new_with_rewards(make_settings(2), rewards)
    phases, steps, evaluations, saved = set(), [], [], []
    runner.connect("progress", lambda _, phase, fraction, metrics: phases.add((phase, 0 <= fraction <= 1)))
    runner.connect("step", lambda _, step, metrics: steps.append((step, metrics.lookup("reward/mean")[0])))
    runner.connect("evaluation", lambda _, step, evaluation: evaluations.append((step, evaluation.get_n_prompts())))
    runner.connect("checkpoint", lambda _, step: saved.append(step))
    notes, broken, warnings = Notes(), Notes(fails=True), []
    runner.connect("warning", lambda _, message: warnings.append(message))
    runner.add_tracker(broken)
    runner.add_tracker(notes)
    runner.start(os.path.join(folder, "run"))
    check("two steps", runner.run(None))
    check("a tracker in Python gets steps and evaluations",
          notes.lines == [(0, True, False), (0, False, True), (1, True, False), (2, True, False), (2, False, True)])
    check("and grids", notes.pictures == [(0, "evaluation/grid", b"PNG"), (2, "evaluation/grid", b"PNG")])
    check("and is flushed and closed", (notes.flushed, notes.closed) == (len(saved), 1))
    check("a tracker that fails is dropped with one warning",
          [w for w in warnings if "TestTrainingNotes" in w and "the paper is full" in w] != [] and
          sum("tracker" in w for w in warnings) == 1)
    table = runner.dup_metric_table()
    check("the table knows the run's reward", table.lookup("reward/redness/mean").direction == Vard.MetricDirection.HIGHER)
    check("and a unit", table.lookup("kl/trajectory").unit == "nats")
    check("progress of every phase", phases == {(p, True) for p in ("pool", "value-fit", "evaluation", "step")})
    check("a signal a step, with its numbers", steps == [(0, True), (1, True), (2, True)])
    check("evaluations before and after", evaluations == [(0, 4), (2, 4)])
    check("a checkpoint at the end", saved and saved[-1] == 2)


def test_documentation(folder):
    """The example of the documentation, on a small model"""
    with open(os.path.join(os.environ["VARD_TEST_DATA"], "..", "docs", "writing-a-reward.md"), encoding="utf-8") as file:
        text = file.read().split("```python\n")[1].split("```")[0]
    example = text[text.index("class"):text.index("settings =")].rstrip()
    check("a class of at most 15 lines", len(example.splitlines()) <= 15)
    quick = "".join("settings.set(%r, %r)\n" % (name, str(value)) for name, value in {**QUICK, "steps": 2}.items())
    text = text.replace('"share/vard-1/models/emoji"', repr(TINY)).replace("rewards = ", quick + "rewards = ")
    os.chdir(folder)
    os.mkdir("runs")
    exec(compile(text, "writing-a-reward.md", "exec"), {"__name__": "documentation"})
    check("its run is finished", Vard.Run.open("runs/redness").get_state() == Vard.RunState.FINISHED)


def test_run(folder):
    run = Vard.Run.open(os.path.join(folder, "run"))
    check("finished", run.get_state() == Vard.RunState.FINISHED and run.props.step == 2)
    check("its record", run.get_record().get_object_member("settings").get_int_member("steps") == 2)
    check("its checkpoints", run.list_checkpoints()[-1] == 2)
    store = Vard.RunStore.new(folder)
    store.refresh()
    check("a list of runs", [store.get_item(i).get_name() for i in range(store.get_n_items())] == ["run"])
    check("it is a list model", isinstance(store, Gio.ListModel))


def test_pipeline():
    pipeline = Vard.load_pipeline(TINY, "cpu", 1)
    images = pipeline.sample(["cat", "sun"], [1, 2], 3, 1.0, 1.0, None)
    check("pictures", [(i.get_width(), i.get_height()) for i in images] == [(16, 16)] * 4)
    again = pipeline.sample(["sun"], [2], 3, 1.0, 1.0, None)
    check("of prompt and seed alone", again[0].get_rgb().get_data() == images[3].get_rgb().get_data())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        test_settings()
        test_training(temporary)
        test_run(temporary)
        test_pipeline()
        test_documentation(temporary)
    print("1..%d" % N_TESTS)
