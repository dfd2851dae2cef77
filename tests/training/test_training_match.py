"""A network that does not fit the data is told, and looking at it changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.tasks.samples import Samples
from turncoat.training.match import require_match


class Scores(nn.Module):
    """Six scores, only while training if so wished."""

    def __init__(self, *, always: bool) -> None:
        super().__init__()
        self.always = always
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(3, 6)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        embedding = self.drop(self.norm(images.mean((2, 3))))
        shown = self.training or self.always
        return {"embedding": embedding, **({"logits": self.head(embedding)} if shown else {})}


def _samples(**truth: Tensor) -> Samples:
    return Samples("few", ["a", "b"], lambda row: torch.full((3, 4, 4), 9 * row, dtype=torch.uint8), truth)


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("truth", [{"label": torch.tensor([5, 0])}, {"attributes": torch.zeros(2, 6).long()}])
def test_what_fits_is_left_as_it_was(always: bool, truth: dict[str, Tensor]) -> None:
    network = Scores(always=always).eval()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    state = torch.random.get_rng_state()
    require_match(network, _samples(**truth))
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(values.requires_grad for values in network.parameters())


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize(
    ("truth", "told"),
    [
        ({"label": torch.tensor([6, 0])}, "few has 7 classes, but the network knows 6: give it 7"),
        ({"attributes": torch.zeros(2, 1).long()}, "few has 1 attributes, but the network scores 6: give it 1"),
        ({"attributes": torch.zeros(2, 7).long()}, "few has 7 attributes, but the network scores 6: give it 7"),
    ],
)
def test_what_does_not_fit_is_told(always: bool, truth: dict[str, Tensor], told: str) -> None:
    with pytest.raises(UserError, match=told):
        require_match(Scores(always=always), _samples(**truth))
