"""Training pictures for the detector: photos, mosaics, synthetic shelves and cut-out composites.

Every sampler returns a Sample: RGB uint8 picture, boxes and unsure boxes (xyxy pixels). Random
numbers come from one numpy Generator per sample, so a seed names a picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from detector_labels import Label, percentile, read_rgb
from detector_prints import lit, printed, random_piece, tilted
from torch import Tensor
from torch.utils.data import Dataset

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
Random = np.random.Generator
CUT_OUTS = 1500  # kept in memory, at most 200 KB each
Image = np.ndarray  # (h, w, 3) uint8 RGB


@dataclass(frozen=True)
class Sample:
    image: Image
    boxes: np.ndarray  # (n, 4) float32 xyxy in pixels
    unsure: np.ndarray  # (m, 4)


def no_boxes() -> np.ndarray:
    return np.zeros((0, 4), np.float32)


def squash(image: Image, width: int, height: int) -> Image:
    """Resize without keeping the aspect ratio: area mean when shrinking, else linear."""
    shrink = width * height < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=method)


def normalise(image: Image) -> np.ndarray:
    """(h, w, 3) uint8 -> (3, h, w) float32."""
    return ((image.astype(np.float32) / 255.0 - MEAN) / STD).transpose(2, 0, 1)


def resized(sample: Sample, width: int, height: int) -> Sample:
    scale = np.array(
        [width / sample.image.shape[1], height / sample.image.shape[0]] * 2, np.float32
    )
    image = squash(sample.image, width, height)
    return Sample(image, sample.boxes * scale, sample.unsure * scale)


def cropped(sample: Sample, x1: int, y1: int, x2: int, y2: int, keep: float = 0.45) -> Sample:
    """The window's content; a box of which less than `keep` stays visible becomes unsure."""
    window = np.array([x1, y1, x2, y2], np.float32)
    shift = np.array([x1, y1, x1, y1], np.float32)

    def clip(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inner = boxes.copy()
        inner[:, :2] = np.maximum(boxes[:, :2], window[:2])
        inner[:, 2:] = np.minimum(boxes[:, 2:], window[2:])
        left = np.clip(inner[:, 2:] - inner[:, :2], 0, None).prod(1)
        whole = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-6)
        return inner - shift, left / whole

    boxes, visible = clip(sample.boxes)
    unsure, unsure_visible = clip(sample.unsure)
    rest = np.concatenate(
        [unsure[unsure_visible > 0.1], boxes[(visible > 0.05) & (visible < keep)]]
    )
    return Sample(sample.image[y1:y2, x1:x2], boxes[visible >= keep], rest)


def flipped(sample: Sample) -> Sample:
    width = sample.image.shape[1]

    def mirror(boxes: np.ndarray) -> np.ndarray:
        out = boxes.copy()
        out[:, [0, 2]] = width - boxes[:, [2, 0]]
        return out

    return Sample(sample.image[:, ::-1], mirror(sample.boxes), mirror(sample.unsure))


def without_grey_bars(sample: Sample) -> Sample:
    """Shelf photos were padded to a square with one grey: take the bars off."""
    plain = (np.abs(sample.image.astype(np.int16) - sample.image[0, 0]) <= 2).all(2)
    rows, columns = np.flatnonzero(~plain.all(1)), np.flatnonzero(~plain.all(0))
    if len(rows) < 32 or len(columns) < 32:
        return sample
    return cropped(sample, columns[0], rows[0], columns[-1] + 1, rows[-1] + 1, keep=0.0)


def random_window(sample: Sample, random: Random) -> Sample:
    """A window with 55 to 100 % of each side that keeps at least one box, or the whole picture."""
    height, width = sample.image.shape[:2]
    for _ in range(3):
        w, h = (int(side * random.uniform(0.55, 1.0)) for side in (width, height))
        x, y = int(random.integers(0, width - w + 1)), int(random.integers(0, height - h + 1))
        window = cropped(sample, x, y, x + w, y + h)
        if len(window.boxes):
            return window
    return sample


def zoomed_out(sample: Sample, random: Random) -> Sample:
    """The picture on a larger plain canvas, so that its objects get smaller."""
    height, width = sample.image.shape[:2]
    factor = random.uniform(1.1, 2.2)
    canvas = plain_background(int(width * factor), int(height * factor), random)
    x = int(random.integers(0, canvas.shape[1] - width + 1))
    y = int(random.integers(0, canvas.shape[0] - height + 1))
    canvas[y : y + height, x : x + width] = sample.image
    shift = np.array([x, y, x, y], np.float32)
    return Sample(canvas, sample.boxes + shift, sample.unsure + shift)


