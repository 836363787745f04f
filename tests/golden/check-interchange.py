#!/usr/bin/env python3
"""check-interchange.py - LoRA files and whole models between vard and diffusers, both ways

Makes a small Stable Diffusion folder with random weights, lets diffusers and PEFT write adapters in every spelling,
and compares the finished latents of a short DDIM run. Then the files that vard exports are loaded in diffusers. Runs
with the python that VARD_ORACLE_PYTHON names (it needs torch, diffusers, transformers and peft); skipped without.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

try:
    import torch
    from diffusers import (AutoencoderKL, DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler,
                           EulerAncestralDiscreteScheduler, EulerDiscreteScheduler, StableDiffusionPipeline,
                           UNet2DConditionModel)
    from diffusers.schedulers import scheduling_ddpm, scheduling_euler_ancestral_discrete
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig, get_peft_model_state_dict
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
except ImportError:
    oracle = os.environ.get('VARD_ORACLE_PYTHON')
    if oracle and oracle != sys.executable:
        os.execv(oracle, [oracle, *sys.argv])
    sys.exit(77)

VARD = os.environ.get('VARD', 'vard')
RUN_PARTS = os.environ.get('VARD_RUN_PARTS', 'run-parts')
HERE = pathlib.Path(__file__).resolve().parent
TOLERANCE = 1e-3
PROMPT = 'red apple'
STEPS = 3
UNET_TARGETS = ['to_q', 'to_k', 'to_v', 'to_out.0', 'proj_in', 'ff.net.0.proj', 'ff.net.2']
SAMPLERS = {'ddpm': DDPMScheduler, 'euler': EulerDiscreteScheduler, 'euler-ancestral': EulerAncestralDiscreteScheduler,
            'dpmpp-2m': DPMSolverMultistepScheduler}
TEXT_TARGETS = ['q_proj', 'k_proj', 'v_proj', 'out_proj', 'fc1', 'fc2']


def randomize(module, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.rand(parameter.shape, generator=generator) * 2 - 1
        bound = (3 / parameter[0].numel()) ** 0.5 if parameter.dim() > 1 else 0.2
        is_norm = parameter.dim() == 1 and name.endswith('weight')
        parameter.data = (1 + 0.3 * noise) if is_norm else bound * noise


def make_model(path, is_second=False):
    """A folder of the form of 1.x, or of 2.x: linear projections, lists of heads, gelu, v-prediction"""
    width = 1024 if is_second else 64
    heads = {'attention_head_dim': [1, 2], 'use_linear_projection': True} if is_second else {'attention_head_dim': 8}
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=[64, 128], layers_per_block=2, cross_attention_dim=width,
        down_block_types=['CrossAttnDownBlock2D', 'DownBlock2D'],
        up_block_types=['UpBlock2D', 'CrossAttnUpBlock2D'], **heads)
    vae = AutoencoderKL(block_out_channels=[32, 64], down_block_types=['DownEncoderBlock2D'] * 2,
                        up_block_types=['UpDecoderBlock2D'] * 2, layers_per_block=1, latent_channels=4,
                        sample_size=16, scaling_factor=0.18215)
    vocabulary = json.loads((HERE / 'tokenizer/vocab.json').read_text())
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=max(vocabulary.values()) + 1, hidden_size=width, intermediate_size=2 * width,
        num_hidden_layers=1 if is_second else 2, num_attention_heads=max(1, width // 64), max_position_embeddings=16,
        hidden_act='gelu' if is_second else 'quick_gelu', bos_token_id=vocabulary['<|startoftext|>'],
        eos_token_id=vocabulary['<|endoftext|>'], pad_token_id=1))
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule='scaled_linear', clip_sample=False,
                              set_alpha_to_one=False, steps_offset=1,
                              prediction_type='v_prediction' if is_second else 'epsilon')
    for seed, module in enumerate((unet, vae, text)):
        randomize(module, seed)
    StableDiffusionPipeline(unet=unet, vae=vae, text_encoder=text, scheduler=scheduler, safety_checker=None,
                            tokenizer=CLIPTokenizer.from_pretrained(str(HERE / 'tokenizer')), feature_extractor=None,
                            requires_safety_checker=False).save_pretrained(path)
    shutil.copytree(HERE / 'tokenizer', path / 'tokenizer', dirs_exist_ok=True)


def add_adapters(pipe):
    configs = {'unet': LoraConfig(r=3, lora_alpha=6, target_modules=UNET_TARGETS),
               'text_encoder': LoraConfig(r=2, lora_alpha=3, target_modules=TEXT_TARGETS)}
    generator = torch.Generator().manual_seed(9)
    for component, config in configs.items():
        module = getattr(pipe, component)
        module.add_adapter(config)
        for name, parameter in module.named_parameters():
            if 'lora_B' in name:
                parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    return configs


def fold(state, scale):
    return {name: tensor * scale if 'lora_B' in name else tensor.clone() for name, tensor in state.items()}


def old_processors(state):
    """The names of 2023, which had attention alone"""
    out = {}
    for name, tensor in state.items():
        if '.attn' in name:
            name = name.replace('.to_out.0.', '.to_out.').replace('.lora_A.', '_lora.down.').replace('.lora_B.', '_lora.up.')
            head, last = name.rsplit('.to_', 1)
            out[f'unet.{head}.processor.to_{last}'] = tensor
    return out


def write_spellings(pipe, configs, folder):
    """One file a spelling, in a folder of its own; returns the paths"""
    unet, text = (get_peft_model_state_dict(getattr(pipe, name)) for name in configs)
    folded, folded_text = fold(unet, 2.0), fold(text, 1.5)
    save = StableDiffusionPipeline.save_lora_weights
    save(folder / 'peft', unet_lora_layers=folded, text_encoder_lora_layers=folded_text)
    save(folder / 'metadata', unet_lora_layers=unet, text_encoder_lora_layers=text,
         unet_lora_adapter_metadata=configs['unet'].to_dict() | {'target_modules': UNET_TARGETS},
         text_encoder_lora_adapter_metadata=configs['text_encoder'].to_dict() | {'target_modules': TEXT_TARGETS})
    # diffusers converts the attention's names alone, and then reads only the others of such a mixed file
    attention = {name: tensor for name, tensor in folded.items() if '.attn' in name}
    save(folder / 'diffusers', unet_lora_layers=convert_state_dict_to_diffusers(attention),
         text_encoder_lora_layers=convert_state_dict_to_diffusers(folded_text))
    (folder / 'processors').mkdir()
    save_file(old_processors(folded), folder / 'processors/pytorch_lora_weights.safetensors')
    (folder / 'raw').mkdir()
    save_file({f'base_model.model.{name}': tensor for name, tensor in unet.items()},
              folder / 'raw/adapter_model.safetensors')
    (folder / 'raw/adapter_config.json').write_text(json.dumps({'r': 3, 'lora_alpha': 6, 'peft_type': 'LORA'}))
    kohya = {}
    for prefix, state, alpha in (('lora_unet_', unet, 6), ('lora_te_', text, 3)):
        middle = 'text_model.' if prefix == 'lora_te_' else ''
        for name, tensor in state.items():
            base, kind = name.split('.lora_')
            key = prefix + (middle + base).replace('.', '_')
            kohya[f'{key}.lora_{"down" if kind[0] == "A" else "up"}.weight'] = tensor
            kohya[f'{key}.alpha'] = torch.tensor(float(alpha))
    (folder / 'kohya').mkdir()
    save_file(kohya, folder / 'kohya/pytorch_lora_weights.safetensors')
    return ['peft', 'metadata', 'diffusers', 'processors', 'raw', 'kohya']


def run_diffusers(pipe, noise):
    pipe.set_progress_bar_config(disable=True)
    with torch.no_grad():
        return pipe([PROMPT], latents=noise.clone(), num_inference_steps=STEPS, eta=0.0, guidance_scale=1.0,
                    output_type='latent').images


class Check:
    def __init__(self, folder):
        self.folder = folder
        self.noise = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(3))
        save_file({'noise': self.noise}, folder / 'noise.safetensors')
        self.failed = []

    def vard(self, *arguments):
        done = subprocess.run([VARD, *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f'vard {arguments}: {done.stderr}')
        return done.stdout

    def sample(self, model, *more):
        path = self.folder / 'latents.safetensors'
        path.unlink(missing_ok=True)
        self.vard('sample', '--model', model, '--prompt', PROMPT, '--steps', STEPS, '--eta', 0, '--guidance-scale', 1,
                  '--noise', self.folder / 'noise.safetensors', '--latents', path, '-o', self.folder / 'pictures', *more)
        return next(iter(load_file(path).values()))

    def equal(self, what, found, expected):
        error = float((found - expected).abs().max() / expected.abs().max())
        print(f'{what}: {error:.2e}')
        if not error <= TOLERANCE:
            self.failed.append(what)

    def differs(self, what, found, expected):
        change = float((found - expected).abs().max() / expected.abs().max())
        print(f'{what}: the adapters change the latents by {change:.2e}')
        if change < 20 * TOLERANCE:
            self.failed.append(what)


def run_parts_here(pipe, inputs):
    """What run-parts computes: pictures are channels-last in its files"""
    first = {name: inputs[name].permute(0, 3, 1, 2) for name in ('latents', 'picture')}
    with torch.no_grad():
        return {
            'states': pipe.text_encoder(inputs['ids'].long()).last_hidden_state,
            'prediction': pipe.unet(first['latents'], inputs['timestep'], inputs['context']).sample.permute(0, 2, 3, 1),
            'moments': pipe.vae.encode(first['picture']).latent_dist.parameters.permute(0, 2, 3, 1),
            'decoded': pipe.vae.decode(first['latents'] / pipe.vae.config.scaling_factor).sample.permute(0, 2, 3, 1),
        }


def make_inputs(pipe):
    """Latents of 8 x 8 and a picture of that size"""
    generator = torch.Generator().manual_seed(8)
    scale = 2 ** (len(pipe.vae.config.block_out_channels) - 1)
    text = pipe.text_encoder.config
    return {'ids': torch.randint(text.vocab_size, (1, text.max_position_embeddings), generator=generator, dtype=torch.int32),
            'latents': torch.randn((1, 8, 8, 4), generator=generator), 'timestep': torch.tensor([481.0]),
            'context': torch.randn((1, text.max_position_embeddings, text.hidden_size), generator=generator),
            'picture': torch.rand((1, 8 * scale, 8 * scale, 3), generator=generator) * 2 - 1}


def check_parts(check, what, model, inputs, expected):
    """Each part by itself"""
    save_file(inputs, check.folder / 'in.safetensors')
    subprocess.run([RUN_PARTS, str(model), str(check.folder / 'in.safetensors'), str(check.folder / 'out.safetensors')],
                   check=True)
    found = load_file(check.folder / 'out.safetensors')
    for name, tensor in expected.items():
        check.equal(f'{what}: {name}', found[name], tensor)


def load(model):
    return StableDiffusionPipeline.from_pretrained(model, safety_checker=None)


def check_reading(check, model):
    """What diffusers and PEFT write loads in vard"""
    base = run_diffusers(load(model), check.noise)
    check.equal('base model', check.sample(model), base)
    pipe = load(model)
    spellings = write_spellings(pipe, add_adapters(pipe), check.folder)
    for spelling in spellings:
        pipe = load(model)
        file = 'adapter_model.safetensors' if spelling == 'raw' else 'pytorch_lora_weights.safetensors'
        path = check.folder / spelling / file
        if spelling == 'raw':      # diffusers does not read it: give it the same under its own names
            state = {name.replace('base_model.model.', 'unet.'): tensor for name, tensor in load_file(path).items()}
            pipe.load_lora_weights(fold(state, 2.0))
        elif spelling == 'processors':
            state = {name.replace('.processor.', '.').replace('_lora.down.', '.lora_A.').replace('_lora.up.', '.lora_B.')
                     .replace('.to_out.lora', '.to_out.0.lora'): tensor for name, tensor in load_file(path).items()}
            pipe.load_lora_weights(state)
        else:
            pipe.load_lora_weights(check.folder / spelling, weight_name=file)
        expected = run_diffusers(pipe, check.noise)
        check.differs(spelling, expected, base)
        check.equal(f'read {spelling}', check.sample(model, '--lora', path), expected)


def check_samplers(check, model):
    """The scheduler's class swapped in diffusers is --sampler here: with guidance, a negative prompt and another size"""
    generator = torch.Generator().manual_seed(5)
    noise, steps = torch.randn((1, 4, 8, 16), generator=generator), torch.randn((STEPS, 1, 4, 8, 16), generator=generator)
    path = check.folder / 'given-noise.safetensors'
    save_file({'noise': noise, 'steps': steps}, path)
    scale = json.loads((model / 'vae/config.json').read_text())['block_out_channels']
    scale = 2 ** (len(scale) - 1)
    for name, scheduler in SAMPLERS.items():
        pipe = load(model)
        pipe.scheduler = scheduler.from_config(pipe.scheduler.config)
        left = iter(steps)
        scheduling_ddpm.randn_tensor = scheduling_euler_ancestral_discrete.randn_tensor = lambda *_a, **_k: next(left)
        pipe.set_progress_bar_config(disable=True)
        with torch.no_grad():
            expected = pipe([PROMPT], negative_prompt=['green'], latents=noise.clone(), num_inference_steps=STEPS,
                            guidance_scale=3.0, height=8 * scale, width=16 * scale, output_type='latent').images
        out = check.folder / 'latents.safetensors'
        out.unlink(missing_ok=True)
        check.vard('sample', '--model', model, '--prompt', PROMPT, '--negative-prompt', 'green', '--steps', STEPS,
                   '--sampler', name, '--guidance-scale', 3, '--width', 16 * scale, '--height', 8 * scale,
                   '--noise', path, '--latents', out, '-o', check.folder / 'pictures')
        check.equal(f'sampler {name}', next(iter(load_file(out).values())), expected)


