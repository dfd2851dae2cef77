"""The rows of summary.json with types: what the diagnosis and the report read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from turncoat.study.cells import ADAPTIVE, CLEAN, CONTROLS, NONE, OBLIVIOUS
from turncoat.tasks.metrics.estimate import NOTHING, Estimate

WORST = "worst"
Front = tuple[str, str, str, str]

_WRONGS = ("success", "dodging", "impersonation", "far_", "eer", "flip")


@dataclass(frozen=True)
class Line:
    """One row: who was attacked how, what was measured, and what it cost."""

    task: str
    data: str
    victim: str
    defense: str
    stance: str
    attack: str
    norm: str
    eps: float | None
    seed: int | None
    n: int
    metrics: Mapping[str, Estimate]
    forwards: int
    backwards: int
    seconds: float
    noise: bool = False
    surrogate: str = ""
    threat: str = ""
    left_out: int = 0
    untrained: bool = False

    @property
    def front(self) -> Front:
        """What was attacked."""
        return self.task, self.data, self.victim, self.defense

    @property
    def budget(self) -> float:
        """The budget as a number to sort by; without a bound it is infinite."""
        return math.inf if self.eps is None else self.eps

    @property
    def headline(self) -> str:
        """The name of the task's first figure."""
        return next(iter(self.metrics), "")

    @property
    def estimate(self) -> Estimate:
        """The headline figure."""
        return self.metrics.get(self.headline, NOTHING)

    @property
    def informed(self) -> bool:
        """Whether the attacker knew all that stands in front of the victim: only then is the figure a headline."""
        return self.stance == (NONE if self.defense == NONE else ADAPTIVE)

    @property
    def control(self) -> bool:
        """Whether it is noise, which any attack must beat."""
        return self.noise

    @property
    def resaved(self) -> bool:
        """Whether it is clean images again, after they were saved to a file."""
        return self.attack.startswith(f"{CLEAN}, ") and not self.eps

    @property
    def hostile(self) -> bool:
        """Whether it is one attack: neither clean images nor the worst of several attacks."""
        return self.attack not in (CLEAN, WORST) and not self.resaved

    @property
    def foreign(self) -> bool:
        """Whether the images were made on another victim: a matter of transfer, and no figure of this victim's own."""
        return bool(self.surrogate)


def lines(rows: Iterable[Mapping[str, object]]) -> list[Line]:
    """Rows of summary.json with types; ValueError for one that is not such a row."""
    return [_line(row) for row in rows]


def _line(row: Mapping[str, object]) -> Line:
    metrics = row["metrics"]
    if not isinstance(metrics, Mapping):
        raise ValueError("a row of summary.json has no metrics")
    eps, seed = row["eps"], row["seed"]
    return Line(
        task=str(row["task"]),
        data=str(row["data"]),
        victim=str(row["victim"]),
        defense=str(row["defense"]),
        stance=str(row["stance"]),
        attack=str(row["attack"]),
        norm=str(row["norm"]),
        eps=None if eps is None else _number(eps),
        seed=None if seed is None else int(_number(seed)),
        n=int(_number(row["n"])),
        metrics={
            str(name): Estimate(*(_number(one[end]) for end in ("value", "low", "high")))
            for name, one in metrics.items()
        },
        forwards=int(_number(row["forwards"])),
        backwards=int(_number(row["backwards"])),
        seconds=_number(row["seconds"]),
        noise=bool(row.get("control", str(row["attack"]) in CONTROLS)),
        surrogate=str(row.get("surrogate", "")),
        threat=str(row.get("threat", "")),
        left_out=int(_number(row.get("left_out", 0))),
        untrained=bool(row.get("untrained", False)),
    )


def _number(value: object) -> float:
    if value is None:
        return math.nan
    if not isinstance(value, (int, float)):
        raise ValueError(f"a row of summary.json has {value!r} where a number belongs")
    return float(value)


def plain(estimate: Estimate) -> dict[str, float | None]:
    """A figure as summary.json has it."""
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: None if math.isnan(number) else float(number) for name, number in numbers.items()}


def in_order(table: Sequence[Line]) -> list[Line]:
    """Defence by defence: clean first, then budget by budget, the oblivious attacker last."""
    defenses = list(dict.fromkeys(line.defense for line in table))
    attacks = list(dict.fromkeys(line.attack for line in table))

    def place(line: Line) -> tuple[int, bool, bool, str, float, int]:
        knowledge = line.hostile or line.attack == WORST, line.stance == OBLIVIOUS
        return defenses.index(line.defense), *knowledge, line.norm, line.budget, attacks.index(line.attack)

    return sorted(table, key=place)


def is_error(metric: str) -> bool:
    """Whether a figure counts what went wrong, so that higher is worse for the defender."""
    return metric.startswith(_WRONGS)


def percent(estimate: Estimate) -> str:
    """A share with its interval: 91.3 % [88.0, 93.9]."""
    if math.isnan(estimate.value):
        return "not measured"
    return f"{100 * estimate.value:.1f} %{interval(estimate)}"


def interval(estimate: Estimate) -> str:
    """The interval of a share with a space before it, or nothing where there is none."""
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return ""
    return f" [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def eps_text(eps: float | None, norm: str) -> str:
    """A budget as people write it: 8/255 where it is that, with the norm where it is not Linf."""
    if eps is None or math.isinf(eps):
        return "free" if norm == "l2" else "-"
    grey = eps * 255
    if norm != "linf":
        return f"{eps:.4g} {norm}"
    return "0" if eps == 0 else f"{grey:.0f}/255" if abs(grey - round(grey)) < 1e-6 else f"{eps:.4g}"
