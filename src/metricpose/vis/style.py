"""Colours and sizes shared by all figures; left and right differ in hue and lightness, safe for colour-blind eyes."""

from __future__ import annotations

from metricpose.skeleton.core import Skeleton

Colour = tuple[int, int, int]

LEFT: Colour = (0, 114, 178)
RIGHT: Colour = (213, 94, 0)
CENTRE: Colour = (95, 95, 95)
PAPER: Colour = (252, 252, 250)
INK: Colour = (45, 45, 48)
FAINT: Colour = (222, 222, 220)
MEDIUM: Colour = (150, 150, 150)
SHADOW: Colour = (196, 196, 194)

_BY_SIDE = {"left": LEFT, "right": RIGHT, "centre": CENTRE}
BONE_MM = 22.0
"""Radius of a drawn bone, in the millimetres of the person: near limbs come out thicker than far ones."""
FACE_MM = 9.0
_FACE = {"nose", "l_eye", "r_eye", "l_ear", "r_ear"}


def side_colour(side: str) -> Colour:
    """Colour of 'left', 'right' or 'centre'."""
    return _BY_SIDE[side]


def bone_colour(skeleton: Skeleton, parent: int, child: int) -> Colour:
    """A bone belongs to a side if either end does: a hip or collar bone is coloured like the limb."""
    sides = {skeleton.sides[parent], skeleton.sides[child]} - {"centre"}
    return _BY_SIDE[sides.pop()] if len(sides) == 1 else CENTRE


def bone_radius_mm(skeleton: Skeleton, parent: int, child: int) -> float:
    """Thinner in the face, where joints crowd."""
    both = {skeleton.joints[parent], skeleton.joints[child]}
    return FACE_MM if both <= _FACE else BONE_MM


def lighter(colour: Colour, share: float) -> Colour:
    """Mix with white: 0 leaves the colour, 1 is white."""
    r, g, b = (round(c + (255 - c) * share) for c in colour)
    return r, g, b
