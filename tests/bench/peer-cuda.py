#!/usr/bin/env python3
# peer-cuda.py - what bench-unet measures on one device, in PyTorch + diffusers as its users would write it
#
# A denoiser of random weights from a diffusers config, in bf16, channels last, attention by scaled_dot_product_attention.
# One JSON object for each task: seconds (the median of the rounds after two to warm up) and bytes of memory that PyTorch held
# at most. "forward" is an evaluation, "compiled" the same by torch.compile, "policy" a step of VARD with a LoRA: states of a
# rollout go in, denoiser with and without adapters, the value's gradient, the backward pass, AdamW on weights in single
# precision. Between vard and this the work is the same, the numbers are not: weights are random.
#
#   python peer-cuda.py --config tests/bench/sd15-unet.json [--device cuda] [--batch 8] [--latent 64] [--task TASK]
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import contextlib
import json
import statistics
import time

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig

from peer import ValueNet, policy_step

TASKS = ['forward', 'compiled', 'policy']
N_TOKENS = 77


def make_unet(args, dtype):
    with open(args.config, encoding='utf-8') as file:
        config = {key: value for key, value in json.load(file).items() if not key.startswith('_')}
    with torch.device(args.device):
        unet = UNet2DConditionModel(**config)
    return unet.to(dtype=dtype, memory_format=torch.channels_last).requires_grad_(False).eval()


def make_forward(args, unet, dtype, is_compiled):
    x = torch.randn(args.batch, 4, args.latent, args.latent, device=args.device, dtype=dtype).contiguous(
        memory_format=torch.channels_last)
    context = torch.randn(args.batch, N_TOKENS, unet.config.cross_attention_dim, device=args.device, dtype=dtype)
    t = torch.full((args.batch,), 500.0, device=args.device)
    run = torch.compile(unet) if is_compiled else unet

    @torch.no_grad()
    def forward():
        return run(x, t, context).sample
    return forward


def add_adapters(unet, rank):
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=['to_q', 'to_k', 'to_v', 'to_out.0']))
    trained = [p for p in unet.parameters() if p.requires_grad]
    for p in trained:
        p.data = p.data.float()
    return torch.optim.AdamW(trained, lr=1e-4)


def make_policy(args, unet, dtype):
    """states come from the host, as those of a rollout do"""
    n, width, channels_last = args.batch, unet.config.cross_attention_dim, torch.channels_last
    optimizer = add_adapters(unet, args.lora)
    value = ValueNet(width).to(args.device, memory_format=channels_last).requires_grad_(False)
    states = torch.randn(n, 4, args.latent, args.latent)
    context = torch.randn(n, N_TOKENS, width)
    if args.checkpointing:
        unet.enable_gradient_checkpointing()
        unet.train()

    def cast():
        return torch.autocast(args.device, dtype=dtype) if dtype != torch.float32 else contextlib.nullcontext()

    def denoise(x, t, words):
        with cast():
            return unet(x, t, words).sample.float()

    def reference(*inputs):
        unet.disable_adapters()
        out = denoise(*inputs)
        unet.enable_adapters()
        return out

    def run():
        one = torch.ones(n, 1, 1, 1, device=args.device)
        x = states.to(args.device).contiguous(memory_format=channels_last)
        words = context.to(args.device)
        z = torch.randn(x.shape, device=args.device).contiguous(memory_format=channels_last)
        t = torch.full((n,), 500.0, device=args.device)
        batch = (x, t, words, words.mean(1), one, -0.1 * one, 0.3 * one, 0.2 * one.flatten(), z)
        policy_step(Denoiser(denoise), reference, value, optimizer, batch)
    return run


class Denoiser:
    """what policy_step calls as a model of diffusers"""

    def __init__(self, run):
        self.run = run

    def __call__(self, *inputs):
        return type('Output', (), {'sample': self.run(*inputs)})


def measure(args, run):
    """seconds of each round, by the host's clock with the device idle before and after"""
    is_cuda = args.device.startswith('cuda')
    times = []
    for i in range(-2, args.rounds):
        begin = time.perf_counter()
        run()
        if is_cuda:
            torch.cuda.synchronize()
        if i >= 0:
            times.append(time.perf_counter() - begin)
    peak = torch.cuda.max_memory_allocated() if is_cuda else 0
    return {'seconds': statistics.median(times), 'fastest': min(times), 'peak': peak}


def measure_product(args, dtype):
    """TFLOP/s of a large product: what can be reached on this device"""
    n = 8192 if args.device.startswith('cuda') else 512
    a, b = (torch.randn(n, n, device=args.device, dtype=dtype) for _ in range(2))
    seconds = measure(args, lambda: a @ b)['fastest']
    return 2 * n ** 3 / seconds * 1e-12


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--config', required=True, help='config.json of a denoiser')
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--precision', choices=['bf16', 'fp32'], default='bf16')
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--latent', type=int, default=64)
    parser.add_argument('--lora', type=int, default=8, help='the rank of a policy step')
    parser.add_argument('--checkpointing', action='store_true')
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--task', choices=TASKS + ['product'], required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    dtype = torch.bfloat16 if args.precision == 'bf16' else torch.float32
    result = {'torch': torch.__version__, 'task': args.task, 'batch': args.batch, 'latent': args.latent}
    if args.device.startswith('cuda'):
        result['device'] = torch.cuda.get_device_name()
    if args.task == 'product':
        result['tflops_per_second'] = measure_product(args, dtype)
    else:
        unet = make_unet(args, dtype)
        run = make_policy(args, unet, dtype) if args.task == 'policy' else make_forward(args, unet, dtype, args.task == 'compiled')
        result.update(measure(args, run))
    print(json.dumps(result))


if __name__ == '__main__':
    main()
