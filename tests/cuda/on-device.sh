#!/usr/bin/env bash
# on-device.sh - what to run first on a device, in the order of what it is worth; everything is kept in a folder
#
#   tests/cuda/on-device.sh BUILD OUT [--quick] [--python PYTHON]
#
# It goes on after a failure, since the next part may still say something, and ends with what failed. --quick is a minute
# of everything at small sizes: the tests run it on the emulated device. A PYTHON with torch, diffusers and peft is measured
# beside vard.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -uo pipefail

build=$(cd "$1" && pwd) || exit 2
mkdir -p "$2" || exit 2
out=$(cd "$2" && pwd)
shift 2
quick='' python=''
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=--quick ;;
    --python) python=${2:?--python needs a path}; shift ;;
    *) printf 'what is %s? on-device.sh BUILD OUT [--quick] [--python PYTHON]\n' "$1" >&2; exit 2 ;;
  esac
  shift
done
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
failed=()

export VARD_TEST_DATA=$tests VARD_DATA=$tests/../data

# part NAME COMMAND...: one log, one line with the time it took
part ()
{
  local name=$1 begin=$SECONDS
  shift

  if "$@" >"$out/$name.log" 2>&1; then
    printf 'ok      %4d s  %s\n' $((SECONDS - begin)) "$name"
  else
    printf 'FAILED  %4d s  %s: %s\n' $((SECONDS - begin)) "$name" "$(tail -n 1 "$out/$name.log")"
    failed+=("$name")
  fi
}

# bench NAME OPTION...: the JSON goes to the summary too
bench ()
{
  local name=$1
  shift

  part "$name" "$build/tests/bench/bench-unet" "$@"
  grep -h '^{' "$out/$name.log" | tee -a "$out/bench.jsonl"
}

profile ()
{
  local name=$1
  shift

  VARD_TRACE=$out/$name.trace "$build/tests/bench/bench-unet" --rounds 3 "$@" &&
    python3 "$tests/bench/trace-sums.py" --families "$out/$name.trace" &&
    python3 "$tests/bench/trace-sums.py" "$out/$name.trace"
}

: >"$out/bench.jsonl"
part inspect "$build/frontends/cli/vard" inspect engine:cuda
grep -h ' here ' "$out/inspect.log"
grep -q unavailable "$out/inspect.log" && exit 1

config=$tests/bench/sd15-unet.json batch=8 latent=64
if [ "$quick" = --quick ]; then
  config=$tests/data/tiny-model/unet/config.json batch=2 latent=8
fi

# The tests of emulation in one precision, with its tolerances for rows, models and adapters
check ()
{
  local engine=cuda:precision=$1

  part "adapters-$1" "$build/tests/golden/test-golden-lora-gradients" "$engine" "$4" --verbose
  [ "$quick" != --quick ] || return 0
  part "models-$1" "$build/tests/golden/test-golden-models" "$engine" "$3" --verbose
  part "rows-$1" "$build/tests/engine/test-op-rows" "$engine" "$2" --verbose
}

# Stable Diffusion 1.5's denoiser with random weights: a forward, LoRA steps with little memory and with much, a policy step
measure ()
{
  local engine=cuda:precision=$1

  bench "forward-$1" --config "$config" --engine "$engine" --batch $batch --latent $latent
  bench "lora-$1" --config "$config" --engine "$engine" --batch 1 --latent $latent --lora 8 --segments
  bench "lora-batch-$1" --config "$config" --engine "$engine" --batch $batch --latent $latent --lora 8
  bench "policy-$1" --config "$config" --engine "$engine" --batch $batch --latent $latent --lora 8 --policy
}

# vard and PyTorch in turns, where there is one
compare ()
{
  if [ -z "$python" ]; then
    echo 'no --python: PyTorch is not measured'
  elif ! "$python" -c 'import torch, diffusers, peft
if not torch.cuda.is_available (): raise SystemExit (f"PyTorch {torch.__version__} finds no device")' 2>"$out/python.log"; then
    echo "PyTorch is not measured: $(tail -n 1 "$out/python.log")"
  else
    part compare python3 "$tests/bench/compare-cuda.py" --python "$python" --bench "$build/tests/bench/bench-unet" \
      --config "$config" --batch $batch --latent $latent --compiled --json "$out/compare.json"
    grep -h 'times as fast\|of its memory' "$out/compare.log"
  fi
}

check fp32 1e-4 1e-4 1e-4
check bf16 bf16 1e-1 3e-1
measure bf16
compare
bench forward-bf16-without-cudnn --config "$config" --engine cuda:precision=bf16,cudnn=false --batch $batch --latent $latent

# Where does the time go? Steps one by one, so the sum is more than a replay takes
part profile-forward profile forward --config "$config" --engine cuda:precision=bf16 --batch $batch --latent $latent
part profile-policy profile policy --config "$config" --engine cuda:precision=bf16 --batch $batch --latent $latent --lora 8 --policy

# The demo's run: data/demo.json has every setting
if [ "$quick" != --quick ]; then
  rm -rf "$out/demo"
  part demo "$build/frontends/cli/vard" train "$tests/../data/demo.json" --model "$tests/../data/models/emoji" \
    --engine cuda:precision=bf16 --run "$out/demo"
fi

check tf32 5e-3 1e-2 5e-2
measure tf32
measure fp32

printf '%s\n' "${#failed[@]} parts failed${failed[*]:+: ${failed[*]}}; logs are in $out"
[ ${#failed[@]} -eq 0 ]
