"""The torchvision work-around: only where its compiled part cannot be loaded, and then it suffices."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from turncoat.models.torchvision_shim import prepare_torchvision
prepare_torchvision()
prepare_torchvision()
import torchvision
print(hasattr(torch.ops.torchvision, "nms"))
"""


def imported_with(folder: Path) -> str:
    """What a fresh interpreter says that finds this torchvision first."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_missing_operators_are_declared_where_the_compiled_part_is_broken(tmp_path: Path) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    # Like the real one: registers a shape rule for an operator that the compiled part was to declare.
    (package / "__init__.py").write_text(
        "import torch\n@torch.library.register_fake('torchvision::nms')\ndef fake(dets, scores, iou): return dets\n"
    )
    (package / "_C.so").write_bytes(b"built for another machine")
    assert imported_with(tmp_path) == "True"


def test_a_torchvision_that_loads_is_left_alone(tmp_path: Path) -> None:
    import torch

    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("")
    loadable = Path(torch.__file__).parent / "lib" / "libc10.so"
    (package / "_C.so").symlink_to(loadable)
    assert imported_with(tmp_path) == "False"
