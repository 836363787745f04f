"""The emoji model's shape: configurations, tokenizer, and writing a folder that diffusers loads as is.

    python model.py --random DIR     writes such a folder with random weights, to test a loader
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

POSITIONS = 16

VAE = dict(
    in_channels=3, out_channels=3, sample_size=64, latent_channels=4, block_out_channels=[32, 64, 64],
    down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3,
    layers_per_block=1, norm_num_groups=8, act_fn="silu", mid_block_add_attention=False, scaling_factor=1.0)

UNET = dict(
    sample_size=16, in_channels=4, out_channels=4, block_out_channels=[48, 64, 128],
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    mid_block_type="UNetMidBlock2DCrossAttn",
    up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    layers_per_block=1, cross_attention_dim=128, norm_num_groups=16, act_fn="silu",
    attention_head_dim=4)     # four heads: the name misleads, see diffusers

SCHEDULER = dict(
    num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
    trained_betas=None, clip_sample=False, clip_sample_range=1.0, thresholding=False,
    dynamic_thresholding_ratio=0.995, sample_max_value=1.0, set_alpha_to_one=True, steps_offset=1,
    prediction_type="v_prediction", timestep_spacing="trailing", rescale_betas_zero_snr=False)


def text_config(vocabulary_size):
    return CLIPTextConfig(
        vocab_size=vocabulary_size, hidden_size=128, intermediate_size=256, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=POSITIONS, hidden_act="quick_gelu",
        layer_norm_eps=1e-5, projection_dim=128, bos_token_id=vocabulary_size - 2,
        eos_token_id=vocabulary_size - 1, pad_token_id=vocabulary_size - 1)


def new_models(vocabulary_size, seed=0):
    """VAE, text encoder and UNet with fresh weights; the UNet starts with each residual branch at zero."""
    torch.manual_seed(seed)
    vae = AutoencoderKL(**VAE)
    text = CLIPTextModel(text_config(vocabulary_size))
    torch.nn.init.normal_(text.get_input_embeddings().weight, std=0.5)
    unet = UNet2DConditionModel(**UNET)
    for name, parameter in unet.named_parameters():
        if re.search(r"(conv_out|resnets\.\d+\.conv2|attentions\.\d+\.proj_out)\.", name):
            torch.nn.init.zeros_(parameter)
    return vae, text, unet


# --- tokenizer -------------------------------------------------------------------------------------

def byte_symbols():
    """CLIP's printable stand-ins for the 256 bytes, in CLIP's order."""
    own = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in own]
    return {b: chr(c) for b, c in zip(own + others, own + [256 + i for i in range(len(others))])}


class Tokenizer:
    """A byte-pair vocabulary in CLIP's format, trained until every word of the captions is one token."""

    def __init__(self, captions):
        symbols = byte_symbols()
        counts = Counter(word for caption in captions for word in self.words(caption))
        split = {w: [symbols[b] for b in w.encode()] for w in counts}
        for parts in split.values():
            parts[-1] += "</w>"
        self.merges = []
        while True:
            pairs = Counter()
            for word, parts in split.items():
                for pair in zip(parts, parts[1:]):
                    pairs[pair] += counts[word]
            if not pairs:
                break
            best = min(pairs, key=lambda p: (-pairs[p], p))
            self.merges.append(best)
            for word, parts in split.items():
                split[word] = self.merged(parts, best)
        tokens = list(symbols.values())
        tokens += [t + "</w>" for t in tokens]
        tokens += dict.fromkeys(a + b for a, b in self.merges if a + b not in tokens)
        tokens += ["<|startoftext|>", "<|endoftext|>"]
        self.ids = {t: i for i, t in enumerate(tokens)}
        self.split = split

    @staticmethod
    def words(caption):
        return re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", caption.lower())

    @staticmethod
    def merged(parts, pair):
        out, i = [], 0
        while i < len(parts):
            if tuple(parts[i:i + 2]) == pair:
                out.append(parts[i] + parts[i + 1])
                i += 2
            else:
                out.append(parts[i])
                i += 1
        return out

    def __len__(self):
        return len(self.ids)

    def encode(self, captions):
        """int64 [n, POSITIONS]; padded with the end token, as the pipeline does. Known words only."""
        end = self.ids["<|endoftext|>"]
        rows = []
        for caption in captions:
            row = [self.ids["<|startoftext|>"]]
            row += [self.ids[t] for w in self.words(caption) for t in self.split[w]]
            rows.append((row + [end] * POSITIONS)[:POSITIONS])
        return torch.tensor(rows)

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vocab.json").write_text(json.dumps(self.ids, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / "merges.txt").write_text(
            "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in self.merges), encoding="utf-8")
        special = dict(bos_token="<|startoftext|>", eos_token="<|endoftext|>",
                       unk_token="<|endoftext|>", pad_token="<|endoftext|>")
        write_json(folder / "special_tokens_map.json", special)
        write_json(folder / "tokenizer_config.json", dict(
            special, add_prefix_space=False, do_lower_case=True, errors="replace",
            model_max_length=POSITIONS, tokenizer_class="CLIPTokenizer"))


