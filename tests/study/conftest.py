"""The small world in memory, for every study here."""

from tiny_world import in_memory

__all__ = ["in_memory"]
