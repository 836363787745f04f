#!/usr/bin/env python3
"""check-training.py - what vard trains does the same in diffusers, in every form that it is exported in

Trains the small models of check-interchange.py (adapters of two kinds, every weight; 1.x and 2.x form), resumes,
exports, and compares the latents of a short DDIM run. Then a folder with the configurations and names of 2022. Runs
with the python that VARD_ORACLE_PYTHON names; skipped without.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import importlib
import json
import pathlib
import shutil
import sys
import tempfile

interchange = importlib.import_module('check-interchange')

QUICK = ['--steps', 2, '--pool-size', 16, '--value-fit-updates', 4, '--batch-size', 4, '--states-per-update', 4,
         '--evaluation-seeds', 2, '--sampler-steps', 3, '--value-batch', 4, '--value-channels', 8, '--warm-up', 0,
         '--q-min', -1, '--w-max', 1000000]
KINDS = {'attention': ['--learning-rate', 0.01],
         'feed-forward': ['--learning-rate', 0.01, '--lora-target', 'attention', '--lora-target', 'feed-forward',
                          '--lora-rank', 3, '--lora-alpha', 7],
         'full': ['--learning-rate', 0.001, '--weights', 'full']}
WEIGHTS = 'diffusion_pytorch_model.safetensors'


def sample_run(check, run):
    path = check.folder / 'live.safetensors'
    path.unlink(missing_ok=True)
    check.vard('sample', run, '--prompt', interchange.PROMPT, '--steps', interchange.STEPS, '--eta', 0,
               '--noise', check.folder / 'noise.safetensors', '--latents', path, '-o', check.folder / 'pictures')
    return next(iter(interchange.load_file(path).values()))


def check_run(check, model, kind):
    run = check.folder / f'{model.name}-{kind}'
    check.vard('train', '--model', model, '--reward', 'colorfulness', '--prompts', check.folder / 'prompts.txt',
               '--run', run, *QUICK, *KINDS[kind])
    check.vard('resume', run, '--steps', 3)
    live = sample_run(check, run)
    check.differs(run.name, live, interchange.run_diffusers(interchange.load(model), check.noise))
    for form in [] if kind == 'full' else ['diffusers', 'kohya']:
        path = run / f'{form}.safetensors'
        check.vard('export', run, '--format', form, '-o', path)
        pipe = interchange.load(model)
        pipe.load_lora_weights(run, weight_name=path.name)
        check.equal(f'{run.name} {form}', interchange.run_diffusers(pipe, check.noise), live)
    check.vard('export', run, '--format', 'merged-folder', '-o', run / 'merged')
    check.equal(f'{run.name} folder', interchange.run_diffusers(interchange.load(run / 'merged'), check.noise), live)
    check.vard('export', run, '--format', 'merged-single-file', '-o', run / 'merged.safetensors')
    pipe = interchange.StableDiffusionPipeline.from_single_file(
        str(run / 'merged.safetensors'), config=str(model), safety_checker=None, local_files_only=True)
    check.equal(f'{run.name} single file', interchange.run_diffusers(pipe, check.noise), live)


def rewrite(path, change):
    """change: from the name of a tensor to its old name"""
    tensors = interchange.load_file(path)
    interchange.save_file({change(name): tensor for name, tensor in tensors.items()}, path)


def make_old(model, old):
    """Configurations of few keys, attention and text encoder by their old names, a safety checker, pickles beside"""
    shutil.copytree(model, old)
    for part, keys in (('unet', ('sample_size', 'block_out_channels', 'cross_attention_dim', 'attention_head_dim',
                                 'down_block_types', 'up_block_types', 'layers_per_block')),
                       ('vae', ('block_out_channels', 'down_block_types', 'up_block_types', 'layers_per_block',
                                'sample_size'))):
        config = json.loads((old / part / 'config.json').read_text())
        (old / part / 'config.json').write_text(json.dumps({key: config[key] for key in keys}))
        (old / part / 'diffusion_pytorch_model.bin').write_bytes(b'a pickle')
    names = {'to_q': 'query', 'to_k': 'key', 'to_v': 'value', 'to_out.0': 'proj_attn'}
    rewrite(old / 'vae' / WEIGHTS, lambda name: next(
        (name.replace(new, was) for new, was in names.items() if 'mid_block.attentions' in name and new in name), name))
    rewrite(old / 'text_encoder/model.safetensors', lambda name: 'text_model.' + name.removeprefix('text_model.'))
    path = old / 'scheduler/scheduler_config.json'
    config = json.loads(path.read_text())
    path.write_text(json.dumps({key: config[key] for key in (
        'beta_start', 'beta_end', 'beta_schedule', 'num_train_timesteps', 'set_alpha_to_one', 'steps_offset')}
        | {'_class_name': 'PNDMScheduler', 'skip_prk_steps': True, 'trained_betas': None}))
    index = json.loads((old / 'model_index.json').read_text())
    index['safety_checker'] = ['stable_diffusion', 'StableDiffusionSafetyChecker']
    (old / 'model_index.json').write_text(json.dumps(index))


def main():
    with tempfile.TemporaryDirectory(prefix='vard-training-') as name:
        folder = pathlib.Path(name)
        check = interchange.Check(folder)
        (folder / 'prompts.txt').write_text('red apple\nblue sky\n')
        for model, is_second in ((folder / 'first', False), (folder / 'second', True)):
            interchange.make_model(model, is_second)
            for kind in KINDS:
                check_run(check, model, kind)
        make_old(folder / 'first', folder / 'old')
        check.equal('folder of 2022', check.sample(folder / 'old'),
                    interchange.run_diffusers(interchange.load(folder / 'first'), check.noise))
    print('failed: ' + ', '.join(check.failed) if check.failed else 'all is equal')
    return 1 if check.failed else 0


if __name__ == '__main__':
    sys.exit(main())
