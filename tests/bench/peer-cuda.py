#!/usr/bin/env python3
# peer-cuda.py - what bench-unet measures on one device, in PyTorch + diffusers as its users would write it
#
# A denoiser of random weights from a diffusers config, in bf16, channels last, attention by scaled_dot_product_attention.
# One JSON object for each task: seconds (the median of the rounds after two to warm up, by the host's clock as vard's; on a
# device by its events, too) and bytes of memory that PyTorch held at most in these rounds. "forward" is an evaluation,
# "compiled" the same by torch.compile, "policy" a step of VARD with a LoRA: states of a rollout go in, denoiser with and
# without adapters, the value's gradient, the backward pass, AdamW on weights in single precision. Between vard and this the
# work is the same, the numbers are not: weights are random.
#
# --adapters autocast is the way of diffusers' own scripts: adapters in single precision, autocast, which on a device has norms
# in single precision. master has adapters in bf16 and their weights in single precision beside. --search has cuDNN try its
# algorithms. compare-cuda.py finds out which is better.
#
#   python peer-cuda.py --config tests/bench/sd15-unet.json [--device cuda] [--batch 8] [--latent 64] [--task TASK]
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
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


def keep_masters(trained, dtype):
    """Adapters in @dtype for the model, and their weights in single precision for the optimizer"""
    masters = [torch.nn.Parameter(p.detach().float()) for p in trained]

    def pass_on(p, master):
        master.grad = p.grad.float()
        p.grad = None

    for p, master in zip(trained, masters):
        p.data = p.data.to(dtype)
        p.register_post_accumulate_grad_hook(lambda p, master=master: pass_on(p, master))
    optimizer = torch.optim.AdamW(masters, lr=1e-4)
    with_master = [p.data for p in trained], [master.data for master in masters]
    optimizer.register_step_post_hook(lambda *_: torch._foreach_copy_(*with_master))  # pylint: disable=protected-access
    return optimizer


def add_adapters(args, unet, dtype):
    unet.add_adapter(LoraConfig(r=args.lora, lora_alpha=args.lora, target_modules=['to_q', 'to_k', 'to_v', 'to_out.0']))
    trained = [p for p in unet.parameters() if p.requires_grad]
    if args.adapters == 'master':
        return keep_masters(trained, dtype)
    for p in trained:
        p.data = p.data.float()
    return torch.optim.AdamW(trained, lr=1e-4)


def make_denoise(args, unet, dtype):
    """x, t, context in single precision -> the prediction in single precision"""
    def with_autocast(x, t, words):
        with torch.autocast(args.device.split(':')[0], dtype=dtype):
            return unet(x, t, words).sample.float()

    def plain(x, t, words):
        return unet(x.to(dtype), t, words.to(dtype)).sample.float()
    return with_autocast if args.adapters == 'autocast' and dtype != torch.float32 else plain


def make_policy(args, unet, dtype):
    """states come from the host, as those of a rollout do"""
    n, width, channels_last = args.batch, unet.config.cross_attention_dim, torch.channels_last
    optimizer = add_adapters(args, unet, dtype)
    value = ValueNet(width).to(args.device, memory_format=channels_last).requires_grad_(False)
    states = torch.randn(n, 4, args.latent, args.latent)
    context = torch.randn(n, N_TOKENS, width)
    denoise = make_denoise(args, unet, dtype)
    if args.checkpointing:
        unet.enable_gradient_checkpointing()
        unet.train()

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


def time_round(run, is_cuda):
    """seconds by the host's clock, with the device idle before and after, and by the device's events"""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if is_cuda else []
    begin = time.perf_counter()
    for event in events[:1]:
        event.record()
    run()
    for event in events[1:]:
        event.record()
        torch.cuda.synchronize()
    seconds = time.perf_counter() - begin
    return seconds, events[0].elapsed_time(events[1]) * 1e-3 if is_cuda else seconds


def measure(args, run):
    is_cuda = args.device.startswith('cuda')
    for _ in range(2):
        time_round(run, is_cuda)
    # what it took to make the model in single precision, or to search for algorithms, is not the step's
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    host, device = zip(*(time_round(run, is_cuda) for _ in range(args.rounds)))
    result = {'seconds': statistics.median(host), 'fastest': min(host),
              'peak': torch.cuda.max_memory_allocated() if is_cuda else 0}
    if is_cuda:
        result['device_seconds'] = statistics.median(device)
    return result


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
    parser.add_argument('--adapters', choices=['autocast', 'master'], default='master', help='how a policy step has them')
    parser.add_argument('--search', action='store_true', help='cuDNN tries its algorithms')
    parser.add_argument('--checkpointing', action='store_true')
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--task', choices=TASKS + ['product'], required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = args.search
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
