#!/usr/bin/env python3
"""check-clip-size.py - a whole CLIP with random weights in vard and in transformers, by hand

usage: VARD=vard check-clip-size.py L|H [--half]      (needs torch, transformers, safetensors, Pillow; minutes, gigabytes)

Writes a folder of the size of ViT-L/14 or ViT-H/14, scores real pictures with clip-score in vard, and compares with
transformers. --half writes 16-bit weights.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import csv
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE / '../../data'
PROMPT = 'a red apple on a table'
SIZES = {
    'L': ('quick_gelu', 768, (768, 3072, 12, 12), (1024, 4096, 24, 16)),
    'H': ('gelu', 1024, (1024, 4096, 24, 16), (1280, 5120, 32, 16)),
}


def make(kind, tokenizer):
    activation, projection, text, vision = SIZES[kind]
    parts = [dict(zip(('hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads'), sizes),
                  hidden_act=activation) for sizes in (text, vision)]
    torch.manual_seed(1)
    model = CLIPModel(CLIPConfig(text_config={**parts[0], 'bos_token_id': tokenizer.bos_token_id,
                                              'eos_token_id': tokenizer.eos_token_id},
                                 vision_config={**parts[1], 'image_size': 224, 'patch_size': 14},
                                 projection_dim=projection)).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1 and 'embedding' not in name:
                p.normal_(0, p[0].numel() ** -0.5)
    return model


def cut(folder):
    """Pieces of a real picture, square and not"""
    image = Image.open(DATA / 'emoji-grid.png').convert('RGB')
    for i, box in enumerate([(0, 0, 526, 526), (2, 2, 66, 66), (68, 2, 132, 99), (200, 134, 390, 200)]):
        image.crop(box).save(folder / f'{i}.png')
    return sorted(folder.glob('*.png'))


def ask_transformers(model, tokenizer, files):
    pixels = CLIPImageProcessorPil()([Image.open(f) for f in files], return_tensors='pt')['pixel_values']
    ids = tokenizer(PROMPT, padding='max_length', max_length=77, truncation=True, return_tensors='pt').input_ids
    with torch.no_grad():
        begin = time.monotonic()
        images = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
        print(f'transformers: {len(files)} pictures in {time.monotonic() - begin:.2f} s')
        texts = model.text_projection(model.text_model(input_ids=ids).pooler_output)
    return (100 * torch.nn.functional.cosine_similarity(images, texts)).tolist()


def ask_vard(folder, files):
    begin = time.monotonic()
    text = subprocess.run([os.environ['VARD'], 'score', '--reward', f'clip-score:model={folder}', '--prompt', PROMPT,
                           *map(str, files)], stdout=subprocess.PIPE, check=True, text=True).stdout
    print(f'vard, with loading: {time.monotonic() - begin:.2f} s')
    return [float(row['clip-score']) for row in csv.DictReader(io.StringIO(text))]


def main(kind, is_half):
    with tempfile.TemporaryDirectory(prefix='vard-clip-') as name:
        folder = pathlib.Path(name)
        tokenizer = CLIPTokenizer.from_pretrained(HERE / 'tokenizer')
        model = make(kind, tokenizer)
        print(sum(p.numel() for p in model.parameters()), 'parameters', flush=True)
        if is_half:
            model = model.half()
        model.save_pretrained(folder / 'model')
        model = model.float()
        shutil.copytree(HERE / 'tokenizer', folder / 'model', dirs_exist_ok=True)
        files = cut(folder)
        expected = ask_transformers(model, tokenizer, files)
        del model
        found = ask_vard(folder / 'model', files)
    for file, a, b in zip(files, expected, found):
        print(f'{file.name}: transformers {a:.6f}, vard {b:.6f}, apart {abs(a - b):.1e}')
    return 0 if max(abs(a - b) for a, b in zip(expected, found)) < 1e-3 else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], '--half' in sys.argv))