# --- the folder ------------------------------------------------------------------------------------

def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def save_weights(model, path):
    save_file({k: v.detach().half().cpu().contiguous() for k, v in model.state_dict().items()
               if not k.endswith("position_ids")}, path, metadata={"format": "pt"})


def save_folder(folder, tokenizer, vae, text, unet):
    """Writes the diffusers folder beside and renames it into place."""
    folder = Path(folder)
    beside = folder.with_name(folder.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    for model, name, weights in ((vae, "vae", "diffusion_pytorch_model"), (text, "text_encoder", "model"),
                                 (unet, "unet", "diffusion_pytorch_model")):
        (beside / name).mkdir(parents=True)
        if name == "text_encoder":
            model.config.architectures, model.config.dtype = ["CLIPTextModel"], "float32"
            model.config.save_pretrained(beside / name)
        else:
            model.save_config(beside / name)
        save_weights(model, beside / name / (weights + ".safetensors"))
    DDIMScheduler(**SCHEDULER).save_config(beside / "scheduler")
    tokenizer.save(beside / "tokenizer")
    write_json(beside / "model_index.json", dict(
        _class_name="StableDiffusionPipeline", _diffusers_version=diffusers.__version__,
        feature_extractor=[None, None], requires_safety_checker=False,
        safety_checker=[None, None], scheduler=["diffusers", "DDIMScheduler"],
        text_encoder=["transformers", "CLIPTextModel"], tokenizer=["transformers", "CLIPTokenizer"],
        unet=["diffusers", "UNet2DConditionModel"], vae=["diffusers", "AutoencoderKL"]))
    if folder.exists():
        old = folder.with_name(folder.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        os.rename(folder, old)
        os.rename(beside, folder)
        shutil.rmtree(old)
    else:
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.rename(beside, folder)


def multiply_adds(module, *arguments, **keywords):
    """Multiply-adds of the convolutions and matrix products of one forward, by torch's counter."""
    from torch.utils.flop_counter import FlopCounterMode
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*arguments, **keywords)
    return counter.get_total_flops() / 2


if __name__ == "__main__":
    import data
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", required=True, metavar="DIR")
    args = parser.parse_args()
    tokenizer = Tokenizer(data.vocabulary(data.load_things()))
    vae, text, unet = new_models(len(tokenizer))
    torch.manual_seed(1)
    for name, parameter in unet.named_parameters():     # the zeros would hide a loader's mistakes
        if parameter.abs().max() == 0 and parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.02)
    save_folder(args.random, tokenizer, vae, text, unet)
    z, t, c = torch.zeros(1, 4, 16, 16), torch.tensor([1]), torch.zeros(1, POSITIONS, 128)
    print(len(tokenizer), "tokens,", len(tokenizer.merges), "merges")
    for name, model in ("vae", vae), ("text encoder", text), ("unet", unet):
        print(name, sum(p.numel() for p in model.parameters()), "parameters")
    print("unet", multiply_adds(unet, z, t, c) / 1e6, "M multiply-adds, decode",
          multiply_adds(vae.decode, z) / 1e6, "encode", multiply_adds(vae.encode, torch.zeros(1, 3, 64, 64)) / 1e6)
