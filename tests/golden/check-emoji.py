#!/usr/bin/env python3
"""check-emoji.py - the emoji folder in diffusers: the same latents from the same noise, at eta 0 and at eta 1

Loads data/models/emoji with an unmodified pipeline, runs its own scheduler on noise that vard reads from a file, and
compares the finished latents. Runs with the python that VARD_ORACLE_PYTHON names; skipped without diffusers.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    from safetensors.torch import load_file, save_file
except ImportError:
    oracle = os.environ.get('VARD_ORACLE_PYTHON')
    if oracle and oracle != sys.executable:
        os.execv(oracle, [oracle, *sys.argv])
    sys.exit(77)

VARD = os.environ.get('VARD', 'vard')
MODEL = pathlib.Path(__file__).resolve().parents[2] / 'data/models/emoji'
PROMPTS = ['red apple', 'a fruit', 'rocket']
STEPS = 20
TOLERANCE = 2e-4


@torch.no_grad()
def sample_in_diffusers(pipe, noise, steps, eta):
    ids = pipe.tokenizer(PROMPTS, padding='max_length', max_length=pipe.tokenizer.model_max_length,
                         return_tensors='pt').input_ids
    context = pipe.text_encoder(ids).last_hidden_state
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(STEPS)
    x = noise
    for i, t in enumerate(scheduler.timesteps):
        extra = {'variance_noise': steps[i]} if eta > 0 else {}
        x = scheduler.step(pipe.unet(x, t, context).sample, t, x, eta=eta, **extra).prev_sample
    return x


def sample_in_vard(folder, noise, steps, eta):
    given, out = str(folder / 'noise.safetensors'), str(folder / f'latents-{eta}.safetensors')
    save_file({'noise': noise, 'steps': steps}, given)
    command = [VARD, 'sample', '--model', str(MODEL), '--steps', str(STEPS), '--eta', str(eta), '--guidance-scale', '1',
               '--noise', given, '--latents', out, '-o', str(folder / f'out-{eta}')]
    for prompt in PROMPTS:
        command += ['--prompt', prompt]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(iter(load_file(out).values()))


def main():
    pipe = StableDiffusionPipeline.from_pretrained(MODEL, safety_checker=None, torch_dtype=torch.float32)
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(len(PROMPTS), 4, 16, 16, generator=generator)
    steps = torch.randn(STEPS, len(PROMPTS), 4, 16, 16, generator=generator)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for eta in (0, 1):
            theirs = sample_in_diffusers(pipe, noise, steps, eta)
            ours = sample_in_vard(pathlib.Path(folder), noise, steps, eta)
            difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
            print(f'eta {eta}: largest difference {difference:.2g} of the largest latent')
            failed |= not difference <= TOLERANCE
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
