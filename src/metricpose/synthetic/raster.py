"""Z-buffer rasterisation in numba: which triangle is nearest at every sample.

Screen points are (x, y, 1/z): pixels with integer centres, and inverse depth, larger is nearer, <= 0 is behind the
camera. Inverse depth is affine in the image, so plain barycentric interpolation is perspective-correct.
A buffer holds inverse depth (0: empty) and triangle number (-1: empty).
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float

from metricpose.synthetic.kernel import kernel

_ALPHA_THRESHOLD = 110


@kernel
@no_type_check
def vertex_normals(vertices, faces, out):
    """Unit normals, weighted by face area, of counter-clockwise faces."""
    out[:] = 0
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for q in (a, b, c):
            out[q, 0] += nx
            out[q, 1] += ny
            out[q, 2] += nz
    for i in range(len(out)):
        x, y, z = out[i, 0], out[i, 1], out[i, 2]
        scale = np.float32(1.0) / (np.sqrt(x * x + y * y + z * z) + np.float32(1e-12))
        out[i, 0], out[i, 1], out[i, 2] = x * scale, y * scale, z * scale


def bounds(points: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
    """Smallest and largest coordinate along each axis (numpy's reduction over long thin arrays is ten times slower)."""
    low, high = np.full(points.shape[1], np.inf), np.full(points.shape[1], -np.inf)
    _bounds(points, low, high)
    return low, high


@kernel
@no_type_check
def _bounds(points, low, high):
    for i in range(points.shape[0]):
        for k in range(points.shape[1]):
            low[k] = min(low[k], points[i, k])
            high[k] = max(high[k], points[i, k])


@kernel
@no_type_check
def project(vertices, rotation, translation, focal, cx, cy, out):
    """Screen points of world points under a pinhole camera; nearer than 5 cm counts as behind."""
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        depth = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + translation[2]
        if depth < 0.05:
            out[i, 0], out[i, 1], out[i, 2] = 0.0, 0.0, -1.0
            continue
        inverse = 1.0 / depth
        u = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + translation[0]
        v = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + translation[1]
        out[i, 0], out[i, 1], out[i, 2] = focal * u * inverse + cx, focal * v * inverse + cy, inverse


@kernel
@no_type_check
def rasterise(points, faces, start, stop, two_sided, depth, triangle):
    """Draw faces[start:stop] that face the camera (all, if two_sided) into the buffer."""
    height, width = depth.shape
    for f in range(start, stop):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
        if za <= 0 or zb <= 0 or zc <= 0:
            continue
        x0, y0, x1, y1, x2, y2 = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0 or (area > 0 and not two_sided):  # image y points down: front faces have negative area
            continue
        left = max(0, int(np.ceil(min(x0, min(x1, x2)))))
        right = min(width - 1, int(np.floor(max(x0, max(x1, x2)))))
        top = max(0, int(np.ceil(min(y0, min(y1, y2)))))
        bottom = min(height - 1, int(np.floor(max(y0, max(y1, y2)))))
        if right < left or bottom < top:
            continue
        scale = 1.0 / area
        ux, uy = (y2 - y0) * scale, -(x2 - x0) * scale  # gradient of the weight of b
        vx, vy = -(y1 - y0) * scale, (x1 - x0) * scale  # gradient of the weight of c
        zx = ux * (zb - za) + vx * (zc - za)
        for j in range(top, bottom + 1):
            dx, dy = left - x0, j - y0
            u, v = ux * dx + uy * dy, vx * dx + vy * dy
            z = za + u * (zb - za) + v * (zc - za)
            for i in range(left, right + 1):
                if u >= 0 and v >= 0 and u + v <= 1 and z > depth[j, i]:
                    depth[j, i] = z
                    triangle[j, i] = f
                u += ux
                v += vx
                z += zx


@kernel
@no_type_check
def barycentric(points, faces, f, x, y):
    """Perspective-correct weights of the three corners of face f at a pixel."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    x0, y0 = points[a, 0], points[a, 1]
    bx, by, cx, cy = points[b, 0] - x0, points[b, 1] - y0, points[c, 0] - x0, points[c, 1] - y0
    scale = 1.0 / (bx * cy - by * cx)
    px, py = x - x0, y - y0
    u, v = (px * cy - py * cx) * scale, (bx * py - by * px) * scale
    w0, w1, w2 = (1 - u - v) * points[a, 2], u * points[b, 2], v * points[c, 2]
    total = 1.0 / (w0 + w1 + w2)
    return w0 * total, w1 * total, w2 * total


@kernel
@no_type_check
def rasterise_cards(points, faces, start, stop, attributes, texture, depth, triangle):
    """Draw two-sided faces[start:stop], leaving holes where the (side, side, 4) texture is transparent."""
    height, width = depth.shape
    side = texture.shape[0]
    for f in range(start, stop):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if points[a, 2] <= 0 or points[b, 2] <= 0 or points[c, 2] <= 0:
            continue
        x0, y0, x1, y1, x2, y2 = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        if (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0) == 0:
            continue
        left = max(0, int(np.ceil(min(x0, min(x1, x2)))))
        right = min(width - 1, int(np.floor(max(x0, max(x1, x2)))))
        top = max(0, int(np.ceil(min(y0, min(y1, y2)))))
        bottom = min(height - 1, int(np.floor(max(y0, max(y1, y2)))))
        for j in range(top, bottom + 1):
            for i in range(left, right + 1):
                w0, w1, w2 = barycentric(points, faces, f, i, j)
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = 1.0 / (w0 / points[a, 2] + w1 / points[b, 2] + w2 / points[c, 2])
                if z <= depth[j, i]:
                    continue
                u = int((w0 * attributes[a, 5] + w1 * attributes[b, 5] + w2 * attributes[c, 5]) * side)
                v = int((w0 * attributes[a, 6] + w1 * attributes[b, 6] + w2 * attributes[c, 6]) * side)
                if texture[min(max(v, 0), side - 1), min(max(u, 0), side - 1), 3] >= _ALPHA_THRESHOLD:
                    depth[j, i] = z
                    triangle[j, i] = f
