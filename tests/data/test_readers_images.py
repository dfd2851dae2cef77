"""Image files of every kind arrive as the same uint8 RGB tensor, and broken ones as one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from turncoat.core.errors import UserError
from turncoat.data.images import image_reader, list_images, native_reader, read_image


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_rgb_pixels_arrive_unchanged_with_channels_first(tmp_path: Path) -> None:
    pixels = noise(5, 7)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.dtype == torch.uint8
    assert image.shape == (3, 5, 7)
    assert image.is_contiguous()
    assert np.array_equal(image.numpy().transpose(1, 2, 0), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_and_seen_by_the_size_check(tmp_path: Path, orientation: int) -> None:
    upright = noise(4, 6)
    turns = {  # what a camera stores so that the EXIF orientation brings the upright picture back
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turns[orientation])).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(upright).save(tmp_path / "upright.png")
    read = image_reader([tmp_path / "turned.png", tmp_path / "upright.png"], size=None)
    assert torch.equal(read(0), read(1))


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0] = 200
    pixels[0, :, 3] = (0, 128, 255)
    Image.fromarray(pixels, "RGBA").save(tmp_path / "a.png")
    opacity = pixels[0, :, 3] / 255
    expected = pixels[0, :, :3] * opacity[:, None] + 255 * (1 - opacity[:, None])
    assert np.abs(read_image(tmp_path / "a.png")[:, 0].numpy().T - expected).max() <= 1


def test_a_transparent_palette_colour_becomes_white_and_the_others_stay(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png", transparency=0)
    assert read_image(tmp_path / "a.png")[:, 0].T.tolist() == [[255, 255, 255], [40, 50, 60]]


def test_grey_bilevel_and_cmyk_become_rgb(tmp_path: Path) -> None:
    Image.new("L", (2, 2), 77).save(tmp_path / "grey.pgm")
    Image.new("1", (2, 2), 1).save(tmp_path / "one_bit.png")
    Image.new("LA", (2, 2), (77, 255)).save(tmp_path / "grey_alpha.png")
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "print.tif")
    assert read_image(tmp_path / "grey.pgm").unique().tolist() == [77]
    assert read_image(tmp_path / "one_bit.png").unique().tolist() == [255]
    assert read_image(tmp_path / "grey_alpha.png").unique().tolist() == [77]
    assert read_image(tmp_path / "print.tif")[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_keep_their_high_byte(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 255, 256, 40000, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    assert read_image(tmp_path / f"a.{suffix}")[1, 0].tolist() == [0, 0, 1, 156, 255]


def test_resizing_is_bilinear_height_first(tmp_path: Path) -> None:
    picture = Image.fromarray(noise(9, 5))
    picture.save(tmp_path / "a.bmp")
    expected = np.asarray(picture.resize((4, 8), Image.Resampling.BILINEAR))
    assert np.array_equal(read_image(tmp_path / "a.bmp", size=(8, 4)).numpy().transpose(1, 2, 0), expected)


def test_files_are_listed_in_natural_order_without_strangers(tmp_path: Path) -> None:
    names = ["10.JPG", "2.jpg", "b1.webp", "1.png", "Thumbs.db", ".hidden.jpg", "notes.txt", "a.tif"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    expected = ["1.png", "2.jpg", "10.JPG", "a.tif", "b1.webp"]
    assert [path.name for path in list_images(tmp_path)] == expected


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "ppm", "webp", "tif"])
def test_every_cut_short_file_is_one_line_that_names_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(noise(16, 16)).save(path)
    content = path.read_bytes()
    for length in range(0, len(content) // 2, 7):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match="cut") as caught:
            read_image(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_missing_file_a_text_and_a_folder_each_have_their_line(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not an image")
    with pytest.raises(UserError, match=r"gone\.jpg: there is no such image file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(UserError, match=r"text\.jpg: this is not an image"):
        read_image(tmp_path / "text.jpg")
    with pytest.raises(UserError, match="cannot be read"):
        read_image(tmp_path)


def test_pixels_of_unknown_range_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(np.full((2, 2), 70000, np.int32)).save(tmp_path / "wide.tif")
    with pytest.raises(UserError, match=r"float\.tif.*floating-point"):
        read_image(tmp_path / "float.tif")
    with pytest.raises(UserError, match=r"wide\.tif.*32-bit"):
        read_image(tmp_path / "wide.tif")


def test_an_oversized_image_is_refused_and_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pgm"
    path.write_bytes(b"P5 40000 40000 255\n")
    with pytest.raises(UserError, match=r"bomb\.pgm.*cannot be read"):
        read_image(path)


def test_the_reader_reads_when_asked_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "late.png"
    read = image_reader([path], size=(4, 4))
    Image.fromarray(noise(4, 4)).save(path)
    assert read(0).shape == (3, 4, 4)


@pytest.mark.parametrize("size", [(0, 4), (4,), (4.5, 4), (4, 4, 3)])
def test_a_senseless_size_is_told_at_once(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="height, width"):
        image_reader([tmp_path / "a.png"], size=size)


def test_a_box_is_cut_out_in_whole_pixels_and_inside_the_image(tmp_path: Path) -> None:
    pixels = noise(20, 30)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    cut = read_image(tmp_path / "a.png", box=(3.4, 5.6, 12.2, 99))
    assert np.array_equal(cut.numpy().transpose(1, 2, 0), pixels[6:20, 3:12])
    for box in [(30, 0, 40, 10), (5, 5, 5, 9), (9, 5, 3, 9), (-9, 0, 0, 4)]:
        with pytest.raises(
            UserError, match=r"a\.png: the box .* holds nothing of an image 30 wide and 20 high"
        ) as caught:
            read_image(tmp_path / "a.png", box=box)
        assert "cannot be read" not in str(caught.value)


def test_a_box_is_in_the_pixels_that_are_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = noise(8, 12)
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "turned.png", box=(0, 0, 12, 4)).numpy().transpose(1, 2, 0), pixels[:4])


def test_native_images_shrink_to_the_longest_side_and_never_grow(tmp_path: Path) -> None:
    for name, (height, width) in {"a": (60, 30), "b": (10, 90), "c": (20, 20)}.items():
        Image.fromarray(noise(height, width)).save(tmp_path / f"{name}.png")
    read = native_reader([tmp_path / f"{name}.png" for name in "abc"], longest=30)
    assert [tuple(read(row).shape) for row in range(3)] == [(3, 30, 15), (3, 3, 30), (3, 20, 20)]
    with pytest.raises(UserError, match="longest is 0"):
        native_reader([], longest=0)


def test_cut_outs_need_a_size_to_share(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give size="):
        image_reader([tmp_path / "a.png"], size=None, boxes=[(0, 0, 1, 1)])
