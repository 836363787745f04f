"""Trains the emoji model's text encoder and UNet on cached latents, and writes the diffusers folder.

    python train.py --work DIR --out MODEL --minutes 50                     first leg, needs DIR/vae.pt
    python train.py --work DIR --out MODEL --minutes 40 --leg 2 --rate 6e-4 a second one, from the first's end
    torchrun --nproc-per-node 2 train.py --threads 1 ...                    the same in two processes

The learning rate follows the clock: a cosine over --minutes of training time. State is saved every four
minutes; the same command goes on from there. Every --export-minutes the averaged weights are written to
MODEL, with a grid of samples in DIR. Objects, captions and views: objects.txt and data.py; shapes: model.py.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from diffusers import DDIMScheduler

import check
import data
import model
from vae import to_floats

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def cached_latents(path, vae, things, per_thing, seed):
    """Latents of all views, the number of each view's (thing, colour) kind, and the kinds; computed once."""
    if not path.exists() and RANK == 0:
        pictures, labels = data.make_views(things, per_thing, seed)
        with torch.no_grad():
            z = torch.cat([vae.encode(to_floats(p)).latent_dist.mode() for p in np.array_split(pictures, 64)])
        kinds = {label: i for i, label in enumerate(dict.fromkeys(labels))}
        torch.save((z, torch.tensor([kinds[label] for label in labels]), list(kinds)), path)
    if WORLD > 1:
        dist.barrier()
    return torch.load(path)


class Captions:
    """Draws a caption for each view, and knows their tokens."""

    def __init__(self, things, kinds, tokenizer):
        texts = data.vocabulary(things)
        number = {c: i for i, c in enumerate(texts)}
        self.tokens = tokenizer.encode(texts)
        self.empty = number[""]
        self.shares = torch.zeros(len(kinds), len(texts))
        for i, (thing, colour) in enumerate(kinds):
            for caption, weight in data.captions(things[thing], colour):
                self.shares[i, number[caption]] += weight

    def draw(self, kinds, dropout):
        chosen = torch.multinomial(self.shares[kinds], 1)[:, 0]
        chosen[torch.rand(len(chosen)) < dropout] = self.empty
        return self.tokens[chosen]


class Average:
    """Exponential moving average of parameters, short at first."""

    def __init__(self, parameters, decay):
        self.source, self.decay, self.n = parameters, decay, 0
        self.values = [p.detach().clone() for p in parameters]

    def update(self):
        self.n += 1
        torch._foreach_lerp_(self.values, [p.detach() for p in self.source],
                             1 - min(self.decay, (self.n + 1) / (self.n + 10)))

    def swap(self):
        for p, v in zip(self.source, self.values):
            p.data, v.data = v.data, p.data