def recoloured(image: Image, random: Random) -> Image:
    """Brightness, contrast, colour cast, now and then grey, blur, noise or JPEG artefacts."""
    gain = random.uniform(0.7, 1.3) * random.uniform(0.93, 1.07, 3)
    table = np.arange(256)[:, None] * gain + random.uniform(-25, 25)
    image = cv2.LUT(np.ascontiguousarray(image), np.clip(table, 0, 255).astype(np.uint8)[None])
    if random.random() < 0.05:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    if random.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.5, 3))
    if random.random() < 0.15:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 80))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    return image


def plain_background(width: int, height: int, random: Random) -> Image:
    """A colour gradient with a little grain: a table, a wall."""
    base = (
        random.uniform(30, 250, 3) if random.random() < 0.6 else np.full(3, random.uniform(90, 255))
    )
    corners = np.clip(base + random.uniform(-30, 30, (2, 2, 1)), 0, 255).astype(np.float32)
    small = corners + random.normal(0, random.uniform(0, 6), (2, 2, 3)).astype(np.float32)
    field = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    grain = random.normal(0, random.uniform(0.5, 6), (height // 2 + 1, width // 2 + 1, 1))
    field += cv2.resize(grain.astype(np.float32), (width, height))[..., None]
    return np.clip(field, 0, 255).astype(np.uint8)


def cut_from_white(image: Image) -> np.ndarray | None:
    """RGBA of the object on a white picture, cropped to it, or None where there is no clear one."""
    height, width = image.shape[:2]
    bright = (image.min(2) > 236).astype(np.uint8)
    framed = cv2.copyMakeBorder(bright, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, parts = cv2.connectedComponents(framed, connectivity=4)
    alpha = (parts != parts[0, 0]).astype(np.uint8)[1:-1, 1:-1]
    alpha = cv2.morphologyEx(alpha, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(alpha)
    if count < 2:
        return None
    main = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    x, y, w, h, area = (int(v) for v in stats[main])
    if area < 0.04 * width * height or area > 0.97 * width * height or min(w, h) < 24:
        return None
    mask = cv2.GaussianBlur((labels == main).astype(np.uint8) * 255, (3, 3), 0)
    return np.dstack([image, mask])[y : y + h, x : x + w]


def turned(cut: np.ndarray, random: Random) -> np.ndarray:
    """RGBA turned by a free angle, mirrored or not, cropped to what is visible."""
    if random.random() < 0.5:
        cut = cut[:, ::-1]
    angle = random.normal(0, 12) if random.random() < 0.6 else random.uniform(-180, 180)
    h, w = cut.shape[:2]
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), angle, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    wide, high = int(h * sin + w * cos) + 1, int(h * cos + w * sin) + 1
    turn[:, 2] += (wide / 2 - w / 2, high / 2 - h / 2)
    out = cv2.warpAffine(np.ascontiguousarray(cut), turn, (wide, high), flags=cv2.INTER_LINEAR)
    ys, xs = np.nonzero(out[..., 3] > 100)
    if len(ys) == 0:
        return cut
    return out[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]


def by_sight(
    owner: np.ndarray, boxes: list[list[float]], areas: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of things of which enough is seen, and of those of which a little is.

    Args:
        owner: (h, w) number of the thing that is on top, -1 where there is none.
        boxes: of all things, xyxy.
        areas: pixels of each, if nothing hid it.
    """
    seen = np.bincount(owner[owner >= 0], minlength=len(areas)) / np.array(areas)
    every = np.array(boxes, np.float32)
    return every[seen > 0.4], every[(seen <= 0.4) & (seen > 0.1)]


class Scenes:
    """Draws training samples. `test=True` draws from the held-out pictures only."""

    def __init__(
        self,
        data: Path,
        labels: Path,
        test: bool = False,
        photo_share: float = 0.12,
        thing_share: float = 0.0,
    ) -> None:
        rows = [Label(**json.loads(line)) for line in labels.read_text().splitlines()]
        self._data = data
        self._photo_share, self._thing_share = photo_share, thing_share
        self.by_source: dict[str, list[Label]] = {}
        for row in rows:
            if row.test == test:
                self.by_source.setdefault(row.source, []).append(row)
        white = sorted((data / "Fashion-Recommendation-System/images").glob("*.jpg"))
        white = [path for path in white if (percentile(path.name) < 10) == test]
        self._white = [str(path) for path in white]
        self._cuts_pool: list[np.ndarray] = []
        self._photos = [s for s in self.by_source if s not in ("shelf", "cosmetic", "tool")]

    def photo(self, row: Label) -> Sample:
        image = read_rgb(self._data / row.path)
        assert image is not None, row.path
        size = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        boxes, unsure = (
            np.array(b, np.float32).reshape(-1, 4) * size for b in (row.boxes, row.unsure)
        )
        sample = Sample(image, boxes, unsure)
        return without_grey_bars(sample) if row.source == "shelf" else sample

    def pick(self, source: str, random: Random) -> Sample:
        rows = self.by_source[source]
        return self.photo(rows[int(random.integers(len(rows)))])

    def any_photo(self, random: Random) -> Sample:
        """A shelf photo half of the time, else another source."""
        if random.random() < 0.5:
            return self.pick("shelf", random)
        others = (*self._photos, "cosmetic", "tool")
        return self.pick(others[int(random.integers(len(others)))], random)

    def single(self, source: str, random: Random) -> Sample:
        sample = self.pick(source, random)
        draw = random.random()
        if draw < 0.5:
            sample = random_window(sample, random)
        elif draw < 0.7:
            sample = zoomed_out(sample, random)
        return sample

    def mosaic(self, size: int, random: Random) -> Sample:
        """Four pictures (or nine) in a grid whose lines fall at random places."""
        cells = 2 if random.random() < 0.75 else 3
        cuts = [self._cuts(size, cells, random) for _ in range(2)]
        canvas = np.zeros((size, size, 3), np.uint8)
        boxes, unsure = [], []
        for row in range(cells):
            for column in range(cells):
                x1, x2 = cuts[0][column : column + 2]
                y1, y2 = cuts[1][row : row + 2]
                tile = self.any_photo(random)
                if random.random() < 0.5:
                    tile = random_window(tile, random)
                tile = resized(tile, x2 - x1, y2 - y1)
                canvas[y1:y2, x1:x2] = tile.image
                boxes.append(tile.boxes + np.array([x1, y1, x1, y1], np.float32))
                unsure.append(tile.unsure + np.array([x1, y1, x1, y1], np.float32))
        return Sample(canvas, np.concatenate(boxes), np.concatenate(unsure))

    @staticmethod
    def _cuts(size: int, cells: int, random: Random) -> list[int]:
        inner = (np.arange(1, cells) + random.uniform(-0.25, 0.25, cells - 1)) / cells
        return [0, *(int(size * c) for c in inner), size]

    def shelf(self, size: int, random: Random) -> Sample:
        """Rows of drawn products side by side, one product repeated a few times: 2 to 30 boxes."""
        canvas = plain_background(size, size, random)
        boxes: list[list[float]] = []
        rows = int(random.integers(1, 5))
        height = size / rows
        for row in range(rows):
            x, floor = (
                random.uniform(-30, 30),
                height * (row + 1) - random.uniform(2, 0.12 * height),
            )
            while x < size - 12:
                product = self._product(random)
                tall = height * random.uniform(0.6, 0.9)
                wide = min(tall * product.shape[1] / product.shape[0], size * 0.6)
                for _ in range(int(random.integers(1, 4))):
                    self._place(canvas, product, x, floor - tall, wide, tall, boxes)
                    x += wide + random.uniform(0, 0.08) * wide
                x += random.uniform(0, 0.5) * wide * (random.random() < 0.4)
        return Sample(canvas, np.array(boxes, np.float32).reshape(-1, 4), no_boxes())

    def _product(self, random: Random) -> Image:
        """The inside of a drawn box of a shelf photo."""
        while True:
            photo = self.pick("shelf", random)
            x1, y1, x2, y2 = photo.boxes[int(random.integers(len(photo.boxes)))].astype(int)
            if min(x2 - x1, y2 - y1) >= 30:
                return photo.image[y1:y2, x1:x2]

    @staticmethod
    def _place(
        canvas: Image,
        product: Image,
        x: float,
        y: float,
        w: float,
        h: float,
        boxes: list[list[float]],
    ) -> None:
        size = canvas.shape[0]
        x1, y1, x2, y2 = int(x), max(int(y), 0), int(x + w), int(y + h)
        left, right = max(x1, 0), min(x2, size)
        if right - left < 0.4 * (x2 - x1) or min(x2 - x1, y2 - y1, right - left) < 8:
            return
        tile = squash(product, x2 - x1, y2 - y1)
        canvas[y1:y2, left:right] = tile[:, left - x1 : right - x1]
        boxes.append([left, y1, right, y2])

    def background(self, size: int, random: Random) -> Image:
        """A floor texture, a piece of a blurred photo, or a plain gradient."""
        draw = random.random()
        if draw < 0.35:
            frame = self.pick("tool", random)
            h, w = frame.image.shape[:2]
            spans = [(0, 0, w, frame.boxes[:, 1].min()), (0, frame.boxes[:, 3].max(), w, h)]
            x1, y1, x2, y2 = (int(v) for v in max(spans, key=lambda s: s[3] - s[1]))
            if min(x2 - x1, y2 - y1) >= 8:
                return squash(frame.image[y1:y2, x1:x2], size, size)
        if draw < 0.55:
            photo = squash(self.any_photo(random).image, size, size)
            return cv2.GaussianBlur(photo, (0, 0), random.uniform(8, 25))
        return plain_background(size, size, random)

    def cut_out(self, random: Random) -> np.ndarray:
        """An object without its background, from a pool that is filled once."""
        while len(self._cuts_pool) < CUT_OUTS:
            cut = self._new_cut_out(random)
            if cut is not None:
                self._cuts_pool.append(cut)
        return turned(self._cuts_pool[int(random.integers(CUT_OUTS))], random)

    def _new_cut_out(self, random: Random) -> np.ndarray | None:
        if random.random() < 0.2:
            photo = self.pick("cosmetic", random)
            x1, y1, x2, y2 = photo.boxes[0].astype(int)
            image = photo.image[y1:y2, x1:x2]
            factor = 200 / max(image.shape[:2])
            if factor < 1:
                image = squash(image, int(image.shape[1] * factor), int(image.shape[0] * factor))
        else:
            image = read_rgb(Path(self._white[int(random.integers(len(self._white)))]))
        return None if image is None or min(image.shape[:2]) < 24 else cut_from_white(image)

    def composite(self, size: int, random: Random) -> Sample:
        """1 to 20 cut-outs on a background. One hidden by more than 60 % loses its box."""
        canvas = self.background(size, random).copy()
        count = 1 if random.random() < 0.25 else int(random.integers(2, 21))
        common = size * random.uniform(0.6, 0.95) / max(count, 1.4) ** 0.5
        owner = np.full((size, size), -1, np.int16)
        boxes, areas = [], []
        cut = self.cut_out(random)
        for index in range(count):
            if random.random() < 0.75:  # else the same thing again, as on a shelf
                cut = self.cut_out(random)
            side = common * random.uniform(0.6, 1.3)
            factor = side / max(cut.shape[:2])
            w, h = max(int(cut.shape[1] * factor), 8), max(int(cut.shape[0] * factor), 8)
            tile = squash(cut, min(w, size - 1), min(h, size - 1))
            h, w = tile.shape[:2]
            x, y = int(random.integers(0, size - w)), int(random.integers(0, size - h))
            alpha = tile[..., 3:].astype(np.float32) / 255
            under = canvas[y : y + h, x : x + w]
            if random.random() < 0.5:  # a soft shadow
                under = (under * (1 - 0.3 * cv2.blur(alpha, (15, 15))[..., None])).astype(np.uint8)
            canvas[y : y + h, x : x + w] = (tile[..., :3] * alpha + under * (1 - alpha)).astype(
                np.uint8
            )
            solid = tile[..., 3] > 100
            owner[y : y + h, x : x + w][solid] = index
            boxes.append([x, y, x + w, y + h])
            areas.append(max(int(solid.sum()), 1))
        return Sample(canvas, *by_sight(owner, boxes, areas))

    def one_thing(self, size: int, random: Random) -> Sample:
        """A large flat thing among smaller ones, as when somebody takes a photo of a package."""
        ground, unsure = self._ground(size, random)
        things = [self._thing(random) for _ in range(int(random.integers(0, 7)))]
        shares = [random.uniform(0.1, 0.33) for _ in things]
        places = [random.uniform(0, size, 2) for _ in things]
        things.append(self._thing(random))
        shares.append(random.uniform(0.35, 1.0))
        places.append(size * (0.5 + random.uniform(-0.15, 0.15, 2)))
        if random.random() < 0.4:  # something lies on it
            things.append(self._thing(random))
            shares.append(random.uniform(0.1, 0.3))
            places.append(places[-1] + random.uniform(-0.5, 0.5, 2) * shares[-2] * size)
        owner = np.full((size, size), -1, np.int16)
        boxes, areas = [], []
        for index, (thing, share, place) in enumerate(zip(things, shares, places, strict=True)):
            matrix = tilted(thing, share * size, place, random)
            laid = cv2.warpPerspective(thing, matrix, (size, size), flags=cv2.INTER_AREA)
            alpha = laid[..., 3:].astype(np.float32) / 255
            if random.random() < 0.5:  # a soft shadow
                shade = 1 - 0.35 * cv2.blur(alpha, (size // 24, size // 24))[..., None]
                ground = (ground * shade).astype(np.uint8)
            ground = (laid[..., :3] * alpha + ground * (1 - alpha)).astype(np.uint8)
            solid = laid[..., 3] > 100
            owner[solid] = index
            areas.append(max(int(solid.sum()), 1))
            x, y, w, h = cv2.boundingRect(solid.astype(np.uint8))
            boxes.append([x, y, x + w, y + h])
        seen, doubtful = by_sight(owner, boxes, areas)
        return Sample(lit(ground, random), seen, np.concatenate([unsure, doubtful]))

    def _ground(self, size: int, random: Random) -> tuple[Image, np.ndarray]:
        """A plain or blurred background, or a photo; what is in the photo is unsure."""
        if random.random() < 0.4:
            return self.background(size, random), no_boxes()
        photo = resized(random_window(self.any_photo(random), random), size, size)
        image = cv2.GaussianBlur(photo.image, (0, 0), random.uniform(0.3, 5) * size / 416)
        return image, np.concatenate([photo.boxes, photo.unsure])

    def _thing(self, random: Random) -> np.ndarray:
        """RGBA of a printed sheet, a product cut from a shelf photo, or a cut-out."""
        draw = random.random()
        if draw < 0.25:
            return self.cut_out(random)
        if draw < 0.45:
            front = self._product(random)
        else:
            front = printed(random_piece(self.any_photo(random).image, random), random)
        return np.dstack([front, np.full(front.shape[:2], 255, np.uint8)])

    def draw(self, size: int, random: Random) -> Sample:
        """One training sample at `size`, augmented."""
        makers: list[tuple[float, Callable[[], Sample]]] = [
            (0.38, lambda: self.single("shelf", random)),
            (0.18, lambda: self.mosaic(size, random)),
            (0.16, lambda: self.shelf(size, random)),
            (0.18, lambda: self.composite(size, random)),
            (0.05, lambda: self.single("cosmetic", random)),
            (0.05, lambda: self.single("tool", random)),
        ]
        draw = random.random()
        if draw < self._thing_share:
            sample = self.one_thing(size, random)
        elif draw < self._thing_share + self._photo_share:
            source = self._photos[int(random.integers(len(self._photos)))]
            sample = self.single(source, random)
        else:
            chances = [chance for chance, _ in makers]
            sample = makers[int(random.choice(len(makers), p=chances))][1]()
        if random.random() < 0.5:
            sample = flipped(sample)
        sample = resized(sample, size, size)
        wide = (sample.boxes[:, 2:] - sample.boxes[:, :2]).min(1, initial=size) >= 4
        return Sample(recoloured(sample.image, random), sample.boxes[wide], sample.unsure)


class Batches(Dataset[tuple[Tensor, list[Tensor], list[Tensor]]]):
    """Whole batches by number, so that one worker process hands over ready tensors."""

    def __init__(self, scenes: Scenes, count: int, batch: int, sizes: list[int], seed: int) -> None:
        self._scenes, self._count, self._batch, self._seed = scenes, count, batch, seed
        self._sizes = sizes  # the input size of each batch

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        random = np.random.default_rng([self._seed, index])
        size = self._sizes[index]
        samples = [self._scenes.draw(size, random) for _ in range(self._batch)]
        images = torch.from_numpy(np.stack([normalise(s.image) for s in samples]))
        boxes = [torch.from_numpy(s.boxes) for s in samples]
        return images, boxes, [torch.from_numpy(s.unsure) for s in samples]
