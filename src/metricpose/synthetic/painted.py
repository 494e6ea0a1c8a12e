"""Painted clothes: which part of the naked body is shirt, trousers, shoe ..., by its place on the template.

A person wears a *cut*: a vector of edges in template metres (the template stands 1.69 m tall with its origin at
the pelvis, so the crown is at +0.85 and the soles at -0.84). The kernels below colour and thicken by it.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float32

from metricpose.synthetic.kernel import kernel
from metricpose.synthetic.noise import noise3

# Regions of the body; a figure's first materials are in this order.
SKIN, TOP, BOTTOM, SHOE, SOCK, HAIR, SOLE = range(7)
REGIONS = 7
# Entries of a cut.
SLEEVE, HEM, NECK, NECK_SLOPE, LEG_END, WAIST, SHOE_TOP, SOCK_TOP, HAIR_FRONT, HAIR_BACK, BEARD, GLOVES = range(12)
CUT = 12
NONE_BELOW, NONE_ABOVE = -9.0, 9.0
_SOLE_TOP = -0.802


def naked() -> Float32[np.ndarray, " 12"]:
    """A cut that paints nothing."""
    cut = np.full(CUT, NONE_BELOW, np.float32)
    cut[HAIR_FRONT] = cut[HAIR_BACK] = NONE_ABOVE
    cut[BEARD] = cut[GLOVES] = 0.0
    return cut


@kernel
@no_type_check
def region(x, y, z, arm, part, cuts, person):
    """Region of the body at template point (x, y, z) under cuts[person]; arm and part as in `body.SkinnedMesh`."""
    across = abs(x)
    if part > 0.5 and z > 0.6:
        edge = cuts[person, HAIR_FRONT] - (y + 0.14) * (cuts[person, HAIR_FRONT] - cuts[person, HAIR_BACK]) / 0.19
        if z > edge:
            return HAIR
        mouth = across < 0.025 and 0.643 < z < 0.662
        if cuts[person, BEARD] > 0 and y < -0.045 and z < 0.668 and not mouth:
            return HAIR
        return SKIN
    if part < -0.5:
        if arm > 2.0:
            return SHOE if cuts[person, GLOVES] > 0 else SKIN
        return TOP if arm < cuts[person, SLEEVE] else SKIN
    if z < cuts[person, SHOE_TOP]:
        return SOLE if z < _SOLE_TOP else SHOE
    neck = cuts[person, NECK] + (cuts[person, NECK_SLOPE] * across if y < -0.02 else 0.0)
    if cuts[person, HEM] < z < neck and arm < cuts[person, SLEEVE]:
        return TOP
    if cuts[person, LEG_END] < z < cuts[person, WAIST]:
        return BOTTOM
    return SOCK if z < cuts[person, SOCK_TOP] else SKIN


@kernel
@no_type_check
def thicken(attributes, vertices, normals, cuts, thickness, flare, noise, offset, out):
    """Push painted vertices outwards. cuts (1, 12); thickness (4,) of top, bottom, hair, shoes, in metres."""
    for i in range(len(vertices)):
        x, y, z = attributes[i, 0], attributes[i, 1], attributes[i, 2]
        arm, part = attributes[i, 3], attributes[i, 4]
        kind = region(x, y, z, arm, part, cuts, 0)
        d = 0.0
        if kind == TOP and part > -0.5:
            d = thickness[0] * (1 + 0.8 * max(0.0, min(1.0, (0.35 - z) * 3)))  # looser towards the hem
        elif kind == TOP:
            d = thickness[0] * (0.8 + 0.4 * max(0.0, arm))
        elif kind == BOTTOM:
            d = thickness[1] * (1 + flare * max(0.0, min(1.0, (-0.1 - z) / 0.6)))
        elif kind == HAIR and z > 0.70:
            d = thickness[2] * min(1.0, (z - 0.70) * 12)
        elif kind in (SHOE, SOLE):
            d = thickness[3]
        if kind in (TOP, BOTTOM):
            d *= max(0.0, 1 + 0.9 * noise3(noise, x * 1.7 + offset, y * 1.7, z * 1.1 + offset)[0])
        for c in range(3):
            out[i, c] = vertices[i, c] + d * normals[i, c]


@kernel
@no_type_check
def inflate(attributes, vertices, normals, distance, amplitude, frequency, noise, offset, out):
    """Push a garment outwards by a distance plus smooth noise, metres: loose fit and large folds."""
    for i in range(len(vertices)):
        x, y, z = attributes[i, 0], attributes[i, 1], attributes[i, 2]
        wave = noise3(noise, x * frequency + offset, y * frequency, z * frequency * 0.6 + offset)[0]
        for c in range(3):
            out[i, c] = vertices[i, c] + (distance + amplitude * wave) * normals[i, c]
