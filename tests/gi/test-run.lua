#!/usr/bin/env lua5.3
-- test-run.lua - a run of two steps from Lua, with a reward written in Lua
--
-- SPDX-License-Identifier: LGPL-2.1-or-later
local lgi = require 'lgi'
local GLib, Vard = lgi.GLib, lgi.require ('Vard', '1')

local QUICK = {
  ['pool-size'] = 16, ['value-fit-updates'] = 4, ['batch-size'] = 4, ['states-per-update'] = 4, ['evaluation-seeds'] = 2,
  ['sampler-steps'] = 3, ['value-batch'] = 4, ['value-channels'] = 8, ['warm-up'] = 0, ['threads'] = 1, ['steps'] = 2,
}
local N_TESTS = 7
local done, failed, calls = 0, 0, 0

local Redness = Vard.Reward:derive ('LuaRedness')

function Redness:do_score (batch)
  for i = 0, batch:get_count () - 1 do
    local rgb, sum = batch:get_pixels (i).data, 0
    for p = 1, #rgb, 3 do
      sum = sum + rgb:byte (p)
    end
    batch:set_score (i, 3 * sum / #rgb)
  end
  calls = calls + 1
  return true
end

local Raising = Vard.Reward:derive ('LuaRaising')

function Raising:do_score (batch)
  batch:set_score (0, 1)
  error ('the second picture is odd')
end

local function check (name, truth)
  done = done + 1
  failed = failed + (truth and 0 or 1)
  print ((truth and 'ok ' or 'not ok ') .. done .. ' ' .. name)
end

local function make_batch (n)
  local batch = Vard.RewardBatch.new ()
  for _ = 1, n do
    batch:append (GLib.Bytes.new (string.rep ('\200\0\0', 4)), 2, 2, 'apple', nil, 0)
  end
  return batch
end

local function test_score ()
  local batch = make_batch (2)
  check ('it scores', Redness ():score_batch (batch, nil) and batch:get_score (1) == 200)
end

local function test_exception ()
  local batch = make_batch (3)
  check ('an error is no failure of the batch', Raising ():score_batch (batch, nil))
  check ('what was scored stays', batch:get_status (0) == 'SCORED' and batch:get_score (0) == 1)
  check ('the rest has an error', batch:get_status (1) == 'FAILED' and batch:get_status (2) == 'FAILED'
         and #batch:get_message (2) > 0)
end

local function test_run (folder)
  local settings = Vard.RunSettings.new ()
  assert (settings:set ('model', GLib.build_filenamev { GLib.getenv ('VARD_TEST_DATA'), 'data', 'tiny-model' }))
  for name, value in pairs (QUICK) do
    assert (settings:set (name, tostring (value)))
  end

  local rewards = Vard.RewardMix.new ()
  assert (rewards:add (Redness (), 'redness', 1, 'REQUIRED'))
  local runner = assert (Vard.Runner.new_with_rewards (settings, rewards))
  local steps = {}
  runner.on_step = function (_, step) steps[#steps + 1] = string.format ('%d', step) end
  assert (runner:start (folder .. '/run'))
  calls = 0
  check ('a run', runner:run (nil))
  check ('its steps', table.concat (steps, ',') == '0,1,2')
  check ('it asked the class', calls >= 6)
end

print ('1..' .. N_TESTS)
local folder = GLib.dir_make_tmp ('vard-lua-XXXXXX')
local fine, problem = pcall (function ()
  test_score ()
  test_exception ()
  test_run (folder)
end)
if not fine then
  print ('Bail out! ' .. tostring (problem))
  failed = failed + 1
end
os.execute ("rm -r '" .. folder .. "'")
os.exit (failed == 0)
