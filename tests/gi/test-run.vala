// test-run.vala - a run of two steps from Vala, with a reward written in Vala
//
// SPDX-License-Identifier: LGPL-2.1-or-later
int calls = 0;

class Redness : Vard.Reward {
  public override bool score (Vard.RewardBatch batch) throws Error {
    for (uint i = 0; i < batch.get_count (); i++) {
      unowned uint8[] rgb = batch.get_pixels (i).get_data ();
      double sum = 0;
      for (int p = 0; p < rgb.length; p += 3)
        sum += rgb[p];
      batch.set_score (i, 3 * sum / rgb.length);
    }
    calls++;
    return true;
  }
}

class Raising : Vard.Reward {
  public override bool score (Vard.RewardBatch batch) throws Error {
    batch.set_score (0, 1);
    throw new IOError.FAILED ("the second picture is odd");
  }
}

Vard.RewardBatch make_batch (uint n) throws Error {
  var batch = new Vard.RewardBatch ();
  for (uint i = 0; i < n; i++)
    batch.append (new Bytes ({ 200, 0, 0, 200, 0, 0 }), 2, 1, "apple", null, 0);
  return batch;
}

void test_score () {
  try {
    double score = 0;
    var batch = make_batch (2);
    assert (new Redness ().score_batch (batch, null) && batch.get_score (1, out score) && score == 200);
  } catch (Error error) {
    assert_no_error (error);
  }
}

void test_exception () {
  try {
    double score = 0;
    var batch = make_batch (3);
    assert (new Raising ().score_batch (batch, null) && batch.get_score (0, out score) && score == 1);
    assert (!batch.get_score (2, out score) && batch.get_message (2) == "the second picture is odd");
  } catch (Error error) {
    assert_no_error (error);
  }
}

void test_run () {
  string[] quick = { "pool-size", "16", "value-fit-updates", "4", "batch-size", "4", "states-per-update", "4",
                     "evaluation-seeds", "2", "sampler-steps", "3", "value-batch", "4", "value-channels", "8",
                     "warm-up", "0", "threads", "1", "steps", "2" };
  try {
    var folder = DirUtils.make_tmp ("vard-vala-XXXXXX");
    var settings = new Vard.RunSettings ();
    var rewards = new Vard.RewardMix ();
    settings.set ("model", Path.build_filename (Environment.get_variable ("VARD_TEST_DATA"), "data", "tiny-model"));
    for (int i = 0; i < quick.length; i += 2)
      settings.set (quick[i], quick[i + 1]);
    rewards.add (new Redness (), "redness", 1, Vard.RewardPolicy.REQUIRED);
    var runner = new Vard.Runner.with_rewards (settings, rewards);
    runner.start (Path.build_filename (folder, "run"));
    calls = 0;
    assert (runner.run (null) && calls >= 6);
    Process.spawn_command_line_sync ("rm -r " + folder);
  } catch (Error error) {
    assert_no_error (error);
  }
}

int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/vala/score", test_score);
  Test.add_func ("/vala/exception", test_exception);
  Test.add_func ("/vala/run", test_run);
  return Test.run ();
}
