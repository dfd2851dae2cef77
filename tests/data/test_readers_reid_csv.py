"""Re-identification from a table of images, people and cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from turncoat.core.errors import UserError
from turncoat.data.reid_csv import reid_csv
from turncoat.tasks.samples import Samples

ROWS = [
    ("pics/a1.png", "north", "p10", 1),
    ("pics/a2.png", "north", "p10", 2),
    ("pics/b2.png", "north", "p9", 2),
    ("pics/b3.png", "north", "p9", 3),
    ("pics/c1.png", "south", "p1", 0),
]


def plant(root: Path, rows: list[tuple[str, str, str, object]] = ROWS) -> Path:
    (root / "pics").mkdir(parents=True, exist_ok=True)
    lines = ["image,subset,person,camera,hat"]
    for number, (image, subset, person, camera) in enumerate(rows):
        Image.new("RGB", (10, 20), (number, 0, 0)).save(root / image)
        lines.append(f"{image},{subset},{person},{camera},1")
    (root / "table.csv").write_text("\n".join(lines) + "\n")
    return root / "table.csv"


def shown(samples: Samples | None) -> list[tuple[str, int, int]]:
    assert samples is not None
    who = [samples.names["person"][person] for person in samples.truth["person"]]
    return [
        (person, int(camera), int(samples.read(row)[0, 0, 0]))
        for row, (person, camera) in enumerate(zip(who, samples.truth["camera"], strict=True))
    ]


def test_cameras_choose_queries_and_gallery(tmp_path: Path) -> None:
    queries = reid_csv(plant(tmp_path), subset="north", query_camera=2, gallery_camera=3)
    assert shown(queries) == [("p10", 2, 1), ("p9", 2, 2)]
    assert shown(queries.against) == [("p9", 3, 3)]
    assert queries.names["person"] == ["p9", "p10"]
    assert queries.read(0).shape == (3, 256, 128)


def test_by_default_each_persons_lowest_camera_asks_and_the_rest_answers(tmp_path: Path) -> None:
    queries = reid_csv(plant(tmp_path), subset="north", size=None)
    assert shown(queries) == [("p10", 1, 0), ("p9", 2, 2)]
    assert shown(queries.against) == [("p10", 2, 1), ("p9", 3, 3)]
    assert queries.read(0).shape == (3, 20, 10)


def test_images_may_lie_elsewhere(tmp_path: Path) -> None:
    table = plant(tmp_path)
    moved = tmp_path / "lists" / "table.csv"
    moved.parent.mkdir()
    moved.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert len(reid_csv(moved, tmp_path, query_camera=1)) == 1
    with pytest.raises(UserError, match=r"lists/pics/a2\.png does not exist"):
        reid_csv(moved)


def test_mistakes_are_named(tmp_path: Path) -> None:
    table = plant(tmp_path)
    with pytest.raises(UserError, match="no rows of subset 'west'; it has north, south"):
        reid_csv(table, subset="west")
    with pytest.raises(UserError, match="cameras in the table: 1, 2, 3; choose"):
        reid_csv(table, subset="north", query_camera=7)
    with pytest.raises(UserError, match="cameras in the table: 0; choose"):
        reid_csv(table, subset="south")
    with pytest.raises(UserError, match="no query"):
        reid_csv(table, query_camera=2, gallery_camera=2)
    with pytest.raises(UserError, match=r"gone\.csv does not exist"):
        reid_csv(tmp_path / "gone.csv")
    plant(tmp_path, [("pics/a.png", "north", "p", "left")])
    with pytest.raises(UserError, match="line 2 needs an image, a person and a whole camera number"):
        reid_csv(table)
    table.write_text("image,person\na,b\n")
    with pytest.raises(UserError, match="no column 'camera'; needed: image, person, camera"):
        reid_csv(table)


@pytest.mark.parametrize("outside", ["../stolen.png", "pics/../../stolen.png", "/{root}/stolen.png", "../table/p.png"])
def test_an_image_outside_the_folder_is_refused_even_if_it_is_there(tmp_path: Path, outside: str) -> None:
    root = tmp_path / "tab"
    image = outside.replace("/{root}", str(tmp_path))
    table = plant(root)
    (tmp_path / "table").mkdir()
    for place in (tmp_path / "stolen.png", tmp_path / "table" / "p.png"):
        Image.new("RGB", (10, 20)).save(place)
    table.write_text(table.read_text().replace("pics/a2.png", image))
    with pytest.raises(UserError, match="lies outside the folder") as caught:
        reid_csv(table, subset="north")
    assert repr(image) in str(caught.value)


def test_a_link_out_of_the_folder_is_the_users_own_and_dots_inside_are_fine(tmp_path: Path) -> None:
    table = plant(tmp_path / "kept")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "pics").symlink_to(tmp_path / "kept" / "pics")
    linked = tmp_path / "run" / "table.csv"
    linked.write_text(table.read_text().replace("pics/a2.png", "pics/../pics/./a2.png"))
    assert shown(reid_csv(linked, subset="north", size=None)) == shown(reid_csv(table, subset="north", size=None))


@pytest.mark.real
@pytest.mark.parametrize(("subset", "people"), [("VIPeR", 160), ("PRID", 200), ("GRID", 250)])
def test_the_real_subsets_pair_each_person_once(real_data: Path, subset: str, people: int) -> None:
    queries = reid_csv(real_data / "peta_subset" / "labels_35.csv", subset=subset)
    assert queries.against is not None
    assert sorted(queries.truth["person"].tolist()) == list(range(people))
    assert sorted(queries.against.truth["person"].tolist()) == list(range(people))


@pytest.mark.real
def test_a_published_network_reaches_its_known_figures_on_viper(real_data: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(real_data / "osnet_onnx" / "osnet_x0_25_msmt17.onnx"), options, providers=["CPUExecutionProvider"]
    )
    queries = reid_csv(real_data / "peta_subset" / "labels_35.csv", subset="VIPeR", query_camera=1, gallery_camera=2)
    assert queries.against is not None
    mean, deviation = (np.array(v, np.float32)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def embed(samples: Samples) -> np.ndarray:
        parts = [
            session.run(None, {session.get_inputs()[0].name: (part.images().numpy() - mean) / deviation})[0]
            for part in samples.batches(32)
        ]
        vectors = np.concatenate(parts)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    order = np.argsort(-(embed(queries) @ embed(queries.against).T), axis=1, kind="stable")
    found = queries.against.truth["person"].numpy()[order] == queries.truth["person"].numpy()[:, None]
    rank = found.argmax(1)
    assert (rank == 0).mean() == pytest.approx(0.556, abs=0.007)
    assert (1 / (rank + 1)).mean() == pytest.approx(0.647, abs=0.002)


def test_a_training_split_holds_everybody_with_labels_and_no_gallery(tmp_path: Path) -> None:
    samples = reid_csv(plant(tmp_path), subset=["north", "south"], split="train")
    assert shown(samples) == [("p10", 1, 0), ("p10", 2, 1), ("p9", 2, 2), ("p9", 3, 3), ("p1", 0, 4)]
    assert samples.truth["label"].tolist() == [2, 2, 1, 1, 0]
    assert samples.against is None


def test_each_of_several_subsets_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no rows of subset 'east'; it has north, south"):
        reid_csv(plant(tmp_path), subset=["north", "east"])


def test_a_split_is_test_or_train(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="split is 'all'"):
        reid_csv(plant(tmp_path), split="all")  # type: ignore[arg-type]
