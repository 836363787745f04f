#!/usr/bin/env python3
# peer-sd.py - what bench-sd measures, in PyTorch + diffusers as its users would write it
#
# One JSON object: seconds (the fastest round: slower ones measure what else runs on the host), and bytes of memory while it ran beyond what was resident with the model loaded.
# One memory format a process, since the allocator keeps what the first one used.
#
#   python peer-sd.py --model DIR --latent 64 --format channels-last [--lora RANK]
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import json
import pathlib
import time

import torch
from diffusers import UNet2DConditionModel


def status(field):
    for line in pathlib.Path('/proc/self/status').read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0


def make_step(args, unet, memory_format):
    x = torch.randn(1, 4, args.latent, args.latent).contiguous(memory_format=memory_format)
    target = torch.randn_like(x)
    context = torch.randn(1, 77, unet.config.cross_attention_dim)
    t = torch.tensor([500])

    @torch.no_grad()
    def forward():
        unet(x, t, context)

    if not args.lora:
        return forward
    from peft import LoraConfig
    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=args.lora, lora_alpha=args.lora, target_modules=['to_q', 'to_k', 'to_v', 'to_out.0']))
    if args.checkpointing:
        unet.enable_gradient_checkpointing()
        unet.train()
    trained = [p for p in unet.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)

    def train():
        loss = torch.nn.functional.mse_loss(unet(x, t, context).sample, target)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
    return train


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--model', required=True)
    parser.add_argument('--latent', type=int, default=64)
    parser.add_argument('--lora', type=int, default=0)
    parser.add_argument('--checkpointing', action='store_true')
    parser.add_argument('--format', choices=['channels-last', 'contiguous'], default='channels-last')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    memory_format = torch.channels_last if args.format == 'channels-last' else torch.contiguous_format
    unet = UNet2DConditionModel.from_pretrained(args.model, subfolder='unet', torch_dtype=torch.float32)
    unet.to(memory_format=memory_format)
    resident = status('VmRSS')
    pathlib.Path('/proc/self/clear_refs').write_text('5')
    step = make_step(args, unet, memory_format)
    step()
    times = []
    for _ in range(args.rounds):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    print(json.dumps({'seconds': min(times), 'memory': status('VmHWM') - resident,
                      'peak': status('VmHWM')}))


if __name__ == '__main__':
    main()
