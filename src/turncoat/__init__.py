"""Turncoat measures and hardens visual recognition against adversarial attack."""

__version__ = "0.1.0"
