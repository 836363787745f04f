#!/usr/bin/env python3
# peer.py - what tests/bench/bench-vard times, written in PyTorch + diffusers as its users would
#
# Prints one JSON object of seconds (medians): sampling, a policy step with all weights, a policy step with LoRA.
# Each is tried in both memory formats, and the better one counts.
#
#   python peer.py --model data/models/emoji --threads 2
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import copy
import json
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers import DDIMScheduler, StableDiffusionPipeline


WHAT = ["sample", "policy-full", "policy-lora"]


class Block(nn.Module):
    """Residual block of the value network: group norm, SiLU, conv, FiLM, the same again."""

    def __init__(self, c_in, c_out, width, stride, groups=8):
        super().__init__()
        self.norm1 = nn.GroupNorm(min(groups, c_in), c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1)
        self.film = nn.Linear(width, 2 * c_out)
        self.norm2 = nn.GroupNorm(groups, c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1)
        self.skip = nn.Conv2d(c_in, c_out, 1, stride)

    def forward(self, x, vector):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(vector)[:, :, None, None].chunk(2, 1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


class ValueNet(nn.Module):
    """About 0.4 M parameters on 16 x 16 x 4 latents, as libvard/algorithms/vard/vard-value-net.c."""

    def __init__(self, text_width, channels=(32, 64, 96), width=128):
        super().__init__()
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.text = nn.Sequential(nn.Linear(text_width, width), nn.SiLU())
        self.conv_in = nn.Conv2d(4, channels[0], 3, 1, 1)
        self.blocks = nn.ModuleList(
            [Block(channels[0], channels[0], width, 1), Block(channels[0], channels[1], width, 2),
             Block(channels[1], channels[2], width, 2)])
        self.head = nn.Sequential(nn.Linear(2 * channels[2], width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, x, t, text):
        frequency = torch.exp(-torch.arange(self.width // 2, device=t.device) / (self.width // 2) * 9.21)
        angle = t[:, None] * frequency
        vector = self.time(torch.cat([angle.sin(), angle.cos()], 1)) + self.text(text)
        x = self.conv_in(x)
        for block in self.blocks:
            x = block(x, vector)
        return self.head(torch.cat([x.mean((2, 3)), x.square().mean((2, 3))], 1))[:, 0]


def median_seconds(run, repeats):
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def encode(pipe, n):
    ids = pipe.tokenizer(["red apple"] * n, padding="max_length", max_length=pipe.tokenizer.model_max_length,
                         return_tensors="pt").input_ids
    with torch.no_grad():
        return pipe.text_encoder(ids).last_hidden_state


@torch.no_grad()
def sample(pipe, unet, context, n, steps, memory_format):
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(steps)
    x = torch.randn(n, 4, 16, 16).contiguous(memory_format=memory_format)
    for t in scheduler.timesteps:
        x = scheduler.step(unet(x, t, context).sample, t, x, eta=1.0).prev_sample
    pictures = pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample
    return ((pictures / 2 + 0.5).clamp(0, 1) * 255).round().byte()


def policy_step(unet, reference, value, optimizer, batch, eta=0.03):
    """One update of method L = -sg[g] mu + eta w |eps - eps_pre|^2 on a batch of stored states."""
    x, t, context, text, a, c, sigma, w, z = batch
    with torch.no_grad():
        pre = reference(x, t, context)
    eps = unet(x, t, context).sample
    mu = a * x + c * eps
    state = (mu + sigma * z).detach().requires_grad_(True)
    gradient, = torch.autograd.grad(value(state, t - 50, text).sum(), state)
    loss = (-(gradient * mu).sum((1, 2, 3)) + eta * w * (eps - pre).square().sum((1, 2, 3))).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], 1.0)
    optimizer.step()


def make_batch(context, n, memory_format):
    one = torch.ones(n, 1, 1, 1)
    x = torch.randn(n, 4, 16, 16).contiguous(memory_format=memory_format)
    z = torch.randn(n, 4, 16, 16).contiguous(memory_format=memory_format)
    t = torch.linspace(50, 999, n)
    return x, t, context, context.mean(1), 1.01 * one, -0.1 * one, 0.3 * one, 0.2 * torch.ones(n), z


def run_format(model, memory_format, samples, states, repeats, what):
    pipe = StableDiffusionPipeline.from_pretrained(model, safety_checker=None, torch_dtype=torch.float32)
    pipe.unet.to(memory_format=memory_format)
    pipe.vae.to(memory_format=memory_format)
    result = {}
    context = encode(pipe, samples)
    if "sample" in what:
        result["sample"] = median_seconds(lambda: sample(pipe, pipe.unet, context, samples, 20, memory_format),
                                          max(1, repeats // 3))
    context = encode(pipe, states)
    batch = make_batch(context, states, memory_format)
    value = ValueNet(context.shape[-1]).to(memory_format=memory_format).requires_grad_(False)
    frozen = copy.deepcopy(pipe.unet).requires_grad_(False)
    optimizer = torch.optim.Adam(pipe.unet.parameters(), lr=3e-5, betas=(0.9, 0.99))
    if "policy-full" in what:
        result["policy-full"] = median_seconds(
            lambda: policy_step(pipe.unet, lambda *i: frozen(*i).sample, value, optimizer, batch), repeats)
    if "policy-lora" not in what:
        return result
    unet = frozen
    from peft import LoraConfig
    unet.add_adapter(LoraConfig(r=8, lora_alpha=8, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    optimizer = torch.optim.AdamW([p for p in unet.parameters() if p.requires_grad], lr=1e-4)

    def reference(*inputs):
        unet.disable_adapters()
        out = unet(*inputs).sample
        unet.enable_adapters()
        return out
    result["policy-lora"] = median_seconds(lambda: policy_step(unet, reference, value, optimizer, batch), repeats)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--states", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--what", choices=WHAT, action="append", help="only this; may be given several times")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    results = {name: run_format(args.model, form, args.samples, args.states, args.repeats, args.what or WHAT)
               for name, form in (("contiguous", torch.contiguous_format), ("channels-last", torch.channels_last))}
    best = {key: min(results[form][key] for form in results) for key in results["contiguous"]}
    print(json.dumps({"torch": torch.__version__, "threads": args.threads, "formats": results, "best": best}, indent=1))


if __name__ == "__main__":
    main()
