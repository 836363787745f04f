#!/usr/bin/env gjs
// test-run.js - a run of two steps from JavaScript, with a reward written in JavaScript
//
// SPDX-License-Identifier: LGPL-2.1-or-later
imports.gi.versions.Vard = '1';
const { GLib, GObject, Vard } = imports.gi;
const System = imports.system;

const QUICK = {
  'pool-size': 16, 'value-fit-updates': 4, 'batch-size': 4, 'states-per-update': 4, 'evaluation-seeds': 2,
  'sampler-steps': 3, 'value-batch': 4, 'value-channels': 8, 'warm-up': 0, 'threads': 1, 'steps': 2,
};
const N_TESTS = 7;
let done = 0, failed = 0, calls = 0;

const Redness = GObject.registerClass(
class Redness extends Vard.Reward {
  vfunc_score(batch) {
    for (let i = 0; i < batch.get_count(); i++) {
      const rgb = batch.get_pixels(i).toArray();
      let sum = 0;
      for (let p = 0; p < rgb.length; p += 3)
        sum += rgb[p];
      batch.set_score(i, 3 * sum / rgb.length);
    }
    calls++;
    return true;
  }
});

const Raising = GObject.registerClass(
class Raising extends Vard.Reward {
  vfunc_score(batch) {
    batch.set_score(0, 1);
    throw new Error('the second picture is odd');
  }
});

function check(name, truth) {
  done++;
  failed += truth ? 0 : 1;
  print(`${truth ? 'ok' : 'not ok'} ${done} ${name}`);
}

function makeBatch(n) {
  const batch = Vard.RewardBatch.new();
  const pixels = new Uint8Array(12);
  for (let p = 0; p < 12; p += 3)
    pixels[p] = 200;
  for (let i = 0; i < n; i++)
    batch.append(GLib.Bytes.new(pixels), 2, 2, 'apple', null, 0);
  return batch;
}

function testScore() {
  const batch = makeBatch(2);
  check('it scores', new Redness().score_batch(batch, null) && batch.get_score(1)[1] === 200);
}

function testException() {
  const batch = makeBatch(3);
  check('an exception is no failure of the batch', new Raising().score_batch(batch, null));
  check('what was scored stays', batch.get_score(0)[0] && batch.get_score(0)[1] === 1);
  check('the rest has the exception as its error',
        !batch.get_score(1)[0] && !batch.get_score(2)[0] && batch.get_message(2).includes('the second picture is odd'));
}

function testRun(folder) {
  const settings = Vard.RunSettings.new();
  settings.set('model', GLib.build_filenamev([GLib.getenv('VARD_TEST_DATA'), 'data', 'tiny-model']));
  for (const name in QUICK)
    settings.set(name, String(QUICK[name]));

  const rewards = Vard.RewardMix.new();
  rewards.add(new Redness(), 'redness', 1, Vard.RewardPolicy.REQUIRED);
  const runner = Vard.Runner.new_with_rewards(settings, rewards);
  const steps = [];
  runner.connect('step', (_, step) => steps.push(step));
  runner.start(GLib.build_filenamev([folder, 'run']));
  calls = 0;
  check('a run', runner.run(null));
  check('its steps', String(steps) === '0,1,2');
  check('it asked the class', calls >= 6);
}

print(`1..${N_TESTS}`);
const folder = GLib.dir_make_tmp('vard-gjs-XXXXXX');
try {
  testScore();
  testException();
  testRun(folder);
} catch (error) {
  print(`Bail out! ${error}`);
  failed++;
}
GLib.spawn_sync(null, ['rm', '-r', folder], null, GLib.SpawnFlags.SEARCH_PATH, null);
System.exit(failed ? 1 : 0);
