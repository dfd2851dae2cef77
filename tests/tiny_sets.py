"""Published sets of images in miniature: the true layout, names and lists, with a few small pictures."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MARKET = {
    "query": ["0002_c1s1_000451_03.jpg", "0007_c2s1_000451_00.jpg", "0009_c3s1_000451_00.jpg"],
    "bounding_box_test": [
        "-1_c1s1_000401_03.jpg",
        "0000_c3s1_000151_01.jpg",
        "0002_c1s1_000776_01.jpg",
        "0002_c6s1_000776_01.jpg",
        "0007_c1s1_000776_01.jpg",
    ],
    "bounding_box_train": ["0030_c1s1_000001_01.jpg", "0011_c5s2_000002_01.jpg", "0030_c2s1_000003_01.jpg"],
}
DUKE = {
    "query": ["0005_c2_f0046985.jpg", "0008_c1_f0046985.jpg"],
    "bounding_box_test": ["0005_c8_f0051341.jpg", "0008_c3_f0051341.jpg", "7140_c4_f0051341.jpg"],
    "bounding_box_train": ["0001_c2_f0046182.jpg", "0009_c1_f0046182.jpg"],
}
CUHK03_NP = {
    "query": ["0003_c1_20.png", "0004_c2_21.png"],
    "bounding_box_test": ["0003_c2_24.png", "0004_c1_29.png", "0003_c1_22.png"],
    "bounding_box_train": ["0001_c1_1.png", "0001_c2_6.png", "0002_c1_1.png"],
}
MSMT17 = {
    "list_query.txt": ["0000/0000_000_01_0303morning_0008_0.jpg 0", "0002/0002_004_15_0303noon_0190_1.jpg 2"],
    "list_gallery.txt": ["0000/0000_001_07_0303afternoon_0010_2.jpg 0", "0002/0002_001_15_0303noon_0010_2.jpg 2"],
    "list_train.txt": ["0003/0003_000_05_0303morning_0015_0.jpg 3", "0001/0001_002_05_0303noon_0015_0.jpg 1"],
    "list_val.txt": ["0003/0003_007_14_0303morning_0015_1.jpg 3"],
}
LANDMARKS = ["all_souls_000013", "all_souls_000026", "bodleian_000107", "oxford_000317", "oxford_002985", "radcliffe_9"]


def picture(path: Path, *, size: tuple[int, int] = (24, 48), seed: int | None = None) -> Path:
    """A small picture of `size` = (width, height), each path with another one unless seeded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng([ord(letter) for letter in path.name] if seed is None else seed)
    coarse = Image.fromarray(drawn.integers(0, 256, (6, 3, 3), dtype=np.uint8))
    coarse.resize(size, Image.Resampling.BILINEAR).save(path, quality=95)
    return path


def folders(root: Path, tree: dict[str, list[str]]) -> Path:
    """Market-1501, Duke or CUHK03-NP."""
    for part, names in tree.items():
        for name in names:
            picture(root / part / name)
    return root


def cuhk03_np(root: Path) -> Path:
    for boxes in ("detected", "labeled"):
        folders(root / boxes, CUHK03_NP)
    return root


def cuhk03_protocol(root: Path, boxes: str = "detected") -> Path:
    """The protocol file of the new split over images taken out of the archive."""
    from scipy.io import savemat

    files = ["1_001_1_01.png", "1_001_2_06.png", "2_003_1_01.png", "2_003_2_10.png", "1_002_1_01.png", "2_003_1_02.png"]
    for name in files:
        picture(root / f"images_{boxes}" / name)
    content = {
        "filelist": np.array([[name] for name in files], dtype=object),
        "labels": np.array([[1], [1], [1003], [1003], [2], [1003]], dtype=np.uint16),
        "camId": np.array([[1], [2], [1], [2], [1], [1]], dtype=np.uint8),
        "train_idx": np.array([[1], [2], [5]], dtype=np.uint16),
        "query_idx": np.array([[3]], dtype=np.uint16),
        "gallery_idx": np.array([[6], [4]], dtype=np.uint16),
    }
    root.mkdir(exist_ok=True)
    savemat(root / f"cuhk03_new_protocol_config_{boxes}.mat", content)
    return root


