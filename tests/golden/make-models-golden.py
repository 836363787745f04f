#!/usr/bin/env python3
"""make-models-golden.py - writes models.json: what diffusers and transformers compute for small models of known weights.

Weights and inputs are a formula of a tensor's name and an element's number (in the file's order), so that only
outputs are stored; vard's side of it is tests/golden/golden-models.c. Needs torch, diffusers and transformers.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import pathlib

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

FORMULA_PRIME = 16777619


def uniform(name, count):
    """[-1, 1): FNV-1a of the name, then a 32-bit mix of name and number"""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * FORMULA_PRIME) & 0xFFFFFFFF
    x = np.arange(count, dtype=np.uint64) * 2654435761 + seed
    x &= 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x ^= x >> np.uint64(shift)
        x = (x * factor) & 0xFFFFFFFF
    return (x >> np.uint64(8)).astype(np.float64) * 2.0 ** -23 - 1


def values(name, shape):
    """weights keep the size of what passes through them; one-dimensional weights are norms'"""
    u = uniform(name, int(np.prod(shape)))
    if len(shape) > 1:
        u *= (3 / np.prod(shape[1:])) ** 0.5
    elif name.endswith("weight"):
        u = 1 + 0.3 * u
    else:
        u *= 0.2
    return torch.tensor(u.astype(np.float32)).reshape(shape)


def fill(module):
    state = module.state_dict()
    for name, tensor in state.items():
        if tensor.dtype == torch.float32:
            state[name] = values(name, tuple(tensor.shape))
    module.load_state_dict(state)
    module.eval()
    return {name: list(t.shape) for name, t in state.items() if t.dtype == torch.float32}


def noise(name, shape):
    return torch.tensor(uniform(name, int(np.prod(shape))).astype(np.float32)).reshape(shape)


def last(tensor):
    return [float(f"{v:.7g}") for v in tensor.permute(0, 2, 3, 1).flatten().tolist()]


def unet(config, height, width):
    module = UNet2DConditionModel(**config)
    tensors = fill(module)
    context = config["cross_attention_dim"]
    context = context[0] if isinstance(context, list) else context
    with torch.no_grad():
        out = module(noise("latents", (2, height, width, 4)).permute(0, 3, 1, 2), torch.tensor([7.0, 961.0]),
                     noise("context", (2, 5, context))).sample
    return {"class": "unet", "config": config, "tensors": tensors, "height": height, "width": width,
            "output": last(out)}


def vae(config, side):
    module = AutoencoderKL(**config)
    tensors = fill(module)
    scale = 2 ** (len(config["block_out_channels"]) - 1)
    with torch.no_grad():
        moments = module.encode(noise("pictures", (1, side, side, 3)).permute(0, 3, 1, 2)).latent_dist.parameters
        decoded = module.decode(noise("latents", (1, side // scale, side // scale, 4)).permute(0, 3, 1, 2)).sample
    return {"class": "vae", "config": config, "tensors": tensors, "side": side, "output": last(moments),
            "decoded": last(decoded)}


def text(config):
    module = CLIPTextModel(CLIPTextConfig(**config))
    tensors = fill(module)
    ids = [[1 + (7 * i + 3 * row) % (config["vocab_size"] - 2) for i in range(6)] for row in range(2)]
    with torch.no_grad():
        out = module(torch.tensor(ids)).last_hidden_state
    return {"class": "text", "config": config, "tensors": tensors, "ids": sum(ids, []),
            "output": [float(f"{v:.7g}") for v in out.flatten().tolist()]}


def main():
    torch.manual_seed(0)
    common = {"sample_size": 8, "norm_num_groups": 8, "in_channels": 4, "out_channels": 4}
    clip = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 9, "layer_norm_eps": 1e-5, "pad_token_id": 1,
            "bos_token_id": 0, "eos_token_id": 39}
    cases = {
        "unet-sd1": unet({**common, "block_out_channels": [16, 32, 32], "layers_per_block": 2,
                          "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
                          "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
                          "attention_head_dim": 8, "cross_attention_dim": 24}, 8, 4),
        "unet-sd2": unet({**common, "block_out_channels": [16, 32], "layers_per_block": 1,
                          "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
                          "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "use_linear_projection": True,
                          "attention_head_dim": [2, 4], "cross_attention_dim": 24, "upcast_attention": True}, 4, 8),
        "unet-lists": unet({**common, "block_out_channels": [16, 24, 32], "layers_per_block": [1, 2, 1],
                            "transformer_layers_per_block": [2, 1, 1],
                            "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
                            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"],
                            "attention_head_dim": [4, 3, 2], "cross_attention_dim": [24, 24, 24],
                            "downsample_padding": 0, "center_input_sample": True, "flip_sin_to_cos": False,
                            "freq_shift": 1, "time_embedding_dim": 40, "mid_block_scale_factor": 1.5,
                            "conv_in_kernel": 5, "conv_out_kernel": 1, "norm_eps": 1e-4}, 4, 4),
        "vae": vae({"block_out_channels": [16, 32, 32], "down_block_types": ["DownEncoderBlock2D"] * 3,
                    "up_block_types": ["UpDecoderBlock2D"] * 3, "layers_per_block": 2, "latent_channels": 4,
                    "norm_num_groups": 8, "sample_size": 16}, 16),
        "vae-plain": vae({"block_out_channels": [8, 16], "down_block_types": ["DownEncoderBlock2D"] * 2,
                          "up_block_types": ["UpDecoderBlock2D"] * 2, "layers_per_block": 1, "latent_channels": 4,
                          "norm_num_groups": 4, "sample_size": 16, "mid_block_add_attention": False,
                          "use_quant_conv": False, "use_post_quant_conv": False}, 8),
        "text-quick": text({**clip, "hidden_act": "quick_gelu"}),
        "text-gelu": text({**clip, "hidden_act": "gelu", "num_attention_heads": 2}),
    }
    path = pathlib.Path(__file__).with_name("models.json")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}" for name, case in cases.items())
    path.write_text("{\n" + lines + "\n}\n")


if __name__ == '__main__':
    main()
