"""The views of feature_views.py for whole batches at once, on a GPU.

Pictures are (n, 3, h, w) float32 in 0..255; every effect is drawn for each picture on its own
unless said otherwise. Random numbers come from torch's global generators.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from feature_views import SHOW_GROUND, TURN
from torch import Tensor

COPIES = 14  # of a thing in a heap
CLOSE = 0.2  # of the views, how many show a part only
FACINGS = 0.08  # of the views, how many show the thing several times
LUMA = torch.tensor([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
# Annex K of the JPEG standard (ITU-T T.81), luminance.
QUANTA = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).float()


def uniform(x: Tensor, low: float, high: float, *shape: int) -> Tensor:
    """One number, or one array of this shape, for each picture of x."""
    return torch.rand(len(x), *shape, device=x.device) * (high - low) + low


def some(x: Tensor, share: float) -> Tensor:
    """(n, 1, 1, 1) bool: true for about this share of the pictures."""
    return uniform(x, 0, 1, 1, 1, 1) < share


def corners(box: Tensor) -> Tensor:
    """(n, 4) xyxy to (n, 4, 2): top left, top right, bottom right, bottom left."""
    x0, y0, x1, y1 = box.unbind(1)
    return torch.stack((x0, y0, x1, y0, x1, y1, x0, y1), 1).view(-1, 4, 2)


def quads(box: Tensor) -> Tensor:
    """(n, 4, 2) corners, in 0..1 of the stored picture, of what becomes a view: the box (n, 4),
    jittered; of a whole picture a part; turned, tilted, mirrored."""
    inner = ((box[:, :2] > 0.01) | (box[:, 2:] < 0.99)).any(1)
    size = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    sign = torch.tensor((1.0, 1.0, -1.0, -1.0), device=box.device)
    grown = box - uniform(box, -0.12, 0.14, 4) * size * sign
    area, aspect = uniform(box, 0.55, 1.0), uniform(box, -0.25, 0.25).exp()
    wide, high = (area * aspect).sqrt().clamp_max(1), (area / aspect).sqrt().clamp_max(1)
    x0, y0 = uniform(box, 0, 1) * (1 - wide), uniform(box, 0, 1) * (1 - high)
    part = torch.stack((x0, y0, x0 + wide, y0 + high), 1)
    chosen = torch.where(inner[:, None], grown, part)
    extent = (chosen[:, 2:] - chosen[:, :2]) * uniform(box, 0.5, 0.85, 2)
    first = chosen[:, :2] + (chosen[:, 2:] - chosen[:, :2] - extent) * uniform(box, 0, 1, 2)
    near = uniform(box, 0, 1, 1) < CLOSE
    chosen = torch.where(near, torch.cat((first, first + extent), 1), chosen)
    found = corners(chosen)
    centre = found.mean(1, keepdim=True)
    angle = torch.randn(len(box), device=box.device) * math.radians(9)
    angle = angle * (uniform(box, 0, 1) < 0.6)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack((cos, sin, -sin, cos), 1).view(-1, 2, 2)
    tilt = 1 + uniform(box, -0.14, 0.14, 4, 2) * (uniform(box, 0, 1, 1, 1) < 0.4)
    found = ((found - centre) @ turn) * tilt + centre
    mirrored = uniform(box, 0, 1, 1, 1) < 0.4
    found = torch.where(mirrored, found[:, [1, 0, 3, 2]], found)
    steps = torch.randint(1, 4, (len(box),), device=box.device) * (uniform(box, 0, 1) < TURN)
    order = (torch.arange(4, device=box.device) + steps[:, None]) % 4
    return found.gather(1, order[..., None].expand(-1, -1, 2))


def warp(
    pictures: Tensor,
    quad: Tensor,
    side: int,
    times: Tensor | None = None,
    outside: str = "reflection",
) -> Tensor:
    """The content of each quadrilateral (n, 4, 2 in 0..1) as a picture (n, c, side, side), this
    many `times` (n, 2) side by side and one above the other."""
    # Heckbert, "Fundamentals of texture mapping and image warping" (1989): unit square to
    # quadrilateral, its first corner moved to the origin.
    (ax, ay), (bx, by), (cx, cy) = ((quad[:, k] - quad[:, 0]).unbind(1) for k in (1, 2, 3))
    sx, sy = bx - ax - cx, by - ay - cy
    ux, uy, vx, vy = ax - bx, ay - by, cx - bx, cy - by
    det = ux * vy - vx * uy
    g, h = (sx * vy - vx * sy) / det, (ux * sy - sx * uy) / det
    steps = (torch.arange(side, device=quad.device) + 0.5) / side
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    u, v = u[None], v[None]

    def column(value: Tensor) -> Tensor:
        return value[:, None, None]

    if times is not None:
        u, v = (u * column(times[:, 0])) % 1, (v * column(times[:, 1])) % 1

    depth = column(g) * u + column(h) * v + 1
    x = (column(ax + g * ax) * u + column(cx + h * cx) * v) / depth
    y = (column(ay + g * ay) * u + column(cy + h * cy) * v) / depth
    grid = (torch.stack((x, y), -1) + quad[:, None, None, 0]) * 2 - 1
    return F.grid_sample(pictures, grid, padding_mode=outside, align_corners=False)


def jpeg(pictures: Tensor, quality: Tensor) -> Tensor:
    """What JPEG of this quality (n,) leaves, without subsampling of colours; sides are multiples of
    8."""
    n, _, height, width = pictures.shape
    device = pictures.device
    k = torch.arange(8, device=device).float()
    dct = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) / 2
    dct[0] /= math.sqrt(2)
    luma = LUMA.to(device)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    quanta = (QUANTA.to(device)[None] * scale[:, None, None]).clamp(1, 255)
    x = torch.einsum("kc,nchw->nkhw", luma, pictures - 128)
    blocks = x.view(n, 3, height // 8, 8, width // 8, 8).transpose(3, 4)
    coded = dct @ blocks @ dct.T
    quanta = quanta[:, None, None, None]
    coded = (coded / quanta).round() * quanta
    x = (dct.T @ coded @ dct).transpose(3, 4).reshape(n, 3, height, width)
    return (torch.einsum("ck,nkhw->nchw", luma.inverse(), x) + 128).clamp(0, 255)


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    radius = max(1, round(3 * sigma))
    k = torch.arange(-radius, radius + 1, device=pictures.device).float()
    kernel = (-(k**2) / (2 * sigma**2)).exp()
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1).expand(3, 1, 1, -1)
    x = F.pad(pictures, (radius,) * 4, mode="reflect")
    x = F.conv2d(x, kernel, groups=3)
    return F.conv2d(x, kernel.transpose(2, 3), groups=3)


def streaked(pictures: Tensor, length: int) -> Tensor:
    """Moved during exposure, along the rows."""
    kernel = torch.full((3, 1, 1, length), 1 / length, device=pictures.device)
    x = F.pad(pictures, ((length - 1) // 2, length // 2, 0, 0), mode="replicate")
    return F.conv2d(x, kernel, groups=3)


def shrunk(pictures: Tensor, factor: float) -> Tensor:
    side = pictures.shape[-1]
    small = F.interpolate(pictures, size=int(side * factor), mode="area")
    return F.interpolate(small, size=side, mode="bilinear")


def lit(pictures: Tensor) -> Tensor:
    """Glare, or light from one side."""
    ramp = torch.linspace(-1, 1, pictures.shape[-1], device=pictures.device)
    x, y = ramp.view(1, 1, 1, -1), ramp.view(1, 1, -1, 1)
    at = uniform(pictures, -0.9, 0.9, 2, 1, 1)
    wide = uniform(pictures, 0.1, 0.5, 2, 1, 1)
    far = ((x - at[:, :1]) / wide[:, :1]) ** 2 + ((y - at[:, 1:]) / wide[:, 1:]) ** 2
    glare = pictures + (-far).exp() * uniform(pictures, 60, 220, 1, 1, 1)
    slope = uniform(pictures, -0.45, 0.45, 2, 1, 1)
    field = 1 + slope[:, :1] * x + slope[:, 1:] * y
    return torch.where(some(pictures, 0.5), glare, pictures * field)


def hidden(pictures: Tensor, others: Tensor) -> Tensor:
    """A hand or a neighbour in front, an ellipse on one edge."""
    side = pictures.shape[-1]
    ramp = (torch.arange(side, device=pictures.device) + 0.5) / side
    along, edge = uniform(pictures, 0, 1, 1, 1), uniform(pictures, 0, 1, 1, 1).round()
    flip = uniform(pictures, 0, 1, 1, 1) < 0.5
    cx, cy = torch.where(flip, along, edge), torch.where(flip, edge, along)
    angle = uniform(pictures, 0, math.pi, 1, 1)
    dx, dy = ramp.view(1, 1, -1) - cx, ramp.view(1, -1, 1) - cy
    u, v = dx * angle.cos() + dy * angle.sin(), dy * angle.cos() - dx * angle.sin()
    inside = (u / uniform(u, 0.08, 0.3, 1, 1)) ** 2 + (v / uniform(u, 0.05, 0.3, 1, 1)) ** 2 < 1
    skin = torch.tensor((224.0, 172.0, 140.0), device=pictures.device).view(1, 3, 1, 1)
    skin = skin * uniform(pictures, 0.35, 1.1, 1, 1, 1) + uniform(pictures, -14, 14, 3, 1, 1)
    front = torch.where(some(pictures, 0.5), skin, others)
    return torch.where(inside[:, None], front, pictures)


def spoilt(pictures: Tensor) -> Tensor:
    """Some blurred, streaked, small, noisy or compressed; one strength of each for a batch."""
    n, order = len(pictures), torch.randperm(len(pictures), device=pictures.device)
    draw = torch.rand(4).tolist()
    effects: list[tuple[float, Callable[[Tensor], Tensor]]] = [
        (0.05, lambda x: blurred(x, 0.5 + 1.5 * draw[0])),
        (0.05, lambda x: blurred(x, 0.5 + 1.5 * draw[1])),
        (0.02, lambda x: streaked(x, 3 + int(6 * draw[0]))),
        (0.02, lambda x: streaked(x.transpose(2, 3), 3 + int(6 * draw[1])).transpose(2, 3)),
        (0.06, lambda x: shrunk(x, 0.3 + 0.6 * draw[2])),
        (0.06, lambda x: shrunk(x, 0.3 + 0.6 * draw[3])),
        (0.06, lambda x: x + torch.randn_like(x) * uniform(x, 3, 14, 1, 1, 1)),
    ]
    made, start = pictures.clone(), 0
    for share, effect in effects:
        mine = order[start : start + round(share * n)]
        start += len(mine)
        if len(mine):
            made[mine] = effect(pictures[mine])
    mine = torch.randperm(n, device=pictures.device)[: round(0.12 * n)]
    if len(mine):
        made[mine] = jpeg(made[mine].clamp(0, 255), uniform(mine, 12, 80))
    return made


def coloured(pictures: Tensor) -> Tensor:
    """Brightness, white balance, saturation and contrast changed."""
    device, n = pictures.device, len(pictures)
    normal = torch.randn(n, 6, device=device)
    gain = (0.24 * normal[:, :1] + 0.05 * normal[:, 1:4]).exp()
    saturation, contrast = (0.22 * normal[:, 4]).exp(), (0.17 * normal[:, 5]).exp()
    mean = (pictures.mean((2, 3)) * gain).mean(1)
    grey = (1 - saturation)[:, None, None] / 3 + saturation[:, None, None] * torch.eye(
        3, device=device
    )
    matrix = contrast[:, None, None] * grey * gain[:, None, :]
    shift = ((1 - contrast) * mean).view(-1, 1, 1, 1)
    return (torch.einsum("nkc,nchw->nkhw", matrix, pictures) + shift).clamp(0, 255)


def photos(pictures: Tensor, box: Tensor, others: Tensor, side: int) -> Tensor:
    """(n, 3, side, side) views of the objects in `box` (n, 4; xyxy in 0..1) as in somebody's photo;
    `others` (n, 3, h, w) lend obstacles."""
    times = torch.randint(1, 4, (len(box), 2), device=box.device)
    times[:, 0] += times[:, 1] < 2
    times = torch.where(uniform(box, 0, 1, 1) < FACINGS, times, 1)
    view = warp(pictures, quads(box), side, times)
    other = F.interpolate(others, size=side, mode="bilinear")
    view = torch.where(some(view, 0.12), hidden(view, other), view)
    view = torch.where(some(view, 0.2), lit(view).clamp(0, 255), view)
    return coloured(spoilt(view).clamp(0, 255))


def set_on(pictures: Tensor, mask: Tensor, grounds: Tensor) -> Tensor:
    """Cut-outs (mask (n, 1, h, w) in 0..1) on other grounds, a little darker or brighter."""
    shade = uniform(pictures, 0.75, 1.1, 1, 1, 1)
    return (pictures * mask * shade + grounds * (1 - mask)).clamp(0, 255)


def heaped(cut: Tensor, grounds: Tensor) -> Tensor:
    """Many of each thing on its ground, as they lie in a crate or stand side by side on a shelf.

    `cut` (n, 4, s, s): colours times mask, and the mask in 0..1, of things that fill their square.
    """
    n, shape = len(cut), [len(cut), 4, *grounds.shape[2:]]
    lying = uniform(cut, 0, 1) < 0.6
    columns = torch.where(lying, 1.0, uniform(cut, 1.6, 4).floor())
    size = torch.where(lying, uniform(cut, 0.3, 0.6), 0.97 / columns)
    made = grounds
    for k in range(COPIES):
        column, row = k % columns, torch.div(k, columns).floor()
        stands = (torch.stack((column, row), 1) + 0.5) / columns[:, None]
        stands = stands + 0.02 * torch.randn(n, 2, device=cut.device)
        at = torch.where(lying[:, None], uniform(cut, 0.05, 0.95, 2), stands)
        upright = 0.05 * torch.randn(n, device=cut.device)
        angle = torch.where(lying, uniform(cut, 0, 2 * math.pi), upright)
        scale = size * torch.where(lying, uniform(cut, 0.85, 1.15), 1.0)
        cos, sin = angle.cos() / scale, angle.sin() / scale
        turn = torch.stack((cos, sin, -sin, cos), 1).view(n, 2, 2)
        shift = -(turn @ (2 * at - 1)[:, :, None])
        grid = F.affine_grid(torch.cat((turn, shift), 2), shape, align_corners=False)
        one = F.grid_sample(cut, grid, align_corners=False)
        made = made * (1 - one[:, 3:]) + one[:, :3] * uniform(cut, 0.7, 1.1, 1, 1, 1)
    return made.clamp(0, 255)


def shown_on_ground(pictures: Tensor) -> Tensor:
    """(n,) bool: which cut-outs are set on another ground this time."""
    return uniform(pictures, 0, 1) < SHOW_GROUND


def patched(views: Tensor) -> Tensor:
    """Half of the views blended with the next one, the others with a rectangle of it."""
    n, side = len(views), views.shape[-1]
    other = views.roll(1, 0)
    share = uniform(views, 0, 1, 1, 1, 1)
    blended = views * share + other * (1 - share)
    ramp = (torch.arange(side, device=views.device) + 0.5) / side
    size = uniform(views, 0.3, 0.8, 2, 1)
    start = uniform(views, 0, 1, 2, 1) * (1 - size)
    within = (ramp >= start) & (ramp < start + size)
    inside = (within[:, 0].view(n, 1, 1, side)) & (within[:, 1].view(n, 1, side, 1))
    return torch.where(some(views, 0.5), blended, torch.where(inside, other, views))
