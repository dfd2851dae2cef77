"""Short forms of a study written out, and changes from the command line: `key.path=value`."""

from __future__ import annotations

from collections.abc import Mapping

import yaml
from pydantic import JsonValue

from turncoat.core.errors import UserError
from turncoat.tasks.threats import SCORED

PLURAL = ("data", "victims", "defenses", "attacks", "budgets", "seeds")


def change(document: dict[str, JsonValue], setting: str) -> None:
    """Apply one `key.path=value`; a number in the path is a place in a list."""
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise UserError(f"--set {setting}: write it as key=value, for example title=again")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"--set {setting}: {text!r} is not a YAML value") from None
    *path, last = key.split(".")
    node: object = document
    for one in (document, *_members(document.get("audits"))):
        one.update(in_lists(one))
    for part in path:
        node = _inside(_only(node, part), part, setting)
    node = _only(node, last)
    if isinstance(node, dict):
        node[last] = value
    elif isinstance(node, list) and last.isdecimal() and int(last) < len(node):
        node[int(last)] = value
    else:
        raise UserError(f"--set {setting}: there is no {key} here")


def _inside(node: object, part: str, setting: str) -> object:
    """What stands at `part`; a mapping that is not there yet is made, since most of them may be left out."""
    if isinstance(node, dict) and (part in node or not part.isdecimal()):
        if node.get(part) is None:
            node[part] = {}
        return node[part]
    if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
        return node[int(part)]
    raise UserError(f"--set {setting}: there is no {part!r} on the way")


def _only(node: object, part: str) -> object:
    """The one member of a list where no number says which."""
    return node[0] if isinstance(node, list) and len(node) == 1 and not part.isdecimal() else node


def _members(audits: object) -> list[dict[str, JsonValue]]:
    return [audit for audit in audits if isinstance(audit, dict)] if isinstance(audits, list) else []


def in_lists(audit: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The same audit with a list wherever several things may stand."""
    return {
        key: [item] if key in PLURAL and not isinstance(item, (list, tuple)) else item for key, item in audit.items()
    }


def every_threat(audits: object) -> object:
    """The audits as a study lists them; one of `ranking` with `threat: all` becomes nine, one for each threat."""
    if not isinstance(audits, (list, tuple)):
        return audits
    spread: list[object] = []
    for audit in audits:
        task = audit.get("task") if isinstance(audit, Mapping) else None
        if isinstance(task, Mapping) and (task.get("name"), task.get("threat")) == ("ranking", "all"):
            spread += [{**audit, "task": {**task, "threat": threat}} for threat in SCORED]
        else:
            spread.append(audit)
    return spread
