"""The built-in world: a street of drawn people, the same on every machine, for demos and tests without a download."""
