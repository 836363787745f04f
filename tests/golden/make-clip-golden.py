#!/usr/bin/env python3
"""make-clip-golden.py - writes two small CLIP folders with random weights, predictors of aesthetics, and clip.json

usage: make-clip-golden.py      (needs torch, transformers, safetensors, Pillow, NumPy; the tests do not)

tests/data/tiny-clip is as transformers writes it, tests/data/tiny-open-clip as OpenCLIP does, and once more as a .pt
checkpoint of a training program. clip.json has what transformers makes of pictures and texts with these weights; for
OpenCLIP's names a transformers model with the same weights answers.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import collections
import json
import os
import shutil

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, '../data')
PICTURES = os.path.join(HERE, '../../data')
TINY, OPEN = os.path.join(DATA, 'tiny-clip'), os.path.join(DATA, 'tiny-open-clip')
TOKENS = 24
PROMPTS = ['a red apple', '', 'Ein GRÜNER Apfel!', 'a very long prompt that has far more letters than there are tokens for']
# left, top, width, height of pieces of real pictures
PIECES = [('emoji-grid.png', 0, 0, 526, 526), ('emoji-grid.png', 2, 2, 64, 64), ('emoji-grid.png', 68, 2, 61, 40),
          ('emoji-grid.png', 200, 134, 27, 99), ('demo.png', 0, 0, 1076, 527), ('demo.png', 100, 50, 28, 28)]


def config(width, layers, activation):
    common = {'num_hidden_layers': layers, 'hidden_act': activation}
    return CLIPConfig(
        text_config={**common, 'vocab_size': 514, 'hidden_size': 16, 'intermediate_size': 64, 'num_attention_heads': 2,
                     'max_position_embeddings': TOKENS, 'bos_token_id': 512, 'eos_token_id': 513, 'pad_token_id': 513},
        vision_config={**common, 'hidden_size': width, 'intermediate_size': 4 * width, 'num_attention_heads': width // 8,
                       'image_size': 28, 'patch_size': 7}, projection_dim=24)


def make(settings, seed):
    """Random weights that 16 bits hold exactly"""
    torch.manual_seed(seed)
    model = CLIPModel(settings).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name == 'logit_scale':
                p.fill_(4.59375)
            elif p.dim() > 1:
                p.normal_(0, 1 / np.sqrt(p[0].numel()))
            else:
                p.normal_(1 if 'norm' in name and name.endswith('weight') else 0, 0.3)
    return model.half().float()


def save(model, folder):
    model.config.save_pretrained(folder)
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items() if not k.endswith('position_ids')},
              os.path.join(folder, 'model.safetensors'), metadata={'format': 'pt'})
    for name in ('vocab.json', 'merges.txt', 'special_tokens_map.json'):
        shutil.copy(os.path.join(DATA, 'tiny-model/tokenizer', name), folder)
    with open(os.path.join(folder, 'preprocessor_config.json'), 'w', encoding='utf-8') as file:
        json.dump({'crop_size': 28, 'size': 28, 'do_center_crop': True, 'do_normalize': True, 'do_resize': True,
                   'image_mean': [0.5, 0.4, 0.3], 'image_std': [0.25, 0.2, 0.3], 'resample': 3}, file, indent=1)
        file.write('\n')


# ---- OpenCLIP's names ----

LAYER = [('layer_norm1', 'ln_1'), ('layer_norm2', 'ln_2'), ('mlp.fc1', 'mlp.c_fc'), ('mlp.fc2', 'mlp.c_proj'),
         ('self_attn.out_proj', 'attn.out_proj')]
VISION = [('embeddings.class_embedding', 'class_embedding'), ('embeddings.patch_embedding.weight', 'conv1.weight'),
          ('embeddings.position_embedding.weight', 'positional_embedding'), ('pre_layrnorm.weight', 'ln_pre.weight'),
          ('pre_layrnorm.bias', 'ln_pre.bias'), ('post_layernorm.weight', 'ln_post.weight'),
          ('post_layernorm.bias', 'ln_post.bias')]
TEXT = [('embeddings.token_embedding.weight', 'token_embedding.weight'),
        ('embeddings.position_embedding.weight', 'positional_embedding'), ('final_layer_norm.weight', 'ln_final.weight'),
        ('final_layer_norm.bias', 'ln_final.bias')]


def convert_tower(state, old, new, heads, layers):
    for a, b in heads:
        yield new + b, state[old + a]
    for i in range(layers):
        here, there = f'{old}encoder.layers.{i}.', f'{new}transformer.resblocks.{i}.'
        for kind in ('weight', 'bias'):
            for a, b in LAYER:
                yield f'{there}{b}.{kind}', state[f'{here}{a}.{kind}']
            yield f'{there}attn.in_proj_{kind}', torch.cat([state[f'{here}self_attn.{c}_proj.{kind}'] for c in 'qkv'])


def convert(model):
    state, layers = model.state_dict(), model.config.vision_config.num_hidden_layers
    tensors = collections.OrderedDict(convert_tower(state, 'text_model.', '', TEXT, layers))
    tensors.update(convert_tower(state, 'vision_model.', 'visual.', VISION, layers))
    tensors['visual.proj'] = state['visual_projection.weight'].T
    tensors['text_projection'] = state['text_projection.weight'].T
    tensors['logit_scale'] = state['logit_scale']
    return collections.OrderedDict((k, v.half().contiguous()) for k, v in tensors.items())


def save_open(model, folder):
    os.makedirs(folder, exist_ok=True)
    tensors = convert(model)
    save_file(tensors, os.path.join(folder, 'open_clip_model.safetensors'), metadata={'format': 'pt'})
    torch.save({'epoch': 3, 'name': 'tiny', 'best': 0.5, 'state_dict': tensors}, os.path.join(folder, 'checkpoint.pt'))
    width, layers = model.config.vision_config.hidden_size, model.config.vision_config.num_hidden_layers
    settings = {
        'model_cfg': {'embed_dim': 24, 'vision_cfg': {'image_size': 28, 'layers': layers, 'width': width, 'head_width': 8, 'patch_size': 7},
                      'text_cfg': {'context_length': TOKENS, 'vocab_size': 514, 'width': 16, 'heads': 2, 'layers': layers}},
        'preprocess_cfg': {'mean': [0.48145466, 0.4578275, 0.40821073], 'std': [0.26862954, 0.26130258, 0.27577711]}}
    with open(os.path.join(folder, 'open_clip_config.json'), 'w', encoding='utf-8') as file:
        json.dump(settings, file, indent=1)
        file.write('\n')


# ---- what they say ----

def pictures():
    for name, left, top, width, height in PIECES:
        yield Image.open(os.path.join(PICTURES, name)).convert('RGB').crop((left, top, left + width, top + height))


def unit(x):
    return (x / x.norm(dim=-1, keepdim=True)).squeeze(0)


def features(model, tokenizer, mean, std):
    processor = CLIPImageProcessorPil(size={'shortest_edge': 28}, crop_size=28, image_mean=mean, image_std=std)
    images, texts = [], []
    with torch.no_grad():
        for image in pictures():
            pixels = processor(image, return_tensors='pt')['pixel_values']
            images.append(unit(model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)))
        for prompt in PROMPTS:
            ids = tokenizer(prompt, padding='max_length', max_length=TOKENS, truncation=True, return_tensors='pt').input_ids
            texts.append(unit(model.text_projection(model.text_model(input_ids=ids).pooler_output)))
    return torch.stack(images), torch.stack(texts)


class Predictor(torch.nn.Module):
    """The published predictor has 768, 1024, 128, 64, 16, 1 and nothing between the layers but dropout"""

    def __init__(self):
        super().__init__()
        layers = []
        for a, b, dropout in ((24, 32, 0.2), (32, 16, 0.2), (16, 8, 0.1), (8, 4, None), (4, 1, None)):
            layers += [torch.nn.Linear(a, b)] + ([torch.nn.Dropout(dropout)] if dropout else [])
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


def make_predictor():
    torch.manual_seed(9)
    predictor = Predictor().eval()
    with torch.no_grad():
        for p in predictor.parameters():
            p.normal_(0, 1.5 / np.sqrt(p[0].numel()))
    torch.save(predictor.state_dict(), os.path.join(DATA, 'tiny-clip/predictor.pth'))
    save_file(predictor.state_dict(), os.path.join(DATA, 'tiny-clip/predictor.safetensors'))
    return predictor


def rows(values):
    return [[round(float(v), 7) for v in row] for row in values]


def main():
    tiny, other = make(config(32, 2, 'quick_gelu'), 3), make(config(16, 1, 'gelu'), 4)
    save(tiny, TINY)
    save_open(other, OPEN)
    predictor = make_predictor()
    tokenizer = CLIPTokenizer.from_pretrained(TINY)
    golden = {'pieces': PIECES, 'prompts': PROMPTS}
    for name, model, mean, std in (('tiny-clip', tiny, [0.5, 0.4, 0.3], [0.25, 0.2, 0.3]),
                                   ('tiny-open-clip', other, [0.48145466, 0.4578275, 0.40821073],
                                    [0.26862954, 0.26130258, 0.27577711])):
        images, texts = features(model, tokenizer, mean, std)
        golden[name] = {'images': rows(images), 'texts': rows(texts), 'cosines': rows(images @ texts.T),
                        'scale': model.logit_scale.exp().item()}
        if name == 'tiny-clip':
            with torch.no_grad():
                golden[name]['aesthetic'] = rows(predictor(images))
    with open(os.path.join(HERE, 'clip.json'), 'w', encoding='utf-8') as file:
        file.write(json.dumps(golden).replace('], "', '],\n"').replace('], [', '],\n[') + '\n')


if __name__ == '__main__':
    main()