def msmt17(root: Path, *, second: bool = False) -> Path:
    for name, lines in MSMT17.items():
        part = "test" if name in ("list_query.txt", "list_gallery.txt") else "train"
        for line in lines:
            picture(root / (f"mask_{part}_v2" if second else part) / line.split()[0])
        (root / name).write_text("".join(f"{line}\n" for line in lines))
    return root


def cub200(root: Path, *, each: int = 3) -> Path:
    """Classes 99 to 102, half of them on each side of the split."""
    species = {99: "Ovenbird", 100: "Brown_Pelican", 101: "White_Pelican", 102: "Western_Wood_Pewee"}
    images = [f"{k:03d}.{name}/{name}_{i:04d}_{i}.jpg" for k, name in species.items() for i in range(each)]
    for name in images:
        picture(root / "images" / name, size=(40, 30))
    (root / "images.txt").write_text("".join(f"{i} {name}\n" for i, name in enumerate(images, 1)))
    (root / "image_class_labels.txt").write_text("".join(f"{i} {int(name[:3])}\n" for i, name in enumerate(images, 1)))
    (root / "classes.txt").write_text("".join(f"{k} {k:03d}.{name}\n" for k, name in species.items()))
    (root / "train_test_split.txt").write_text("".join(f"{i} {i % 2}\n" for i in range(1, len(images) + 1)))
    return root


def food256(root: Path, classes: Sequence[int] = range(225, 257), *, each: int = 1) -> Path:
    """The given classes with `each` images of 30x20, numbered from the class number on, all of it in the box."""
    source = picture(root / "source.jpg", size=(30, 20)).read_bytes()
    for number in classes:
        (root / str(number)).mkdir(parents=True)
        images = [number + i for i in range(each)]
        for image in images:
            (root / str(number) / f"{image}.jpg").write_bytes(source)
        lines = "".join(f"{image} 1 1 31 21\n" for image in images)
        (root / str(number) / "bb_info.txt").write_text("img x1 y1 x2 y2\n" + lines)
    return root


def landmarks(root: Path, *, images: Sequence[str] = LANDMARKS) -> Path:
    """The pictures alone, lying and standing."""
    for place, name in enumerate(images):
        picture(root / "jpg" / f"{name}.jpg", size=(64, 40) if place % 2 else (40, 64))
    return root


def gnd(root: Path, name: str, content: dict[str, Any], *, protocol: int = 2) -> Path:
    (root / f"gnd_{name}.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    return root


def oxford_gnd() -> dict[str, Any]:
    """Two queries of one landmark, one of them from a photograph named otherwise, and one of another."""
    return {
        "imlist": LANDMARKS,
        "qimlist": ["all_souls_000013", "oxford_002985", "bodleian_000107"],
        "gnd": [
            {"bbx": [2.4, 3.0, 30.6, 50.0], "ok": np.array([0, 1]), "junk": np.array([3])},
            {"bbx": [0.0, 0.0, 40.0, 64.0], "ok": np.array([0, 1]), "junk": np.array([3])},
            {"bbx": [1.0, 1.0, 39.0, 33.0], "ok": np.array([2, 4]), "junk": np.array([], dtype=np.int64)},
        ],
    }


def revisited_gnd() -> dict[str, Any]:
    """Three queries, not searched; nothing easy for the second, nothing at all for the third."""
    return {
        "imlist": LANDMARKS[2:],
        "qimlist": [*LANDMARKS[:2], "radcliffe_7"],
        "gnd": [
            {"bbx": np.array([1.0, 2.0, 20.0, 30.0]), "easy": [0], "hard": [1], "junk": [2]},
            {"bbx": [1.0, 2.0, 30.0, 30.0], "easy": [], "hard": [1, 3], "junk": [0]},
            {"bbx": [0.0, 0.0, 30.0, 30.0], "easy": [], "hard": [], "junk": [2]},
        ],
    }


def oxford5k(root: Path) -> Path:
    return gnd(landmarks(root), "oxford5k", oxford_gnd())


def roxford5k(root: Path) -> Path:
    return gnd(landmarks(root, images=[*LANDMARKS, "radcliffe_7"]), "roxford5k", revisited_gnd())