class Trainer:
    def __init__(self, args):
        self.args, self.device = args, args.device
        things = data.load_things()
        self.tokenizer = model.Tokenizer(data.vocabulary(things))
        self.vae, self.text, self.unet = model.new_models(len(self.tokenizer), args.seed)
        self.vae.load_state_dict(torch.load(args.work / "vae.pt"))
        self.latents, self.kind_of, kinds = cached_latents(
            args.work / "latents.pt", self.vae, things, args.views, args.seed)
        self.captions = Captions(things, kinds, self.tokenizer)
        for m in (self.vae, self.text, self.unet):
            m.to(self.device)
        self.parameters = [*self.text.parameters(), *self.unet.parameters()]
        self.optimizer = torch.optim.AdamW(self.parameters, args.rate, betas=(0.9, 0.99), weight_decay=0.01)
        self.average = Average(self.parameters, args.ema)
        self.elapsed, self.step, self.start = 0.0, 0, 0
        self.state_file = args.work / "state.pt"
        if self.state_file.exists():
            self.load()
        self.alphas = DDIMScheduler(**model.SCHEDULER).alphas_cumprod.to(self.device)
        # min-SNR 5 for v; the floor keeps the noisiest steps, which settle the colours, from being forgotten
        snr = self.alphas / (1 - self.alphas)
        self.weights = (snr.clamp(max=5) / (snr + 1)).clamp(min=0.05)
        torch.manual_seed(args.seed + 1000 * RANK + self.step)

    def load(self):
        state = torch.load(self.state_file, map_location=self.device)
        self.text.load_state_dict(state["text"])
        self.unet.load_state_dict(state["unet"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.values, self.average.n = state["average"], state["n"]
        self.step = self.start = state["step"]
        if state["leg"] == self.args.leg:
            self.elapsed = state["elapsed"]

    def save(self):
        beside = self.state_file.with_suffix(".new")
        torch.save(dict(text=self.text.state_dict(), unet=self.unet.state_dict(),
                        optimizer=self.optimizer.state_dict(), average=self.average.values,
                        n=self.average.n, elapsed=self.elapsed, step=self.step, leg=self.args.leg), beside)
        beside.replace(self.state_file)

    def export(self, name):
        self.average.swap()
        model.save_folder(self.args.out, self.tokenizer, self.vae, self.text, self.unet)
        pictures = check.sample(self.tokenizer, self.vae, self.text, self.unet,
                                [p for p in check.GRID for _ in range(8)], seed=1)
        data.grid(pictures, 8, 2).save(self.args.work / f"grid-leg{self.args.leg}-{name}.png")
        self.average.swap()

    def set_rate(self):
        warm = min(1, (self.step - self.start + 1) / (300 if self.start == 0 else 50))
        done = min(1, self.elapsed / (60 * self.args.minutes))
        rate = self.args.rate * warm * (0.03 + 0.97 * (1 + math.cos(math.pi * done)) / 2)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def loss(self):
        n = self.args.batch
        pick = torch.randint(len(self.latents), (n,))
        tokens = self.captions.draw(self.kind_of[pick], self.args.dropout).to(self.device)
        x = self.latents[pick].to(self.device)
        t = torch.randint(len(self.alphas), (n,), device=self.device)
        noise, a = torch.randn_like(x), self.alphas[t].view(-1, 1, 1, 1)
        noisy, v = a.sqrt() * x + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * x
        with torch.autocast(self.device, torch.bfloat16):
            out = self.unet(noisy, t, self.text(tokens).last_hidden_state).sample.float()
        return (self.weights[t] * (out - v).square().mean((1, 2, 3))).mean()

    def share_gradients(self):
        """Mean gradients over the processes, and one clock for all, so that their rates stay equal."""
        used = [p for p in self.parameters if p.grad is not None]
        flat = torch.cat([p.grad.flatten() for p in used] + [torch.tensor([self.elapsed])])
        dist.all_reduce(flat)
        flat /= WORLD
        self.elapsed = flat[-1].item()
        for p, g in zip(used, flat[:-1].split([p.numel() for p in used])):
            p.grad.copy_(g.view_as(p.grad))

    def run(self):
        budget, last, losses = self.args.minutes * 60, time.time(), []
        shown, saved, exported = self.elapsed, self.elapsed, self.elapsed
        while self.elapsed < budget:
            rate = self.set_rate()
            loss = self.loss()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            now = time.time()
            self.elapsed, last = self.elapsed + now - last, now
            if WORLD > 1:
                self.share_gradients()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.average.update()
            self.step += 1
            losses.append(loss.item())
            if RANK:
                continue
            if self.elapsed - shown > 60:
                shown, losses = self.elapsed, losses[-200:]
                print(f"{self.elapsed:6.0f} s  step {self.step}  images {self.step * self.args.batch * WORLD}  "
                      f"rate {rate:.2e}  loss {np.mean(losses):.4f}", flush=True)
            if self.elapsed - saved > 240:
                saved = self.elapsed
                self.save()
            if self.elapsed - exported > self.args.export_minutes * 60:
                exported = self.elapsed
                self.export(f"{self.elapsed / 60:.0f}min")
        if RANK == 0:
            self.save()
            self.export("end")
            print(f"done: step {self.step}, loss {np.mean(losses[-200:]):.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--leg", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--batch", type=int, default=24, help="per process")
    parser.add_argument("--views", type=int, default=64, help="per object")
    parser.add_argument("--dropout", type=float, default=0.1, help="share of empty captions")
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--export-minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if WORLD > 1:
        dist.init_process_group("gloo")
    Trainer(args).run()


if __name__ == "__main__":
    main()
