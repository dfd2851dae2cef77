"""MSMT17: lists of images and people, the camera in the file name (Wei et al., CVPR 2018)."""

from __future__ import annotations

import re
from pathlib import Path

from turncoat.core.errors import UserError
from turncoat.data.files import each_once, existing_file, existing_folder, inside, one_of, read_text
from turncoat.data.shots import Shot, numbered, shots_samples
from turncoat.tasks.samples import Samples

# The second release hid the faces and renamed the folders; its lists name the same files.
FOLDERS = {"train": ("train", "mask_train_v2"), "test": ("test", "mask_test_v2")}
TRAIN_LISTS = {
    "train": ["list_train.txt"],
    "val": ["list_val.txt"],
    "trainval": ["list_train.txt", "list_val.txt"],
}
_CAMERA = re.compile(r"^[^_]+_[^_]+_(\d+)_")
_EXAMPLE = "0000/0000_000_01_0303morning_0008_0.jpg 0"


def msmt17(folder: str | Path, split: str = "test", *, size: tuple[int, int] | None = (256, 128)) -> Samples:
    """MSMT17 from `<folder>/{list_query,list_gallery,list_train,list_val}.txt` and its folders of images.

    These are `train` and `test`, or `mask_train_v2` and `mask_test_v2` (second release). A line of a list is
    `0000/0000_000_01_0303morning_0008_0.jpg 0`: image, person; the third part of the name is the camera, 1 to 15.
    Truth: `person`, `camera`; person 0 is a person. "test" gives the queries with the gallery in `against`, "train",
    "val" and "trainval" (both, the 32,621 images that the article trains on) add `label`.
    """
    root = existing_folder(folder, "msmt17")
    if one_of(split, ("test", *TRAIN_LISTS), "msmt17: split") != "test":
        shots = [shot for name in TRAIN_LISTS[split] for shot in _read_list(root, name, part="train")]
        return numbered(shots_samples(f"msmt17-{split}", shots, size=size))
    gallery = shots_samples("msmt17-gallery", _read_list(root, "list_gallery.txt", part="test"), size=size)
    queries = _read_list(root, "list_query.txt", part="test")
    return shots_samples("msmt17-query", queries, size=size, against=gallery)


def _read_list(root: Path, name: str, *, part: str) -> list[Shot]:
    path = existing_file(root / name, "msmt17")
    images = _images(root, part)
    shots = []
    for number, line in enumerate(read_text(path, "msmt17").splitlines(), start=1):
        if not line.strip():
            continue
        image, _, person = line.strip().rpartition(" ")
        camera = _CAMERA.match(Path(image).name)
        if camera is None or not person.isdecimal():
            raise UserError(f"{path}: line {number} is {line!r}; it must be an image and a person, as {_EXAMPLE!r}")
        file = existing_file(inside(images, image, str(path)), f"{path}, line {number}")
        shots.append(Shot(file, file.relative_to(root).as_posix(), int(person), int(camera[1])))
    if not shots:
        raise UserError(f"{path} names no images")
    each_once([shot.key for shot in shots], path)
    return shots


def _images(root: Path, part: str) -> Path:
    found = [root / name for name in FOLDERS[part] if (root / name).is_dir()]
    if not found:
        raise UserError(f"msmt17: {root} has neither {' nor '.join(FOLDERS[part])}; give the folder that holds one")
    return found[0]
