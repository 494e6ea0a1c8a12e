"""What a person wears: garments or painted clothes, skin, hair, and the materials of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from metricpose.synthetic import painted
from metricpose.synthetic.materials import (
    QUIET_COLOURS,
    Material,
    cloth,
    cloth_colour,
    hair_colour,
    skin_tone,
)
from metricpose.synthetic.painted import NONE_BELOW
from metricpose.synthetic.phenotype import Phenotype
from metricpose.synthetic.wardrobe import Item, Wardrobe

# Mean linear luminance of the skin textures, by the word in their name.
_SKIN_LUMINANCE = {"lightskinned": 0.34, "darkskinned": 0.09}


@dataclass
class Worn:
    """A garment with a material row (index into the outfit's materials) per component, and how loosely it sits."""

    item: Item
    rows: list[int]
    distance: float = 0.0
    amplitude: float = 0.0
    frequency: float = 1.0


@dataclass
class Outfit:
    """Everything about a person's looks; lengths in metres of a 1.7 m adult.

    Attributes:
        cut: edges of painted clothes. thickness: of painted top, bottom, hair, shoes. flare: of painted trousers.
        materials: first one per painted region, then those of garments and eyes.
        garments: worn meshes, hair last. eye_row: material of the eyeballs.
        name: short description.
    """

    cut: Float32[np.ndarray, " 12"]
    thickness: tuple[float, float, float, float]
    flare: float
    materials: list[Material]
    garments: list[Worn] = field(default_factory=list)
    eye_row: int = 0
    name: str = "painted"

    def add(self, material: Material) -> int:
        """Append a material and return its row."""
        self.materials.append(material)
        return len(self.materials) - 1


def sample_outfit(
    rng: np.random.Generator, wardrobe: Wardrobe, phenotype: Phenotype, garment_share: float, tight: bool
) -> Outfit:
    """Dress a person. `garment_share`: chance of a garment mesh where the wardrobe has any; `tight`: sports clothes."""
    skin, tone = _skin(rng, wardrobe)
    hair = hair_colour(rng, phenotype.years)
    materials = [Material(np.ones(3)) for _ in range(painted.REGIONS)]
    materials[painted.SKIN] = skin
    materials[painted.TOP], materials[painted.BOTTOM] = cloth(rng, 0.5), cloth(rng, 0.8, upper=False)
    materials[painted.SHOE] = Material(cloth_colour(rng), gloss=rng.uniform(0.0, 0.2))
    materials[painted.SOLE] = Material(QUIET_COLOURS[rng.choice([0, 1, 4, 5])])
    materials[painted.SOCK] = Material(QUIET_COLOURS[rng.integers(len(QUIET_COLOURS))])
    materials[painted.HAIR] = Material(hair, gloss=0.05, fold=0.35, fold_frequency=rng.uniform(2.0, 5.0))
    outfit = Outfit(painted.naked(), _thickness(rng, tight), rng.uniform(0.0, 1.5), materials)
    outfit.eye_row = outfit.add(_eyes(rng, wardrobe))
    dressed = bool(wardrobe.items["suit"]) and phenotype.years > 3.0 and rng.random() < garment_share
    if dressed:
        _wear_suit(rng, outfit, wardrobe, phenotype)
    else:
        _paint_clothes(rng, outfit.cut, phenotype, tight)
    _wear_shoes(rng, outfit, wardrobe, dressed)
    _wear_hair(rng, outfit, wardrobe, phenotype, hair, tone, dressed)
    outfit.cut[painted.GLOVES] = float(rng.random() < 0.02)
    outfit.cut[painted.BEARD] = float(phenotype.male and phenotype.years > 18.0 and rng.random() < 0.25)
    return outfit


def _thickness(rng: np.random.Generator, tight: bool) -> tuple[float, float, float, float]:
    loose = 0.4 if tight else 1.0
    top = 0.004 + 0.022 * loose * rng.beta(1.2, 2.5)
    bottom = 0.004 + 0.018 * loose * rng.beta(1.2, 2.5)
    return top, bottom, rng.uniform(0.006, 0.03), rng.uniform(0.004, 0.01)


def _skin(rng: np.random.Generator, wardrobe: Wardrobe) -> tuple[Material, np.ndarray]:
    """Skin material and its mean colour: a texture scaled or recoloured to a skin tone, or the flat tone."""
    tone, gloss = skin_tone(rng), rng.uniform(0.02, 0.12)
    if not wardrobe.skins or rng.random() < 0.12:
        return Material(tone, gloss=gloss, fold=0.05, fold_frequency=2.0), tone
    name, texture = wardrobe.skins[rng.integers(len(wardrobe.skins))]
    mean = next((value for word, value in _SKIN_LUMINANCE.items() if word in name), 0.3)
    if rng.random() < 0.7:  # keep the photographed hue, change the level
        level = np.clip(tone.mean() / mean, 0.5, 1.6) * rng.uniform(0.85, 1.15)
        return Material(np.full(3, level), gloss=gloss, fold=0.05, fold_frequency=2.0, texture=texture), tone
    material = Material(tone, gloss=gloss, fold=0.05, fold_frequency=2.0, texture=texture, recolour=True,
                        inverse_luminance=1.0 / mean)  # fmt: skip
    return material, tone


def _eyes(rng: np.random.Generator, wardrobe: Wardrobe) -> Material:
    if wardrobe.eyes:
        return Material(np.ones(3), gloss=0.3, texture=wardrobe.eyes[rng.integers(len(wardrobe.eyes))])
    return Material(np.full(3, 0.35), gloss=0.3)


def _paint_clothes(rng: np.random.Generator, cut: np.ndarray, phenotype: Phenotype, tight: bool) -> None:
    """Edges of a shirt and of trousers or shorts; the numbers are template metres (arm coordinates for sleeves)."""
    sleeves = ([-0.12, 0.35, 0.6, 1.0, 1.5, 1.95], [0.12, 0.2, 0.25, 0.05, 0.08, 0.3])
    if tight:
        sleeves = ([-0.12, 0.35, 0.6, 1.95], [0.2, 0.35, 0.35, 0.1])
    cut[painted.SLEEVE] = rng.choice(sleeves[0], p=sleeves[1]) + rng.normal(0.0, 0.04)
    cut[painted.HEM] = rng.uniform(-0.02, 0.14)
    cut[painted.NECK] = rng.uniform(0.53, 0.6)
    cut[painted.NECK_SLOPE] = rng.choice([0.2, 0.6, 1.2], p=[0.5, 0.3, 0.2])
    if cut[painted.NECK_SLOPE] > 1.0:
        cut[painted.NECK] -= 0.08
    ends = [0.12, 0.13, 0.08, 0.07, 0.6] if not tight else [0.3, 0.15, 0.1, 0.05, 0.4]
    cut[painted.LEG_END] = rng.choice([-0.12, -0.3, -0.42, -0.6, -0.75], p=ends) + rng.normal(0.0, 0.02)
    cut[painted.WAIST] = rng.uniform(0.1, 0.2)
    if phenotype.male and rng.random() < (0.12 if tight else 0.04):  # bare chest
        cut[painted.NECK] = cut[painted.SLEEVE] = NONE_BELOW


def _wear_suit(rng: np.random.Generator, outfit: Outfit, wardrobe: Wardrobe, phenotype: Phenotype) -> None:
    wanted = "male" if phenotype.male else "female"
    suits = [s for s in wardrobe.items["suit"] if s.name.startswith(wanted) or rng.random() < 0.05]
    suits = suits or wardrobe.items["suit"]
    suit = suits[rng.integers(len(suits))]
    rows = [_garment_material(rng, outfit, suit, c) for c in range(len(suit.luminance))]
    amplitude = rng.uniform(0.0, 0.016)
    outfit.garments.append(Worn(suit, rows, rng.uniform(0.0, 0.008), amplitude, rng.uniform(1.0, 2.5)))
    outfit.name = suit.name


def _garment_material(rng: np.random.Generator, outfit: Outfit, item: Item, component: int) -> int:
    """The garment's own picture (one in four) or its shading under a new fabric."""
    if item.coloured and rng.random() < 0.35:
        return outfit.add(Material(np.ones(3), fold=rng.uniform(0.05, 0.3), fold_frequency=2.0, texture=item.texture))
    material = cloth(rng, 0.6, upper=component == 0)
    material.texture, material.recolour = item.texture, True
    material.inverse_luminance = 0.8 / float(item.luminance[component])
    material.fold *= 0.8
    return outfit.add(material)


def _wear_shoes(rng: np.random.Generator, outfit: Outfit, wardrobe: Wardrobe, dressed: bool) -> None:
    shoes = wardrobe.items["shoes"]
    if shoes and rng.random() < (0.8 if dressed else 0.3):
        pair = shoes[rng.integers(len(shoes))]
        rows = [_garment_material(rng, outfit, pair, c) for c in range(len(pair.luminance))]
        outfit.garments.append(Worn(pair, rows, rng.uniform(0.0, 0.002)))
    else:
        outfit.cut[painted.SHOE_TOP] = rng.choice(
            [NONE_BELOW, -0.745, -0.72, -0.6, -0.5], p=[0.12, 0.45, 0.25, 0.1, 0.08]
        )
    outfit.cut[painted.SOCK_TOP] = rng.choice([NONE_BELOW, -0.72, -0.68, -0.55], p=[0.4, 0.2, 0.25, 0.15])


def _wear_hair(
    rng: np.random.Generator,
    outfit: Outfit,
    wardrobe: Wardrobe,
    phenotype: Phenotype,
    colour: np.ndarray,
    tone: np.ndarray,
    dressed: bool,
) -> None:
    """A hair mesh over a painted cap, or a painted cap alone, or a bald head; sometimes a hat."""
    if phenotype.male and not phenotype.child and rng.random() < 0.1:
        return
    cut, styles = outfit.cut, wardrobe.items["hair"]
    if phenotype.male:
        styles = [style for style in styles if style.name.startswith(("short", "afro"))]
    if styles and rng.random() < (0.85 if dressed else 0.5):
        style = styles[rng.integers(len(styles))]
        material = Material(colour * rng.uniform(0.9, 1.2), gloss=0.08, texture=style.texture, recolour=True,
                            inverse_luminance=1.0 / float(style.luminance.max()), two_sided=True)  # fmt: skip
        outfit.garments.append(Worn(style, [outfit.add(material)] * len(style.luminance)))
        cut[painted.HAIR_FRONT], cut[painted.HAIR_BACK] = 0.80, 0.66
        outfit.materials[painted.HAIR].colour = 0.5 * colour + 0.25 * tone
        outfit.thickness = (*outfit.thickness[:2], 0.003, outfit.thickness[3])
    else:
        cut[painted.HAIR_FRONT] = rng.uniform(0.765, 0.81)
        cut[painted.HAIR_BACK] = rng.uniform(0.63 if phenotype.male else 0.56, 0.68)
        if wardrobe.items["hat"] and rng.random() < 0.06:
            hat = wardrobe.items["hat"][rng.integers(len(wardrobe.items["hat"]))]
            outfit.garments.append(Worn(hat, [outfit.add(cloth(rng, 0.8, upper=False))]))
