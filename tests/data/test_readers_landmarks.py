"""Oxford5k, Paris6k and the revisited sets: both forms of their lists, the crop, the sets of each protocol."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import tiny_sets
from turncoat.core.errors import UserError
from turncoat.data.landmarks import NativeSamples, oxford5k, paris6k, roxford5k, rparis6k
from turncoat.tasks.metrics.ranking import rank
from turncoat.tasks.metrics.relations import from_lists
from turncoat.tasks.retrieval import Retrieval
from turncoat.tasks.samples import Samples


def rows(samples: Samples, column: str) -> list[set[int]]:
    """The listed gallery rows of each query."""
    return [{row for row in listed if row >= 0} for listed in samples.truth[column].tolist()]


def write_texts(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)


TEXTS = {
    "all_souls_1_query": "oxc1_all_souls_000013 2.4 3 30.6 50\n",
    "all_souls_1_good": "all_souls_000013\n",
    "all_souls_1_ok": "all_souls_000026\n",
    "all_souls_1_junk": "oxford_000317\n",
    "all_souls_2_query": "oxc1_oxford_002985 0 0 40 64\n",
    "all_souls_2_good": "",
    "all_souls_2_ok": "all_souls_000013\nall_souls_000026\n",
    "all_souls_2_junk": "oxford_000317\n",
    "bodleian_1_query": "bodleian_000107 1 1 39 33\n",
    "bodleian_1_good": "bodleian_000107\noxford_002985\n",
    "bodleian_1_ok": "",
    "bodleian_1_junk": "",
}


@pytest.mark.parametrize("form", ["pickle", "text", "text in a folder"])
def test_both_forms_of_the_lists_say_the_same(tmp_path: Path, form: str) -> None:
    root = tiny_sets.landmarks(tmp_path)
    if form == "pickle":
        tiny_sets.oxford5k(root)
    else:
        write_texts(root if form == "text" else root / "gt_files_170407", TEXTS)
    queries = oxford5k(root)
    gallery = queries.against
    assert gallery is not None
    assert gallery.keys == [f"jpg/{name}.jpg" for name in tiny_sets.LANDMARKS]
    assert queries.keys == ["jpg/all_souls_000013.jpg", "jpg/oxford_002985.jpg", "jpg/bodleian_000107.jpg"]
    assert rows(queries, "good") == [{0, 1}, {0, 1}, {2, 4}]
    assert rows(queries, "junk") == [{3}, {3}, set()]
    assert queries.names["person"] == ["none", "all_souls", "bodleian"]
    assert queries.truth["person"].tolist() == [1, 1, 2]
    assert gallery.truth["person"].tolist() == [1, 1, 2, 0, 2, 0]
    assert "camera" not in queries.truth
    assert queries.truth["good"].dtype == torch.int64


def test_the_query_is_cut_from_the_whole_image_and_then_shrunk(tmp_path: Path) -> None:
    root = tiny_sets.oxford5k(tmp_path)
    queries = oxford5k(root, longest=32)
    gallery = queries.against
    assert gallery is not None
    with Image.open(root / "jpg" / "all_souls_000013.jpg") as whole:
        part = whole.crop((2, 3, 31, 50))
    expected = np.asarray(part.resize((20, 32), Image.Resampling.LANCZOS))
    assert np.array_equal(queries.read(0).numpy().transpose(1, 2, 0), expected)
    assert [tuple(gallery.read(row).shape[1:]) for row in range(2)] == [(32, 20), (20, 32)]
    large = oxford5k(root)
    assert large.read(0).shape == (3, 47, 29)  # never enlarged
    assert large.against is not None
    assert large.against.read(1).shape == (3, 40, 64)
    with pytest.raises(UserError, match="longest is 0"):
        oxford5k(root, longest=0)


def test_images_of_different_sizes_go_one_by_one(tmp_path: Path) -> None:
    root = tiny_sets.oxford5k(tmp_path)
    queries = oxford5k(root)
    assert [len(part) for part in queries.batches(128)] == [1, 1, 1]
    assert [part.images().shape[2:] for part in queries.batches(128)] == [(47, 29), (64, 40), (32, 38)]
    assert queries.take([1, 1]).images().shape == (2, 3, 64, 40)
    with pytest.raises(UserError, match=r"000013\.jpg and .*002985\.jpg differ in size .*shard: 1 .*size:"):
        queries.images()
    assert isinstance(queries.take([0, 1]), NativeSamples)
    squares = oxford5k(root, size=(16, 16))
    assert squares.images().shape == (3, 3, 16, 16)
    assert [len(part) for part in squares.batches(128)] == [3]


@pytest.mark.parametrize(
    ("protocol", "good", "junk"),
    [
        ("easy", [{0}, set(), set()], [{1, 2}, {0, 1, 3}, {2}]),
        ("medium", [{0, 1}, {1, 3}, set()], [{2}, {0}, {2}]),
        ("hard", [{1}, {1, 3}, set()], [{0, 2}, {0}, {2}]),
    ],
)
def test_the_protocols_of_the_revisited_sets(
    tmp_path: Path, protocol: str, good: list[set[int]], junk: list[set[int]]
) -> None:
    queries = roxford5k(tiny_sets.roxford5k(tmp_path), protocol)
    assert rows(queries, "good") == good
    assert rows(queries, "junk") == junk
    assert len(queries) == 3  # a query that nothing answers stays
    assert queries.names["person"] == ["none", "all_souls", "radcliffe"]
    assert queries.against is not None
    assert queries.against.truth["person"].tolist() == [1, 1, 0, 1]


def test_the_two_revisited_sets_differ_in_the_name_of_their_list(tmp_path: Path) -> None:
    root = tiny_sets.landmarks(tmp_path, images=[*tiny_sets.LANDMARKS, "radcliffe_7"])
    tiny_sets.gnd(root, "rparis6k", tiny_sets.revisited_gnd())
    assert rows(rparis6k(root), "good") == [{0, 1}, {1, 3}, set()]
    with pytest.raises(UserError, match=r"has no gnd_roxford5k\.pkl; put it beside the folder jpg"):
        roxford5k(root)
    with pytest.raises(UserError, match="'extreme'; it must be one of easy, medium, hard"):
        rparis6k(root, "extreme")


def test_known_ranks_give_the_published_precisions(tmp_path: Path) -> None:
    """Good rows at 0-based ranks 0 and 2, at 1, and on top, once junk is out of the way: 0.791667, 0.25 and 1."""
    content = tiny_sets.oxford_gnd()
    content["gnd"][0] |= {"ok": [0, 2], "junk": []}
    content["gnd"][1] |= {"ok": [1], "junk": []}
    content["gnd"][2] |= {"ok": [2, 3], "junk": [0, 1]}
    queries = oxford5k(tiny_sets.gnd(tiny_sets.landmarks(tmp_path), "oxford5k", content))
    assert queries.against is not None
    angles = torch.linspace(0, 1.5, len(queries.against))
    gallery = torch.stack([angles.cos(), angles.sin()], 1)
    asked = torch.tensor([[1.0, 0.0]]).repeat(3, 1)
    related = from_lists(*[[sorted(one) for one in rows(queries, kind)] for kind in ("good", "junk")], gallery=6)
    figures = rank(asked, gallery, related)
    assert figures["ap_trapezoid"].tolist() == pytest.approx([0.7916667, 0.25, 1.0])
    assert figures["cmc@1"].tolist() == [1, 0, 1]
    used = Retrieval(junk="none").relations(queries, range(3))
    assert torch.equal(used.row, related.row)
    assert torch.equal(used.good, related.good)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", [np.int32, np.uint16, np.float64, ">i8", list])
def test_rows_may_be_lists_or_arrays_of_any_number(tmp_path: Path, protocol: int, kind: Any) -> None:
    content = tiny_sets.oxford_gnd()
    for entry in content["gnd"]:
        for name in ("ok", "junk"):
            entry[name] = entry[name].tolist() if kind is list else entry[name].astype(kind)
        entry["bbx"] = tuple(np.float64(side) for side in entry["bbx"])
    queries = oxford5k(tiny_sets.gnd(tiny_sets.landmarks(tmp_path), "oxford5k", content, protocol=protocol))
    assert rows(queries, "good") == [{0, 1}, {0, 1}, {2, 4}]
    assert queries.read(0).shape == (3, 47, 29)


def test_a_malicious_list_is_refused_and_never_runs(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "sprung",)

    root = tiny_sets.gnd(tiny_sets.landmarks(tmp_path), "oxford5k", {**tiny_sets.oxford_gnd(), "imlist": Touch()})
    with pytest.raises(UserError, match=r"gnd_oxford5k\.pkl: refused.*was not run"):
        oxford5k(root)
    assert not (tmp_path / "sprung").exists()


def test_a_list_that_holds_itself_or_many_times_another_is_no_trap(tmp_path: Path) -> None:
    endless: list[object] = []
    endless.append(endless)
    root = tiny_sets.gnd(tiny_sets.landmarks(tmp_path), "oxford5k", {**tiny_sets.oxford_gnd(), "imlist": endless})
    with pytest.raises(UserError, match="refused"):
        oxford5k(root)
    laughs: list[object] = []
    for _ in range(60):
        laughs = [laughs] * 10
    tiny_sets.gnd(root, "oxford5k", {**tiny_sets.oxford_gnd(), "imlist": laughs})
    with pytest.raises(UserError, match="'imlist' must be a list of image names"):
        oxford5k(root)


def _changed(place: int | None, key: str, value: object) -> dict[str, Any]:
    content = tiny_sets.oxford_gnd()
    (content if place is None else content["gnd"][place])[key] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_changed(1, "ok", [0, 6]), "'ok' must hold places in imlist, 0 to 5, for every query"),
        (_changed(1, "junk", [-1]), "'junk' must hold places"),
        (_changed(1, "junk", [0.5]), "'junk' must hold places"),
        (_changed(1, "ok", None), "'ok' must hold places"),
        (_changed(1, "ok", ["x"]), "'ok' must hold places"),
        (_changed(0, "bbx", [1, 2, 3]), "'bbx' must be four numbers"),
        (_changed(0, "bbx", [1, 2, 3, float("nan")]), "'bbx' must be four numbers"),
        (_changed(0, "bbx", None), "'bbx' must be four numbers"),
        (_changed(None, "gnd", []), "an entry for each of the 3 names in qimlist"),
        (_changed(None, "gnd", [1, 2, 3]), "an entry for each"),
        (_changed(None, "qimlist", 3), "'qimlist' must be a list of image names"),
        (_changed(None, "qimlist", [*tiny_sets.LANDMARKS[:2], "gone_1"]), r"'gone_1', but there is no gone_1\.jpg"),
        (_changed(None, "imlist", [*tiny_sets.LANDMARKS, "gone_2"]), r"\.pkl names 'gone_2', but there is no"),
        (_changed(None, "imlist", [*tiny_sets.LANDMARKS, "radcliffe_9"]), "imlist names 'radcliffe_9' twice"),
    ],
)  # fmt: skip
def test_a_wrong_list_is_named(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    root = tiny_sets.gnd(tiny_sets.landmarks(tmp_path), "oxford5k", content)
    with pytest.raises(UserError, match=message) as caught:
        oxford5k(root)
    assert "gnd_oxford5k.pkl" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "all_souls_1_good",
            "all_souls_000099",
            r"all_souls_1_good\.txt names 'all_souls_000099', but there is no such",
        ),
        ("all_souls_1_good", "oxford_000317\noxford_000317", r"all_souls_1_good\.txt names 'oxford_000317' twice"),
        (
            "all_souls_1_query",
            "oxc1_all_souls_000013 1 2 3",
            r"all_souls_1_query\.txt: it must hold an image and its box",
        ),
        ("all_souls_1_query", "", "it must hold an image and its box"),
        ("all_souls_1_query", "oxc1_gone_1 1 2 3 4", r"names 'gone_1', but there is no gone_1\.jpg"),
        ("all_souls_1_query", "oxc1_all_souls_000013 a b c d", "it must hold an image and its box"),
    ],
)
def test_a_wrong_text_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    write_texts(tiny_sets.landmarks(tmp_path), {**TEXTS, name: text})
    with pytest.raises(UserError, match=message):
        oxford5k(tmp_path)


def test_a_missing_text_and_missing_lists_are_told(tmp_path: Path) -> None:
    root = tiny_sets.landmarks(tmp_path)
    with pytest.raises(UserError, match=r"has no gnd_oxford5k\.pkl nor \*_query\.txt files"):
        oxford5k(root)
    write_texts(root, TEXTS)
    (root / "bodleian_1_junk.txt").unlink()
    with pytest.raises(UserError, match=r"bodleian_1_junk\.txt does not exist"):
        oxford5k(root)
    with pytest.raises(UserError, match=r"jpg.jpg does not exist"):
        oxford5k(root / "jpg")


def test_paris_lies_in_folders_and_some_of_it_is_broken(tmp_path: Path) -> None:
    images = ["paris_defense_000605", "paris_defense_000001", "paris_louvre_000136"]
    for name in images:
        tiny_sets.picture(tmp_path / "jpg" / name.split("_")[1] / f"{name}.jpg")
    (tmp_path / "jpg" / "louvre" / "paris_louvre_000136.jpg").write_bytes(b"")
    texts = {
        "defense_1_query": "paris_defense_000605 0 0 24 40",
        "defense_1_good": "paris_defense_000001",
        "defense_1_ok": "",
        "defense_1_junk": "paris_louvre_000136",
    }
    write_texts(tmp_path / "paris_120310", texts)
    whole = paris6k(tmp_path)
    assert whole.against is not None
    with pytest.raises(UserError, match=r"paris_louvre_000136\.jpg: this is not an image"):
        whole.against.read(2)
    (tmp_path / "corrupt.txt").write_text("louvre/paris_louvre_000136.jpg\n")
    queries = paris6k(tmp_path)
    assert queries.against is not None
    assert queries.against.keys == ["jpg/defense/paris_defense_000001.jpg", "jpg/defense/paris_defense_000605.jpg"]
    assert (rows(queries, "good"), rows(queries, "junk")) == ([{0}], [set()])
    tiny_sets.picture(tmp_path / "jpg" / "copy" / "paris_defense_000605.jpg")
    with pytest.raises(UserError, match="jpg names 'paris_defense_000605' twice"):
        paris6k(tmp_path)


def test_two_queries_from_one_image_have_keys_of_their_own(tmp_path: Path) -> None:
    content = _changed(None, "qimlist", ["all_souls_000013", "all_souls_000013", "bodleian_000107"])
    queries = oxford5k(tiny_sets.gnd(tiny_sets.landmarks(tmp_path), "oxford5k", content))
    assert queries.keys == ["jpg/all_souls_000013.jpg#1", "jpg/all_souls_000013.jpg#2", "jpg/bodleian_000107.jpg"]


def test_a_revisited_query_that_is_searched_is_refused(tmp_path: Path) -> None:
    root = tiny_sets.roxford5k(tmp_path)
    content = pickle.loads((root / "gnd_roxford5k.pkl").read_bytes())
    content["imlist"] = tiny_sets.LANDMARKS[1:]
    tiny_sets.gnd(root, "roxford5k", content)
    with pytest.raises(UserError, match=r"the query 'all_souls_000026' is also in imlist, which it must not be"):
        roxford5k(root)
