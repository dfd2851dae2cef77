"""The built-in world: a street of drawn people, the same on every machine, for demos and tests without a download."""

from turncoat.data.street.labels import ATTRIBUTES, GROUPS
from turncoat.data.street.person import Person

__all__ = ["ATTRIBUTES", "GROUPS", "Person"]
