"""What maps.json holds: points and counts, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from pydantic import FiniteFloat, NonNegativeInt

Points = list[tuple[FiniteFloat, FiniteFloat]]


@dataclass(frozen=True)
class Crowd:
    """Whom the points show: `names` of groups with a colour, and the group of each point, -1 for any other."""

    names: list[str]
    group: list[int]

    def __post_init__(self) -> None:
        if any(not -1 <= one < len(self.names) for one in self.group):
            raise ValueError("maps.json has a point of a group that is not named")


@dataclass(frozen=True)
class Stop:
    """Where one attack at one budget has taken the points."""

    attack: str
    eps: FiniteFloat
    points: Points


@dataclass(frozen=True)
class Plane:
    """Clean points and where each attack takes them, all in the same plane.

    Two-dimensional features are shown as they are (`share` None). Of others the plane holds the unit descriptors
    along the two directions in which the clean ones differ most, which explain `share` of that; the origin is the zero
    vector, so that the opposite of a descriptor lies opposite.
    """

    share: FiniteFloat | None
    clean: Points
    stops: list[Stop]


@dataclass(frozen=True)
class Neighbours:
    """Clean and attacked points laid out together so that neighbours stay neighbours."""

    method: str
    attack: str
    eps: FiniteFloat
    clean: Points
    attacked: Points


@dataclass(frozen=True)
class Bars:
    """The counts of one attack at one budget, and how many queries have no such figure."""

    attack: str
    eps: FiniteFloat
    counts: list[NonNegativeInt]
    left_out: NonNegativeInt


@dataclass(frozen=True)
class Spread:
    """Counts between edges."""

    edges: list[FiniteFloat]
    bars: list[Bars]

    def __post_init__(self) -> None:
        if len(self.edges) < 2 or any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("maps.json has edges that do not rise")
        if any(len(one.counts) != len(self.edges) - 1 for one in self.bars):
            raise ValueError("maps.json has counts that do not fit their edges")


@dataclass(frozen=True)
class Map:
    """One victim behind one defence, under informed attacks with budgets in one norm."""

    task: str
    data: str
    victim: str
    defense: str
    norm: str
    crowd: Crowd
    plane: Plane | None
    neighbours: list[Neighbours]
    cosines: Spread | None
    shifts: Spread | None

    def __post_init__(self) -> None:
        clouds = [] if self.plane is None else [self.plane.clean, *(stop.points for stop in self.plane.stops)]
        clouds += [cloud for one in self.neighbours for cloud in (one.clean, one.attacked)]
        if any(len(cloud) != len(self.crowd.group) for cloud in clouds):
            raise ValueError("maps.json has points of nobody")
        if self.shifts is not None and (-1, 1) not in pairwise(self.shifts.edges):
            raise ValueError("maps.json has shifts without a bin for what has not moved")
