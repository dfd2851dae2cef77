"""The inhabitants of the built-in world and their attribute table."""

from __future__ import annotations

import numpy as np

from turncoat.data.street import ATTRIBUTES, GROUPS, Person


def table(people: range) -> np.ndarray:
    return np.array([Person.sample(identity).attributes() for identity in people])


def test_a_number_names_one_person() -> None:
    one, again, other = (Person.sample(identity) for identity in (31, 31, 32))
    assert one == again
    assert one.skin != other.skin
    assert one.face != other.face


def test_every_attribute_is_neither_rare_nor_universal() -> None:
    rates = table(range(1500)).mean(0)
    assert ((rates > 0.05) & (rates < 0.7)).all(), dict(zip(ATTRIBUTES, rates, strict=True))


def test_exclusive_attributes_exclude_each_other() -> None:
    rows = table(range(400))
    for names in (
        ("trousers", "jeans", "shorts", "skirt"),
        ("sneakers", "boots", "leather shoes", "sandals"),
        ("young", "adult", "elder"),
    ):
        assert (rows[:, [ATTRIBUTES.index(name) for name in names]].sum(1) == 1).all()
    assert (rows[:, [ATTRIBUTES.index(name) for name in ("backpack", "handbag", "plastic bag")]].sum(1) <= 1).all()


def test_attributes_go_together_as_on_a_real_street() -> None:
    rows = table(range(1500))

    def correlation(one: str, two: str) -> float:
        return float(np.corrcoef(rows[:, ATTRIBUTES.index(one)], rows[:, ATTRIBUTES.index(two)])[0, 1])

    assert correlation("long hair", "female") > 0.5
    assert correlation("beard", "female") < -0.2
    assert correlation("scarf", "short sleeves") < -0.1
    assert correlation("sandals", "short sleeves") > 0.15
    assert correlation("backpack", "young") > 0.1


def test_every_attribute_belongs_to_a_group() -> None:
    assert len(GROUPS) == len(ATTRIBUTES) == len(set(ATTRIBUTES))
    assert set(GROUPS) == {"head", "upper", "lower", "feet", "carry", "age", "gender"}
