"""The pictures and captions the emoji model learns from: Noto Color Emoji on white, 64 x 64.

Run alone it writes a sheet of views with their captions, to look at before training:
    python data.py --sheet sheet.png
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import math
import random
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"   # package fonts-noto-color-emoji
NAMES = "/usr/share/unicode/emoji/emoji-test.txt"            # package unicode-data
SIZE = 64
MASTER = 128          # pictures are kept at twice the size, as premultiplied RGBA
HUES = {"red": 0, "orange": 28, "yellow": 50, "green": 120, "blue": 215, "purple": 275, "pink": 330}


def read_names(path=NAMES):
    """Unicode name -> text, without skin tones and flags."""
    names, group = {}, ""
    for line in open(path, encoding="utf-8"):
        if line.startswith("# group:"):
            group = line[8:].strip()
        found = re.match(r"([0-9A-F ]+); fully-qualified +# \S+ E[\d.]+ (.+)", line)
        if found and group != "Flags" and "skin tone" not in found[2]:
            names[found[2].strip()] = "".join(chr(int(c, 16)) for c in found[1].split())
    return names


def render(text, font):
    """One emoji, cropped and centred, as premultiplied float RGBA [MASTER, MASTER, 4]; None if it is not one glyph."""
    if font.getlength(text) > 1.5 * font.getlength("\U0001F525"):
        return None
    image = Image.new("RGBA", (192, 192), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((20, 20), text, font=font, embedded_color=True)
    box = image.getbbox()
    if box is None:
        return None
    image = image.crop(box)
    scale = 0.94 * MASTER / max(image.size)
    rgba = np.asarray(image, np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    image = resize(rgba, (round(image.width * scale), round(image.height * scale)))
    out = np.zeros((MASTER, MASTER, 4), np.float32)
    y, x = (MASTER - image.shape[0]) // 2, (MASTER - image.shape[1]) // 2
    out[y:y + image.shape[0], x:x + image.shape[1]] = image
    return out


def planes(rgba, action):
    return np.stack([np.asarray(action(Image.fromarray(np.ascontiguousarray(rgba[..., c]))))
                     for c in range(rgba.shape[2])], -1)


def resize(rgba, size):
    return planes(rgba, lambda p: p.resize(size, Image.Resampling.BICUBIC)).clip(0, 1)


def turn_hue(rgba, degrees):
    """Rotates the hue of a premultiplied picture; value and saturation stay."""
    alpha = rgba[..., 3:]
    rgb = np.where(alpha > 0, rgba[..., :3] / np.maximum(alpha, 1e-6), 0).clip(0, 1)
    hsv = np.asarray(Image.fromarray((rgb * 255).astype(np.uint8)).convert("HSV")).copy()
    hsv[..., 0] = (hsv[..., 0].astype(int) + round(degrees * 256 / 360)) % 256
    rgb = np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"), np.float32) / 255
    return np.concatenate([rgb * alpha, alpha], -1)


def main_hue(rgba):
    """The hue in degrees that covers most of the picture, as the mean direction weighted by chroma."""
    r, g, b = (rgba[..., c] for c in range(3))
    # chroma squared keeps grey outlines out of it
    weight = rgba[..., :3].max(-1) - rgba[..., :3].min(-1)
    x, y = (weight * (r - (g + b) / 2)).sum(), (weight * math.sqrt(3) / 2 * (g - b)).sum()
    return math.degrees(math.atan2(y, x)) % 360


def view(rgba, rng, plain=False):
    """One augmented view on white as uint8 [SIZE, SIZE, 3]: mirror, scale, small turn, shift."""
    if plain:
        scale, angle, dx, dy, flip = 1.0, 0.0, 0.0, 0.0, False
    else:
        scale = rng.uniform(0.78, 1.0)
        angle = math.radians(rng.gauss(0, 4))
        room = (1 - scale) / 2 * MASTER + 2
        dx, dy, flip = rng.uniform(-room, room), rng.uniform(-room, room), rng.random() < 0.5
    c, s, m = math.cos(angle) / scale, math.sin(angle) / scale, MASTER / 2
    if flip:
        rgba = rgba[:, ::-1]
    matrix = (c, s, m - c * (m + dx) - s * (m + dy), -s, c, m + s * (m + dx) - c * (m + dy))
    out = planes(rgba, lambda p: p.transform((MASTER, MASTER), Image.Transform.AFFINE, matrix,
                                             Image.Resampling.BICUBIC)
                 .resize((SIZE, SIZE), Image.Resampling.BOX))
    rgb = out[..., :3] + 1 - out[..., 3:]
    return (rgb.clip(0, 1) * 255 + 0.5).astype(np.uint8)


class Thing:
    """One line of objects.txt with its picture."""

    def __init__(self, line, names, font):
        name, captions, groups, noun = (field.strip() for field in line.split("|"))
        self.captions = [c.strip() for c in captions.split(",")]
        self.groups = [g.strip() for g in groups.split(",") if g.strip()]
        self.noun = noun
        self.picture = render(names[name], font)
        self.hue = main_hue(self.picture)
        self.colour = min(HUES, key=lambda c: abs((HUES[c] - self.hue + 180) % 360 - 180))

    def recoloured(self, colour):
        return turn_hue(self.picture, HUES[colour] - self.hue)


def load_things(font=FONT, names=NAMES):
    names, font = read_names(names), ImageFont.truetype(font, 109)
    lines = (HERE / "objects.txt").read_text().splitlines()
    return [Thing(line, names, font) for line in lines if line.strip() and line[0] != "#"]


def load_all(font=FONT, names=NAMES):
    """Every emoji, for the VAE, which should know more shapes and colours than the objects have."""
    font = ImageFont.truetype(font, 109)
    pictures = [render(text, font) for text in read_names(names).values()]
    return [p for p in pictures if p is not None]


def article(text):
    return ("an " if text[0] in "aeiou" else "a ") + text


def wordings(text):
    return [text, text, text, article(text), text + " emoji"]


def captions(thing, colour):
    """(caption, weight) pairs for a view of a thing; colour is None for the font's own colours."""
    pairs = []
    groups = [(article(g), 1) for g in thing.groups] + [(g, 0.5) for g in thing.groups]
    if colour:
        named, unnamed = f"{colour} {thing.noun}", thing.noun
        pairs += [(c, 0.5 / 5) for c in wordings(named)] + [(c, 0.38 / 5) for c in wordings(unnamed)]
    else:
        first, others = thing.captions[0], thing.captions[1:]
        if thing.noun and not first.startswith(tuple(HUES)):
            others = others + [f"{thing.colour} {thing.noun}"]
        share = 0.88 if not others else 0.65
        pairs += [(c, share / 5) for c in wordings(first)]
        for other in others:
            pairs += [(c, 0.23 / len(others) / 5) for c in wordings(other)]
    total = sum(w for _, w in groups)
    pairs += [(c, 0.12 * w / total) for c, w in groups]
    return pairs


