"""Pictures of people made of dots, one colour for each joint, and the dots found again: the whole way of a reader."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np

BACKGROUND = np.array([20, 20, 20])
COLOURS = np.array([c for c in product((45, 130, 215), repeat=3) if max(c) == 215 and min(c) < 215])
"""18 colours, none of which is another one mixed with the background."""
RADIUS = 3
CLOSE = 0.6
"""How near, in pixels, a dot is found to where it was painted."""

# Joint -> place in the body's own frame, mm: left, back, up. Every joint is well apart from the others.
STAR = {
    "pelvis": (0, 0, 950),
    "r_hip": (-190, 10, 930),
    "r_knee": (-260, -60, 500),
    "r_ankle": (-330, 40, 60),
    "l_hip": (190, 10, 935),
    "l_knee": (280, -160, 520),
    "l_ankle": (420, 60, 100),
    "spine": (10, 30, 1160),
    "thorax": (0, 40, 1400),
    "nose": (-20, -90, 1580),
    "head_top": (10, 0, 1800),
    "l_shoulder": (220, 20, 1360),
    "l_elbow": (460, -70, 1250),
    "l_wrist": (640, -200, 1420),
    "r_shoulder": (-220, 20, 1350),
    "r_elbow": (-470, 60, 1500),
    "r_wrist": (-620, -100, 1720),
}


def pose(joints: tuple[str, ...], frame: int) -> np.ndarray:
    """Joints in the world, z up, millimetres: someone who turns and walks on, seen aslant along x and y."""
    body = np.array([STAR[j] for j in joints], np.float64)
    body[:, 1] += 40 * np.sin(0.3 * frame + np.arange(len(joints)))
    angle = np.pi / 4 + 0.15 * np.sin(0.05 * frame)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return body @ turn.T + (3.0 * frame - 100, -2.0 * frame + 50, 0)


def look(centre: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation world -> camera of a camera there that looks at the target, upright."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def paint(size: tuple[int, int], pixels: np.ndarray, radius: int = RADIUS) -> np.ndarray:
    """RGB picture of (width, height) with a dot at each point."""
    image = np.empty((size[1], size[0], 3), np.uint8)
    image[:] = BACKGROUND
    for colour, point in zip(COLOURS, pixels):
        place = tuple(int(v) for v in np.round(point * 256))
        cv2.circle(image, place, radius * 256, colour.tolist(), -1, cv2.LINE_AA, 8)
    return image


def distances(image: np.ndarray, pixels: np.ndarray, radius: int = RADIUS) -> np.ndarray:
    """How far the dots in the picture are from where the labels say, of those (half at least) that touch no other."""
    apart = np.linalg.norm(pixels[:, None] - pixels, axis=-1) + np.diag([np.inf] * len(pixels))
    free = np.flatnonzero(apart.min(1) > 2 * radius + 2)
    assert len(free) >= 0.5 * len(pixels), f"only {len(free)} dots are free"
    y, x = np.nonzero(np.abs(image.astype(np.int16) - BACKGROUND).max(-1) > 20)
    part, corner = image[y.min() : y.max() + 1, x.min() : x.max() + 1], np.array([x.min(), y.min()])
    return np.array([np.linalg.norm(_find(part, COLOURS[n]) + corner - pixels[n]) for n in free])


def _find(image: np.ndarray, colour: np.ndarray) -> np.ndarray:
    direction = colour - BACKGROUND
    difference = image.astype(np.float64) - BACKGROUND
    share = difference @ direction / (direction @ direction)
    rest = np.abs(difference - share[..., None] * direction).max(-1)
    like = ((share > 0.7) & (share < 1.25) & (rest < 22)).astype(np.uint8)
    _, _, parts, centres = cv2.connectedComponentsWithStats(like)
    assert len(parts) > 1, f"no dot of colour {colour}"
    return centres[1:][parts[1:, cv2.CC_STAT_AREA].argmax()]  # what is smaller is where two dots meet
