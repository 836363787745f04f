"""Trains the emoji model's VAE, then folds a per-channel normalisation of the latents into it.

    python vae.py --work DIR --minutes 15

The learning rate follows the clock: a cosine over --minutes of training time, however fast the machine is.
Interrupted, the same command goes on from DIR/vae-state.pt. The result is DIR/vae.pt.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import data
import model


def to_floats(pictures, device="cpu"):
    """uint8 [n, h, w, 3] -> float [n, 3, h, w] in -1 ... 1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def make_pool(things, everything, seed):
    """Views to learn from: the objects, a third with a turned hue; all other emoji; a few on coloured ground."""
    rng, pool = random.Random(seed), []
    for pictures, views in (([t.picture for t in things], 30), (everything, 2)):
        for picture in pictures:
            for k in range(views):
                p = data.turn_hue(picture, rng.uniform(0, 360)) if rng.random() < 0.35 else picture
                if rng.random() < 0.08:
                    ground = np.array([rng.uniform(0.3, 1) for _ in range(3)], np.float32)
                    p = np.concatenate([p[..., :3] + (1 - p[..., 3:]) * ground, np.ones_like(p[..., 3:])], -1)
                    p = p[6:-6, 6:-6]
                    p = data.resize(p, (data.MASTER, data.MASTER))
                    pool.append(data.view(p, rng, plain=True))
                else:
                    pool.append(data.view(p, rng))
    return np.stack(pool)


def psnr(vae, pictures):
    with torch.no_grad():
        out = torch.cat([vae.decode(vae.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
                         for x in pictures.split(32)])
    return (-10 * torch.log10(((out - pictures) / 2).square().mean((1, 2, 3)))).mean().item(), out


def differences(x):
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def normalise(vae, pictures):
    """Makes each latent channel zero mean, unit variance: exact, because both convolutions are 1x1."""
    with torch.no_grad():
        z = torch.cat([vae.encode(x).latent_dist.mode() for x in pictures.split(64)])
        mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3))
        before, after, n = vae.quant_conv, vae.post_quant_conv, len(mean)
        after.bias += after.weight[:, :, 0, 0] @ mean
        after.weight *= std[None, :, None, None]
        before.weight /= torch.cat([std, torch.ones_like(std)])[:, None, None, None]
        before.bias[:n] = (before.bias[:n] - mean) / std
        before.bias[n:] -= 2 * std.log()
    return mean, std


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2.5e-3)
    parser.add_argument("--kl", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    device = args.device

    things, everything = data.load_things(), data.load_all()
    # every twentieth is kept from the pool; some of these are objects, whose own views are learned
    held_out = to_floats(np.stack([data.view(p, None, plain=True) for p in everything[::20]]), device)
    seen = to_floats(data.make_views(things, 1, seed=12345)[0], device)
    pool = make_pool(things, [p for i, p in enumerate(everything) if i % 20], args.seed)
    print(len(pool), "views to learn from", flush=True)

    vae = model.new_models(1024, args.seed)[0].to(device)
    optimizer = torch.optim.AdamW(vae.parameters(), args.rate, betas=(0.9, 0.95), weight_decay=0.01)
    elapsed, step, state_file = 0.0, 0, args.work / "vae-state.pt"
    if state_file.exists():
        state = torch.load(state_file, map_location=device)
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
        elapsed, step = state["elapsed"], state["step"]
    torch.manual_seed(args.seed + step)
    budget, last, saved, shown = args.minutes * 60, time.time(), time.time(), 0
    while elapsed < budget:
        rate = args.rate * min(1, (step + 1) / 80) * (0.02 + 0.98 * (1 + math.cos(math.pi * elapsed / budget)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate
        x = to_floats(pool[torch.randint(len(pool), (args.batch,)).numpy()], device)
        with torch.autocast(device, torch.bfloat16):
            posterior = vae.encode(x).latent_dist
            y = vae.decode(posterior.sample()).sample
        y = y.float()
        error = y - x
        loss = error.abs().mean() + error.square().mean() + args.kl * posterior.kl().mean() / posterior.mean[0].numel()
        loss = loss + 0.25 * sum((a - b).abs().mean() for a, b in zip(differences(y), differences(x)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        step, now = step + 1, time.time()
        elapsed, last = elapsed + now - last, now
        if elapsed - shown > 60 or elapsed >= budget:
            shown = elapsed
            print(f"{elapsed:6.0f} s  step {step}  loss {loss.item():.4f}  sigma {posterior.std.float().mean():.4f}  "
                  f"psnr seen {psnr(vae, seen)[0]:.2f}  held out {psnr(vae, held_out)[0]:.2f}", flush=True)
        if now - saved > 180:
            saved = now
            torch.save(dict(vae=vae.state_dict(), optimizer=optimizer.state_dict(), elapsed=elapsed, step=step),
                       state_file.with_suffix(".new"))
            state_file.with_suffix(".new").replace(state_file)

    before, out = psnr(vae, seen)
    mean, std = normalise(vae, to_floats(data.make_views(things, 8, seed=7)[0], device))
    after, out = psnr(vae, seen)
    print("latent mean", mean.tolist(), "std", std.tolist())
    print(f"psnr before folding {before:.3f}, after {after:.3f}; held out {psnr(vae, held_out)[0]:.3f}")
    torch.save(vae.cpu().state_dict(), args.work / "vae.pt")
    pair = torch.stack([seen, out], 1).flatten(0, 1).cpu()
    pixels = ((pair + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    data.grid(pixels, 24).save(args.work / "vae.png")


if __name__ == "__main__":
    main()