def vocabulary(things):
    """Every caption, for the tokenizer."""
    found = {""}
    for thing in things:
        for colour in [None] + (list(HUES) if thing.noun else []):
            found.update(c for c, _ in captions(thing, colour))
    return sorted(found)


def make_views(things, per_thing, seed=0):
    """uint8 views [n, SIZE, SIZE, 3] and for each (thing number, colour or None).

    A thing that may be recoloured has a third of its views in other colours."""
    rng, pictures, labels = random.Random(seed), [], []
    for number, thing in enumerate(things):
        for k in range(per_thing):
            colour = None
            if thing.noun and k % 3 == 0:
                colour = rng.choice([c for c in HUES if c != thing.colour])
            picture = thing.recoloured(colour) if colour else thing.picture
            pictures.append(view(picture, rng))
            labels.append((number, colour))
    return np.stack(pictures), labels


def grid(pictures, columns, scale=1, gap=2):
    """uint8 pictures [n, h, w, 3] as one image."""
    n, h, w, _ = pictures.shape
    rows = -(-n // columns)
    out = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, 3), 200, np.uint8)
    for i, p in enumerate(pictures):
        y, x = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        out[y:y + h, x:x + w] = p
    image = Image.fromarray(out)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheet", required=True, help="PNG to write")
    parser.add_argument("--per-thing", type=int, default=6)
    args = parser.parse_args()
    things = load_things()
    pictures, labels = make_views(things, args.per_thing)
    grid(pictures, 4 * args.per_thing).save(args.sheet)
    print(len(things), "objects,", len(vocabulary(things)), "captions")
