#!/usr/bin/env python3
# test-sampling.py - pictures of a model and of a run from Python, at once and beside a main loop
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
QUICK = {
    "pool-size": 16, "value-fit-updates": 4, "batch-size": 4, "states-per-update": 4, "evaluation-seeds": 2,
    "sampler-steps": 3, "value-batch": 4, "value-channels": 8, "warm-up": 0, "threads": 1, "steps": 2,
    "sampler": "ddpm", "checkpoint-interval": 1, "learning-rate": 0.01, "q-min": -1, "w-max": 1000000,
}
N_TESTS = 0


class Redness(Vard.Reward):
    """A reward that no other process knows"""

    __gtype_name__ = "TestSamplingRedness"

    def do_score(self, batch):
        for i in range(batch.get_count()):
            rgb = batch.get_pixels(i).get_data()
            batch.set_score(i, sum(rgb[0::3]) / len(rgb))
        return True


def check(name, truth):
    global N_TESTS
    N_TESTS += 1
    print("ok" if truth else "not ok", N_TESTS, name, flush=True)


def make_sampling(**settings):
    return Vard.Sampling(**{"model": TINY, "prompt": ["cat", "sun"], "count": 2, "steps": 3, "batch": 3, "threads": 1,
                            **settings})


def pixels(images):
    return [image.get_rgb().get_data() for image in images]


def fails(domain, code, call, *arguments):
    """The message of the error that is expected; None where there is none, or another one"""
    try:
        call(*arguments)
    except GLib.Error as error:
        return error.message if error.matches(domain, code) else None
    return None


class Watch:
    """Everything that a request tells"""

    def __init__(self, sampling):
        self.pictures, self.progress = [], []
        sampling.connect("picture", lambda _, index, image: self.pictures.append((index, image)))
        sampling.connect("progress", lambda _, *numbers: self.progress.append(numbers))


def run_beside(sampling, cancellable=None, context=None):
    """Starts a request and serves the main context until it is done"""
    answer = []
    loop = GLib.MainLoop.new(context, False)

    def done(source, result):
        answer.append(result)
        loop.quit()

    sampling.run_async(cancellable, done)
    loop.run()
    return sampling.run_finish(answer[0])


def test_at_once():
    sampling = make_sampling()
    watch = Watch(sampling)
    images = sampling.run(None)
    check("a picture a prompt and seed", [(i.get_width(), i.get_height()) for i in images] == [(16, 16)] * 4)
    check("handed out in order", [i for i, _ in watch.pictures] == [0, 1, 2, 3])
    check("the same ones", pixels(i for _, i in watch.pictures) == pixels(images))
    check("progress of every step", watch.progress == [(0, 4, 1, 3), (0, 4, 2, 3), (0, 4, 3, 3), (3, 4, 1, 3),
                                                       (3, 4, 2, 3), (3, 4, 3, 3), (4, 4, 3, 3)])
    texts = [(i.get_text("prompt"), i.get_text("seed"), i.get_text("steps")) for i in images]
    check("what made them is in them", texts == [(p, s, "3") for p in ("cat", "sun") for s in ("0", "1")])
    expected = Vard.load_pipeline(TINY, "cpu", 1).sample(["cat", "sun"], [0, 1], 3, 1.0, 1.0, None)
    check("those of the pipeline", pixels(make_sampling(batch=16).run(None)) == pixels(expected))
    sampling.set_keep_pictures(False)
    check("kept only when asked to", sampling.run(None) == [] and len(watch.pictures) == 8)


def test_settings():
    usage = (Vard.error_quark(), Vard.Error.USAGE)
    check("a model is needed", "model" in fails(*usage, Vard.Sampling(prompt=["cat"]).run, None))
    check("a prompt is needed", "prompt" in fails(*usage, Vard.Sampling(model=TINY).run, None))
    check("a negative prompt needs guidance", "guidance-scale" in fails(*usage, make_sampling(negative_prompt="x").run, None))
    check("a strength is a number", "not a strength" in fails(*usage, make_sampling(lora=["a:b"]).run, None))
    check("what a model cannot do", "multiple" in fails(*usage, make_sampling(width=17).run, None))
    wide = make_sampling(width=32, height=16).run(None)
    check("a size", {(i.get_width(), i.get_height()) for i in wide} == {(32, 16)})


def test_beside():
    sampling = make_sampling()
    expected = pixels(sampling.run(None))
    watch = Watch(sampling)
    threads = set()
    sampling.connect("picture", lambda *_: threads.add(threading.get_ident()))
    check("the same pictures beside a main loop", pixels(run_beside(sampling)) == expected)
    check("all were handed out before", pixels(i for _, i in watch.pictures) == expected)
    check("the last progress is the end", watch.progress[-1] == (4, 4, 3, 3))
    check("in the caller's thread", threads == {threading.get_ident()})
    context = GLib.MainContext.new()
    context.push_thread_default()
    check("in the caller's context", pixels(run_beside(sampling, None, context)) == expected)
    context.pop_thread_default()


