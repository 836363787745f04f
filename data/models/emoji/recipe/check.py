"""Samples from the emoji model, and measures how often a sample is the thing its caption names.

    python check.py MODEL --grid grid.png [--prompts FILE] [--per-prompt 8] [--guidance 1]
    python check.py MODEL --retrieval [--per-prompt 2]

Retrieval: one or more samples of every object's name prompt, shrunk to 16 x 16; it counts how often the
nearest of 24 real views of each object is of the right object. Hearts and apples count with their colour.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel

import data
import model

GRID = ["red apple", "cat face", "sunflower", "soccer ball", "fire", "red heart", "pizza", "rocket"]


@torch.no_grad()
def sample(tokenizer, vae, text, unet, prompts, seed=0, guidance=1.0, steps=20, eta=1.0, batch=64):
    """uint8 pictures [n, 64, 64, 3] by DDIM."""
    device, out = next(unet.parameters()).device, []
    generator = torch.Generator().manual_seed(seed)
    scheduler = DDIMScheduler(**model.SCHEDULER)
    scheduler.set_timesteps(steps)
    for start in range(0, len(prompts), batch):
        some = prompts[start:start + batch]
        states = text(tokenizer.encode(some).to(device)).last_hidden_state
        empty = text(tokenizer.encode([""]).to(device)).last_hidden_state.expand_as(states)
        x = torch.randn(len(some), 4, 16, 16, generator=generator).to(device)
        for t in scheduler.timesteps:
            if guidance == 1:
                v = unet(x, t, states).sample
            else:
                v0, v1 = unet(torch.cat([x, x]), t, torch.cat([empty, states])).sample.chunk(2)
                v = v0 + guidance * (v1 - v0)
            noise = torch.randn(x.shape, generator=generator).to(device)
            x = scheduler.step(v, t, x, eta=eta, variance_noise=noise if eta > 0 else None).prev_sample
        pixels = vae.decode(x).sample.clamp(-1, 1)
        out.append(((pixels + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(out)


def shrink(pictures):
    n = len(pictures)
    return torch.from_numpy(pictures).float().view(n, 16, 4, 16, 4, 3).mean((2, 4)).flatten(1) / 255


def retrieval(things, pictures, wanted):
    """(share whose nearest real view is right, share with the right one among the 5 nearest objects, names missed)."""
    rng = random.Random(99)
    real = np.stack([data.view(t.picture, rng) for t in things for _ in range(24)])
    distance = torch.cdist(shrink(pictures), shrink(real)).view(len(pictures), len(things), 24).amin(-1)
    order = distance.argsort(-1)
    wanted = torch.tensor(wanted)[:, None]
    first, five = order[:, :1] == wanted, (order[:, :5] == wanted).any(-1)
    missed = [things[w].captions[0] for w, ok in zip(wanted[:, 0].tolist(), first[:, 0].tolist()) if not ok]
    return first.float().mean().item(), five.float().mean().item(), missed


def load(folder, things):
    tokenizer = model.Tokenizer(data.vocabulary(things))
    vae = AutoencoderKL.from_pretrained(folder / "vae").float().eval()
    text = CLIPTextModel.from_pretrained(folder / "text_encoder").float().eval()
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").float().eval()
    return tokenizer, vae, text, unet


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--grid", type=Path)
    parser.add_argument("--prompts", type=Path, help="one prompt a line; eight names by default")
    parser.add_argument("--columns", type=int)
    parser.add_argument("--retrieval", action="store_true")
    parser.add_argument("--per-prompt", type=int, default=8)
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--eta", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    things = data.load_things()
    models = load(args.model, things)
    options = dict(seed=args.seed, guidance=args.guidance, eta=args.eta)
    if args.grid:
        prompts = args.prompts.read_text().splitlines() if args.prompts else GRID
        pictures = sample(*models, [p for p in prompts for _ in range(args.per_prompt)], **options)
        data.grid(pictures, args.columns or args.per_prompt, 2 if len(prompts) < 20 else 1).save(args.grid)
    if args.retrieval:
        wanted = [i for i in range(len(things)) for _ in range(args.per_prompt)]
        pictures = sample(*models, [things[i].captions[0] for i in wanted], **options)
        first, five, missed = retrieval(things, pictures, wanted)
        print(f"retrieval of {len(wanted)} samples: first {first:.3f}, within five {five:.3f}")
        print("missed:", ", ".join(missed))


if __name__ == "__main__":
    main()
