"""Outputs and truth: named tensors, and clear words for the ones that are missing."""

from __future__ import annotations

import pytest
import torch

from turncoat.core.errors import UserError
from turncoat.core.outputs import KINDS, Outputs, concatenate
from turncoat.core.truth import as_columns, column, rows


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_own_name(kind: str) -> None:
    given = {name: torch.full((2, 3), float(place)) for place, name in enumerate(KINDS)}
    assert torch.equal(getattr(Outputs(given), kind), given[kind])
    missing = Outputs({name: value for name, value in given.items() if name != kind}, "guard")
    with pytest.raises(UserError, match=f"guard gives .* but {kind} is needed"):
        getattr(missing, kind)
    with pytest.raises(UserError, match="gives nothing"):
        getattr(Outputs({}), kind)


def test_detaching_keeps_values_and_source_and_drops_the_graph() -> None:
    leaf = torch.ones(2, 3, requires_grad=True)
    detached = Outputs({"logits": leaf * 2}, "guard").detach()
    assert not detached.logits.requires_grad
    assert torch.equal(detached.logits, torch.full((2, 3), 2.0))
    assert detached.source == "guard"


def test_batches_are_joined_kind_by_kind() -> None:
    parts = [Outputs({"logits": torch.full((n, 2), float(n)), "embedding": torch.zeros(n, 3)}, "guard") for n in (1, 2)]
    joined = concatenate(parts)
    assert joined.logits[:, 0].tolist() == [1, 2, 2]
    assert joined.embedding.shape == (3, 3)
    assert joined.source == "guard"


def test_truth_is_a_label_columns_or_nothing() -> None:
    labels = torch.tensor([1, 2])
    assert torch.equal(as_columns(labels)["label"], labels)
    columns = {"person": labels}
    assert as_columns(columns) is columns
    assert as_columns(None) == {}
    assert torch.equal(column(columns, "person"), labels)
    with pytest.raises(UserError, match="holds person, but 'label' is needed"):
        column(columns, "label")
    with pytest.raises(UserError, match="holds nothing"):
        column({}, "label")


def test_rows_picks_the_same_samples_of_every_column() -> None:
    columns = {"label": torch.arange(4), "other": torch.arange(8).view(4, 2)}
    picked = rows(columns, torch.tensor([3, 1]))
    assert picked["label"].tolist() == [3, 1]
    assert picked["other"].tolist() == [[6, 7], [2, 3]]