def test_one_at_a_time():
    sampling = make_sampling()
    answer = []
    sampling.run_async(None, lambda _, result: answer.append(result))
    message = fails(Gio.io_error_quark(), Gio.IOErrorEnum.PENDING, sampling.run, None)
    sampling.props.prompt = ["fire"]
    while not answer:
        GLib.MainContext.default().iteration(True)
    first = sampling.run_finish(answer[0])
    check("a second request waits its turn", message is not None)
    check("settings that change do not count", [i.get_text("prompt") for i in first] == ["cat", "cat", "sun", "sun"])
    check("but for the next one", [i.get_text("prompt") for i in sampling.run(None)] == ["fire", "fire"])


def test_cancel():
    cancelled = (Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)
    for name, run in ("at once", lambda s, c: s.run(c)), ("beside a main loop", run_beside):
        sampling = make_sampling()
        sampling.props.count = 10000
        cancellable = Gio.Cancellable()
        watch = Watch(sampling)
        sampling.connect("picture", lambda *_: cancellable.cancel())
        check("cancelled " + name, fails(*cancelled, run, sampling, cancellable) is not None)
        check("soon enough", 1 <= len(watch.pictures) < 10000)
        sampling.props.count = 1
        check("and usable again", len(sampling.run(None)) == 2)


def train(folder):
    settings = Vard.RunSettings.new()
    prompts = os.path.join(folder, "prompts.txt")
    with open(prompts, "w", encoding="utf-8") as file:
        file.write("cat\nsun\n")
    for name, value in {**QUICK, "model": TINY, "prompts": prompts, "rewards": "redness"}.items():
        settings.set(name, str(value))
    rewards = Vard.RewardMix.new()
    rewards.add(Redness(), "redness", 1.0, Vard.RewardPolicy.REQUIRED)
    runner = Vard.Runner.new_with_rewards(settings, rewards)
    runner.start(os.path.join(folder, "run"))
    runner.run(None)
    os.remove(prompts)


def test_run(folder):
    """A run whose reward and prompts are gone"""
    train(folder)
    run = Vard.Run.open(os.path.join(folder, "run"))
    check("its reward is unknown here", fails(Vard.error_quark(), Vard.Error.USAGE, Vard.Runner.new,
                                              run.dup_settings()) is not None)
    sampling = Vard.Sampling(prompt=["cat"], seed=3, threads=2)
    sampling.set_run(run)
    check("sampled as it was trained", (sampling.props.steps, sampling.props.threads,
                                        sampling.props.sampler) == (3, 1, Vard.SamplerKind.DDPM))
    images = {}
    for step in 1, 2, Vard.CHECKPOINT_NEWEST, Vard.CHECKPOINT_FINAL:
        sampling.props.checkpoint = step
        images[step] = run_beside(sampling)[0]
    texts = [image.get_text("run") for image in images.values()]
    check("of any checkpoint", texts == ["run, step 1"] + ["run, step 2"] * 3)
    first, second, newest, final = pixels(images.values())
    check("which are different", first != second)
    check("the newest unless named", second == newest)
    check("or what it ended with", max(abs(a - b) for a, b in zip(second, final)) <= 1)
    ddpm = Vard.Sampling(model=TINY, prompt=["cat"], seed=3, steps=3, threads=1, sampler=Vard.SamplerKind.DDPM)
    check("not the base model", second != pixels(ddpm.run(None))[0])
    sampling.props.checkpoint = 7
    check("one that is not there", "step 7" in fails(Vard.error_quark(), Vard.Error.CONFIG, sampling.run, None))
    pipeline = run.load_pipeline(2, "cpu", 1)
    model, step = run.load_model(Vard.CHECKPOINT_NEWEST, None)
    check("the model of it", isinstance(model, Vard.Model) and step == 2 and os.path.samefile(model.get_path(), TINY))
    check("a prompt that fits", model.find_cut("cat")[0] == 3)
    check("a pipeline of it", len(pipeline.sample(["cat"], [3], 3, 1.0, 1.0, None)) == 1)


def test_documentation(folder):
    """The examples of the documentation, on a small model and a small run"""
    with open(os.path.join(os.environ["VARD_TEST_DATA"], "..", "docs", "sampling.md"), encoding="utf-8") as file:
        parts = [part.split("```")[0] for part in file.read().split("```python\n")[1:]]
    text = "\n".join(parts).replace('"share/vard-1/models/emoji"', repr(TINY)).replace("runs/redness", "run")
    text = text.replace("checkpoint=40", "checkpoint=2").replace("steps = 50", "steps = 4").replace("print(", "str(")
    os.chdir(folder)
    names = {"__name__": "documentation"}
    exec(compile(text, "sampling.md", "exec"), names)
    while not os.path.exists("000.png"):
        GLib.MainContext.default().iteration(True)
    check("their pictures", all(os.path.exists(n) for n in ("red apple-0.png", "sun-1.png", "000.png")))
    check("of a run", names["images"][0].get_text("run") == "run, step 2" and names["images"][0].get_text("steps") == "4")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        test_at_once()
        test_settings()
        test_beside()
        test_one_at_a_time()
        test_cancel()
        test_run(temporary)
        test_documentation(temporary)
    print("1..%d" % N_TESTS)
