"""Anti-aliased drawing on an RGB picture in real-valued pixels, the few shapes that the figures need.

Coordinates and sizes are in pixels of the finished picture; with `supersample` 2 everything is drawn at twice the size
and averaged down at the end, which OpenCV's own anti-aliasing alone does not match.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Colour = tuple[int, int, int]
_BITS = 4  # fractional bits of OpenCV's fixed-point coordinates
_FONT, _FONT_BOLD = cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX
_REFERENCE_HEIGHT = 22.0  # capital height in pixels of the font at scale 1
_LIMIT = 16000.0  # OpenCV's fixed-point coordinates overflow beyond


class Canvas:
    """A picture to draw on.

    Args:
        image: RGB background; it is copied.
        supersample: internal enlargement.
    """

    def __init__(self, image: UInt8[np.ndarray, "h w 3"], supersample: int = 1) -> None:
        self.height, self.width = image.shape[:2]
        self.factor = supersample
        size = (self.width * supersample, self.height * supersample)
        self.pixels = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) if supersample > 1 else image.copy()

    @staticmethod
    def blank(width: int, height: int, colour: Colour = (255, 255, 255), supersample: int = 2) -> Canvas:
        """An empty canvas."""
        return Canvas(np.full((height, width, 3), colour, np.uint8), supersample)

    def image(self) -> UInt8[np.ndarray, "h w 3"]:
        """The finished picture."""
        if self.factor == 1:
            return self.pixels.copy()
        return cv2.resize(self.pixels, (self.width, self.height), interpolation=cv2.INTER_AREA)

    def line(self, a: Float[np.ndarray, " 2"], b: Float[np.ndarray, " 2"], colour: Colour, width: float = 1.0) -> None:
        """A straight line with round ends."""
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return
        clipped = _clip(a, b, self.width, self.height)
        if clipped is not None:
            ends = self._fixed(np.stack(clipped))
            thickness = max(1, round(width * self.factor))
            cv2.line(self.pixels, tuple(ends[0]), tuple(ends[1]), colour, thickness, cv2.LINE_AA, _BITS)

    def dashed(
        self,
        a: Float[np.ndarray, " 2"],
        b: Float[np.ndarray, " 2"],
        colour: Colour,
        width: float = 1.0,
        dash: float = 6.0,
    ) -> None:
        """A line of dashes, as long as the gaps between them."""
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return
        clipped = _clip(a, b, self.width, self.height)
        if clipped is None:
            return
        start, end = clipped
        length = float(np.linalg.norm(end - start))
        count = max(1, round(length / (2 * dash)))
        for k in range(count):
            piece = start + (end - start) * np.array([[k / count], [(k + 0.5) / count]])
            self.line(piece[0], piece[1], colour, width)

    def limb(
        self, a: Float[np.ndarray, " 2"], b: Float[np.ndarray, " 2"], radii: tuple[float, float], colour: Colour
    ) -> None:
        """A bone: a tapered bar with round ends of the two radii."""
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return
        length = float(np.linalg.norm(b - a))
        self.disk(a, radii[0], colour)
        self.disk(b, radii[1], colour)
        if length > 1e-6:
            side = np.array([a[1] - b[1], b[0] - a[0]]) / length
            corners = [a + side * radii[0], b + side * radii[1], b - side * radii[1], a - side * radii[0]]
            self.polygon(np.stack(corners), colour)

    def disk(self, centre: Float[np.ndarray, " 2"], radius: float, colour: Colour) -> None:
        """A filled circle."""
        self._circle(centre, radius, colour, -1)

    def ring(self, centre: Float[np.ndarray, " 2"], radius: float, colour: Colour, width: float = 1.0) -> None:
        """A circle's outline."""
        self._circle(centre, radius, colour, max(1, round(width * self.factor)))

    def polygon(self, points: Float[np.ndarray, "n 2"], colour: Colour, alpha: float = 1.0) -> None:
        """A filled convex polygon; with `alpha` below 1 what lies under it shows through."""
        if not np.isfinite(points).all():
            return
        under = self.pixels.copy() if alpha < 1 else None
        cv2.fillConvexPoly(self.pixels, self._fixed(points), colour, cv2.LINE_AA, _BITS)
        if under is not None:
            self.pixels = cv2.addWeighted(self.pixels, alpha, under, 1 - alpha, 0)

    def picture(self, image: UInt8[np.ndarray, "h w 3"], corners: Float[np.ndarray, "4 2"]) -> None:
        """Paste an image onto a quadrilateral: top left, top right, bottom right, bottom left."""
        height, width = image.shape[:2]
        source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
        target = ((corners + 0.5) * self.factor - 0.5).astype(np.float32)
        if not np.isfinite(target).all():
            return
        low = np.clip(np.floor(target.min(0)).astype(int) - 1, 0, None)
        high = np.minimum(np.ceil(target.max(0)).astype(int) + 2, (self.pixels.shape[1], self.pixels.shape[0]))
        if (high <= low).any():
            return
        matrix = cv2.getPerspectiveTransform(source, target - low.astype(np.float32))
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        mask = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, size, flags=cv2.INTER_LINEAR)
        share = mask[..., None].astype(np.float32) / 255
        part = self.pixels[low[1] : high[1], low[0] : high[0]]
        part[...] = np.rint(cv2.warpPerspective(image, matrix, size) * share + part * (1 - share)).astype(np.uint8)

    def text(
        self,
        text: str,
        at: Float[np.ndarray, " 2"],
        size: float = 12.0,
        colour: Colour = (40, 40, 40),
        anchor: str = "left",
        bold: bool = False,
    ) -> None:
        """One line of ASCII text, vertically centred on `at`; `size` is the height of capitals; anchor left, centre or
        right."""
        if not np.isfinite(at).all():
            return
        width = text_width(text, size, bold)
        left = at[0] - {"left": 0.0, "centre": width / 2, "right": width}[anchor]
        scale = size * self.factor / _REFERENCE_HEIGHT
        origin = (round(left * self.factor), round((at[1] + size / 2) * self.factor))
        if max(abs(origin[0]), abs(origin[1])) < _LIMIT:
            cv2.putText(
                self.pixels, text, origin, _font(bold), scale, colour, _stroke(size * self.factor, bold), cv2.LINE_AA
            )

    def pill(
        self,
        text: str,
        centre: Float[np.ndarray, " 2"],
        size: float,
        ink: Colour = (255, 255, 255),
        ground: Colour = (30, 30, 30),
    ) -> None:
        """A label: text on a dark bar with round ends."""
        half, radius = text_width(text, size, True) / 2, size * 0.95
        a, b = centre - np.array([half, 0.0]), centre + np.array([half, 0.0])
        self.limb(a, b, (radius, radius), ground)
        self.text(text, centre, size, ink, "centre", bold=True)

    def _circle(self, centre: Float[np.ndarray, " 2"], radius: float, colour: Colour, thickness: int) -> None:
        if not np.isfinite(centre).all() or np.abs(centre).max() > _LIMIT / self.factor:
            return
        x, y = self._fixed(centre[None])[0]
        cv2.circle(
            self.pixels, (x, y), max(1, round(radius * self.factor * 2**_BITS)), colour, thickness, cv2.LINE_AA, _BITS
        )

    def _fixed(self, points: Float[np.ndarray, "n 2"]) -> np.ndarray:
        limit = _LIMIT * 2**_BITS
        internal = ((points + 0.5) * self.factor - 0.5) * 2**_BITS
        return np.clip(np.rint(internal), -limit, limit).astype(np.int32)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width in pixels of text whose capitals are `size` pixels high."""
    (width, _), _ = cv2.getTextSize(text, _font(bold), size * 4 / _REFERENCE_HEIGHT, _stroke(size * 4, bold))
    return width / 4


def stack_labels(
    centres: Sequence[Float[np.ndarray, " 2"]], widths: Sequence[float], height: float
) -> list[Float[np.ndarray, " 2"]]:
    """Move labels up until none covers an earlier one."""
    placed: list[tuple[np.ndarray, float]] = []
    for centre, width in zip(centres, widths):
        spot = centre.copy()
        while any(abs(spot[1] - p[1]) < height and abs(spot[0] - p[0]) < (width + w) / 2 for p, w in placed):
            spot = spot - np.array([0.0, height / 2])
        placed.append((spot, width))
    return [spot for spot, _ in placed]


def _font(bold: bool) -> int:
    return _FONT_BOLD if bold else _FONT


def _stroke(pixels: float, bold: bool) -> int:
    """Pen width: the vector fonts of OpenCV 4 need a heavier one for larger letters."""
    return max(1, round(pixels / (14 if bold else 22)))


def _clip(
    a: Float[np.ndarray, " 2"], b: Float[np.ndarray, " 2"], width: int, height: int
) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]] | None:
    """The part of a segment within 64 pixels of the picture (Liang-Barsky), or None."""
    low, high, step = 0.0, 1.0, b - a
    for axis, size in ((0, width), (1, height)):
        for sign, bound in ((-1.0, 64.0), (1.0, size + 64.0)):
            speed, room = sign * step[axis], bound - sign * a[axis]
            if speed == 0:
                if room < 0:
                    return None
            elif speed > 0:
                high = min(high, room / speed)
            else:
                low = max(low, room / speed)
    return None if low > high else (a + low * step, a + high * step)