def check_writing(check, model):
    """What vard writes loads in diffusers"""
    lora = ['--lora', str(check.folder / 'metadata') + ':0.7']
    live = check.sample(model, *lora)
    for form in ('diffusers', 'kohya'):
        path = check.folder / f'out-{form}.safetensors'
        check.vard('export', model, *lora, '--format', form, '-o', path)
        pipe = load(model)
        pipe.load_lora_weights(check.folder, weight_name=path.name)
        n_loaded = sum('lora_A' in name for module in (pipe.unet, pipe.text_encoder)
                       for name, _ in module.named_parameters())
        n_file = sum('down.weight' in name for name in load_file(path))
        print(f'{form}: {n_loaded} of {n_file} layers')
        if n_loaded != n_file:
            check.failed.append(f'{form}: layers')
        check.equal(f'write {form}', run_diffusers(pipe, check.noise), live)
        check.equal(f'read again {form}', check.sample(model, '--lora', path), live)
        with safe_open(path, 'pt') as file:
            print(json.dumps(file.metadata()))
    check.vard('export', model, *lora, '--format', 'merged-folder', '-o', check.folder / 'merged')
    check.equal('merged folder', run_diffusers(load(check.folder / 'merged'), check.noise), live)
    check_single(check, model, lora, live, check.folder / 'merged.safetensors')


