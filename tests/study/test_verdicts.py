"""The headline is what the strongest informed attacker leaves, and nothing else."""

from __future__ import annotations

import math

from tiny_run import audit, row
from turncoat.study.diagnosis import diagnose
from turncoat.study.verdicts import verdicts


def test_sentences_of_a_believable_audit() -> None:
    assert [one.sentence for one in verdicts(audit())] == [
        "net: top1 falls from 90.0 % to 1.0 % [0.0, 3.0] at 8/255 (worst of 2 attacks)",
        "net behind jpeg: top1 falls from 88.0 % to 2.0 % [0.0, 4.0] at 8/255 (adaptive, worst of 2 attacks)",
    ]


def test_an_oblivious_attack_is_never_the_headline() -> None:
    rows = [*audit(), row(0.0, defense="jpeg", stance="oblivious", attack="strong")]
    assert verdicts(rows) == verdicts(audit())
    unknown = verdicts([one for one in audit() if one["stance"] != "adaptive"])[1]
    assert not unknown.adaptive
    assert math.isnan(unknown.attacked.value)
    assert "not evaluated adaptively" in unknown.sentence
    assert "60.0 %" in unknown.sentence
    assert "says nothing about robustness" in unknown.sentence


def test_the_largest_linf_budget_is_the_headline() -> None:
    rows = [*audit(), row(0.0, attack="cw", norm="l2", eps=None), row(0.0, attack="worst", norm="l2", eps=None)]
    assert verdicts(rows)[0].eps == 8 / 255
    assert verdicts(rows)[0].norm == "linf"
    only = [row(0.9, attack="clean"), *rows[-2:]]
    assert verdicts(only)[0].sentence == "net: top1 falls from 90.0 % to 0.0 % [0.0, 2.0] without a bound (cw alone)"


def test_one_attack_is_named_and_a_figure_that_stays_or_rises_is_not_said_to_fall() -> None:
    one = [row(0.9, attack="clean"), row(0.9), row(0.9, attack="worst")]
    assert verdicts(one)[0].sentence == "net: top1 stays at 90.0 % [88.0, 92.0] at 8/255 (pgd alone)"
    two = [row(0.9, attack="clean"), row(0.95), row(0.95, attack="worst")]
    assert "rises from 90.0 % to 95.0 %" in verdicts(two)[0].sentence


def test_a_bare_victim_that_was_not_attacked_says_so() -> None:
    (only,) = verdicts([row(0.9, attack="clean")])
    assert only.sentence == "net: top1 is 90.0 % [88.0, 92.0] on clean images; it was not attacked"
    assert not only.adaptive


def test_what_was_not_measured_is_not_said_to_fall() -> None:
    rows = [row(None, attack="clean"), row(None, attack="sign_noise"), row(None), row(None, attack="worst")]
    (one,) = verdicts(rows)
    assert one.sentence == "net: top1 could not be measured at 8/255 (worst of 2 attacks)"
    assert not [found for found in diagnose(rows) if "noise" in found.text]
