"""CUHK03 (Li et al., CVPR 2014) under the new protocol: 767 people to train, 700 to test (Zhong et al., CVPR 2017)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from turncoat.core.errors import UserError
from turncoat.data.files import each_once, existing_file, existing_folder, inside, one_of
from turncoat.data.market import read_folders
from turncoat.data.shots import Shot, numbered, shots_samples
from turncoat.tasks.samples import Samples

_NAME = re.compile(r"^\d+_\d+_(\d)_\d+\.\w+$")


def cuhk03(
    folder: str | Path,
    split: str = "test",
    *,
    boxes: str = "detected",
    size: tuple[int, int] | None = (256, 128),
) -> Samples:
    """CUHK03-NP, `<folder>/detected/query/0003_c1_20.png`, or the protocol file with images taken out of the archive.

    `boxes` are "detected" or "labeled"; beside `query` lie `bounding_box_test` and `bounding_box_train`, as in
    Market-1501. Otherwise `<folder>/cuhk03_new_protocol_config_detected.mat` decides over the images
    `<folder>/images_detected/1_001_1_01.png` (camera pair, person in it, camera, number). Truth as in `market`:
    `person`, `camera` (1 or 2), and `label` in "train". The archive's own cuhk-03.mat, which is HDF5, is not read.
    """
    root = existing_folder(folder, "cuhk03")
    one_of(boxes, ("detected", "labeled"), "cuhk03: boxes")
    one_of(split, ("test", "train"), "cuhk03: split")
    name = f"cuhk03-{boxes}"
    if (root / boxes).is_dir():
        return read_folders(root / boxes, split, name=name, size=size)
    protocol = root / f"cuhk03_new_protocol_config_{boxes}.mat"
    if not protocol.is_file():
        raise UserError(
            f"cuhk03: {root} has neither {boxes}/query, ... (CUHK03-NP) nor {protocol.name}; "
            "give the folder that holds one of them"
        )
    return _from_protocol(protocol, root / f"images_{boxes}", split, name=name, size=size)


def _from_protocol(protocol: Path, images: Path, split: str, *, name: str, size: tuple[int, int] | None) -> Samples:
    if not images.is_dir():
        raise UserError(
            f"{name}: {protocol.name} needs the images, taken out of cuhk-03.mat, as {images}/1_001_1_01.png, ..."
        )
    content = _load(protocol)
    files, people = _names(protocol, content), _numbers(protocol, content, "labels")
    if len(people) != len(files):
        raise UserError(f"{protocol}: {len(people)} labels for {len(files)} files in filelist")

    def shots(part: str) -> list[Shot]:
        rows = [row - 1 for row in _numbers(protocol, content, f"{part}_idx")]
        if any(not 0 <= row < len(files) for row in rows):
            raise UserError(f"{protocol}: {part}_idx must count from 1 to the {len(files)} files in filelist")
        each_once([files[row] for row in rows], f"{protocol}: {part}_idx")
        return [_shot(images, files[row], people[row], protocol) for row in rows]

    if split == "train":
        return numbered(shots_samples(f"{name}-train", shots("train"), size=size))
    gallery = shots_samples(f"{name}-gallery", shots("gallery"), size=size)
    return shots_samples(f"{name}-query", shots("query"), size=size, against=gallery)


def _shot(images: Path, file: str, person: int, protocol: Path) -> Shot:
    match = _NAME.match(file)
    if match is None:
        raise UserError(f"{protocol}: {file!r} in filelist has no camera, as 1_001_1_01.png has")
    return Shot(existing_file(inside(images, file, str(protocol)), str(protocol)), file, person, int(match[1]))


def _load(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    from scipy.io import loadmat

    try:
        content: dict[str, npt.NDArray[np.generic]] = loadmat(path)
    # Broken bytes can make the reader raise nearly anything; HDF5 is a NotImplementedError.
    except Exception as error:
        raise UserError(f"{path}: this MATLAB file cannot be read ({' '.join(str(error).split())})") from error
    return content


def _numbers(path: Path, content: dict[str, npt.NDArray[np.generic]], key: str) -> Sequence[int]:
    if key not in content or content[key].dtype.kind not in "uif":
        raise UserError(
            f"{path}: it has no numbers {key!r}; needed: filelist, labels, train_idx, query_idx, gallery_idx"
        )
    found: list[int] = content[key].astype(np.int64).ravel().tolist()
    return found


def _names(path: Path, content: dict[str, npt.NDArray[np.generic]]) -> Sequence[str]:
    """The file names: a MATLAB cell array, each cell an array of one string."""
    cells = content.get("filelist")
    if cells is None or cells.dtype.kind != "O":
        raise UserError(f"{path}: it has no cell array 'filelist' of file names")
    return ["".join(map(str, np.ravel(cell))) for cell in cells.ravel()]
