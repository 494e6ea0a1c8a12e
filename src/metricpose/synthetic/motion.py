"""A recorded motion on its own skeleton, before retargeting."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Motion(NamedTuple):
    """Frames of a clip in the frame and unit of its file.

    Attributes:
        bones: names as in the file.
        rotations: (n, b, 3, 3) global rotation of each bone against the file's zero pose.
        heads, tails: (b, 3) where bones start and end in the zero pose (a branching bone ends at its children's mean).
        fps: frames per second.
    """

    bones: tuple[str, ...]
    rotations: Float[np.ndarray, "n b 3 3"]
    heads: Float[np.ndarray, "b 3"]
    tails: Float[np.ndarray, "b 3"]
    fps: float