def check_single(check, model, lora, live, path):
    check.vard('export', model, *lora, '--format', 'merged-single-file', '-o', path)
    pipe = StableDiffusionPipeline.from_single_file(str(path), config=str(model), safety_checker=None,
                                                    local_files_only=True)
    check.equal(f'single file {path.name}', run_diffusers(pipe, check.noise), live)
    shutil.copytree(pathlib.Path(model) / 'tokenizer', check.folder / 'tokenizer', dirs_exist_ok=True)
    check.equal(f'read again {path.name}', check.sample(path), live)
    # without what vard's header says, shapes must tell
    plain = path.with_name('plain-' + path.name)
    save_file(load_file(path), plain)
    scheduler = check.folder / 'scheduler'
    shutil.rmtree(scheduler, ignore_errors=True)
    shutil.copytree(pathlib.Path(model) / 'scheduler', scheduler)
    check.equal(f'read {plain.name}', check_plain(check, plain), live)
    shutil.rmtree(scheduler)


def check_plain(check, plain):
    """Shapes do not tell the size of pictures: it is that of the real models, so the folder form is made of it"""
    folder = plain.with_suffix('')
    check.vard('export', plain, '--format', 'merged-folder', '-o', folder)
    config = json.loads((folder / 'unet/config.json').read_text())
    config['sample_size'] = 8
    (folder / 'unet/config.json').write_text(json.dumps(config))
    return run_diffusers(load(folder), check.noise)


def main():
    with tempfile.TemporaryDirectory(prefix='vard-interchange-') as name:
        folder = pathlib.Path(name)
        check = Check(folder)
        make_model(folder / 'first')
        make_model(folder / 'second', is_second=True)
        for name in ('first', 'second'):
            pipe = load(folder / name)
            inputs = make_inputs(pipe)
            check_parts(check, name, folder / name, inputs, run_parts_here(pipe, inputs))
        check_samplers(check, folder / 'first')
        check_reading(check, folder / 'first')
        check_writing(check, folder / 'first')
        second = folder / 'second'
        check_samplers(check, second)
        live = check.sample(second)
        check.equal('2.x', live, run_diffusers(load(second), check.noise))
        check_single(check, second, [], live, folder / 'second.safetensors')
    print('failed: ' + ', '.join(check.failed) if check.failed else 'all is equal')
    return 1 if check.failed else 0


if __name__ == '__main__':
    sys.exit(main())
