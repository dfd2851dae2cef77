"""The files of a run: finished shards of per-sample records, written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.truth import Columns
from turncoat.tasks.task import Records


@dataclass(frozen=True)
class Store:
    """A folder `records/` of Parquet files named by the hash of all that determines them, and JSON files beside it.

    Merging two runs is copying their records; resuming is skipping what is there. The seconds a shard took lie in a
    file of their own, so that the records of two equal runs are equal bytes.
    """

    folder: Path

    def records(self, key: str) -> Path:
        return self.folder / "records" / f"{key}.parquet"

    def has(self, key: str) -> bool:
        return self.records(key).is_file()

    def clear(self) -> None:
        """Forget everything computed; UserError for a folder that holds something else than a run."""
        if self.folder.exists() and not (self.folder / "study.json").is_file() and any(self.folder.iterdir()):
            raise UserError(f"{self.folder} is not a run: choose another --out")
        for name in ("records", "pictures", "features", "descriptors", "crafted", "learned"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def write_shard(self, key: str, columns: Columns, keys: Sequence[str], seconds: float) -> None:
        """Write one finished shard; `columns` are tensors with one row per sample, `keys` the samples' names."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({"key": list(keys), **{name: _column(values) for name, values in columns.items()}})
        self.write_json(f"records/{key}.json", {"seconds": seconds})
        path = self.records(key)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        pq.write_table(table, partial)
        os.replace(partial, path)

    def write_features(self, key: str, features: Tensor) -> None:
        """Keep what the victim made of the first samples of a shard, float32 `[N, D]`, for pictures of it."""
        self.write_array(f"features/{key}.npy", features)

    def features(self, keys: Sequence[str]) -> NDArray[np.float32]:
        """What was kept of several shards, in the order of the samples, as far as something was kept."""
        paths = [self.folder / f"features/{key}.npy" for key in keys]
        kept = [np.load(path, allow_pickle=False) for path in paths if path.is_file()]
        return np.concatenate(kept) if kept else np.zeros((0, 0), dtype=np.float32)

    def read(self, keys: Sequence[str]) -> Records:
        """The records of several shards, in the order of the samples."""
        return self.query("SELECT * FROM read_parquet($files) ORDER BY index", keys)

    def query(self, sql: str, keys: Sequence[str]) -> Records:
        """A DuckDB query over the records of some shards, which it sees as `$files`."""
        import duckdb

        files = [str(self.records(key)) for key in keys]
        with duckdb.connect() as connection:
            found: dict[str, NDArray[np.generic]] = connection.execute(sql, {"files": files}).fetchnumpy()
        return {name: np.ma.getdata(values) for name, values in found.items()}

    def seconds(self, keys: Sequence[str]) -> float:
        return sum(float(self.read_json(f"records/{key}.json")["seconds"]) for key in keys)

    def write_json(self, name: str, content: object, *, indent: int | None = 1) -> None:
        """Write JSON to be read by people, or with `indent` None in one line."""
        self.write_bytes(name, (json.dumps(content, indent=indent, allow_nan=False) + "\n").encode())

    def read_json(self, name: str) -> dict[str, float]:
        content: dict[str, float] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return content

    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def write_array(self, name: str, values: Tensor) -> None:
        """Write float32 values as a .npy file."""
        file = io.BytesIO()
        np.save(file, values.detach().cpu().float().numpy())
        self.write_bytes(name, file.getvalue())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_bytes(content)
        os.replace(partial, path)


def hashed(*parts: str) -> str:
    """The name of what is made of these parts and of nothing else."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()


def _column(values: Tensor) -> object:
    array = values.detach().cpu().numpy()
    return list(array) if array.ndim > 1 else array
