"""The part of JSON Schema that our schema is written in, as an editor judges by it."""

import re
from typing import Any

KINDS: dict[str, Any] = {
    "integer": int, "number": (int, float), "string": str, "boolean": bool, "null": type(None),
    "object": dict, "array": list,
}  # fmt: skip
KEYWORDS = frozenset({
    "$ref", "anyOf", "enum", "type", "pattern", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "items", "properties", "additionalProperties",
    "$schema", "$defs", "title", "description", "default", "format",
})  # fmt: skip
"""What `fits` goes by, and what only tells something."""


def fits(value: Any, rule: Any, defs: dict[str, Any]) -> bool:
    """True when a value is valid."""
    if "$ref" in rule:
        return fits(value, defs[rule["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in rule and not any(fits(value, one, defs) for one in rule["anyOf"]):
        return False
    if "enum" in rule and not any(
        value == one and type(value) is type(one) for one in rule["enum"]
    ):
        return False
    wanted = rule.get("type", [])
    kinds = [wanted] if isinstance(wanted, str) else wanted
    if kinds and not any(isinstance(value, KINDS[kind]) for kind in kinds):
        return False
    if isinstance(value, bool):
        return not kinds or "boolean" in kinds
    if isinstance(value, str):
        return re.search(rule.get("pattern", ""), value) is not None
    if isinstance(value, int | float):
        return _within(value, rule)
    if isinstance(value, list):
        return all(fits(one, rule.get("items", {}), defs) for one in value)
    return not isinstance(value, dict) or _known(value, rule, defs)


def _within(value: float, rule: dict[str, Any]) -> bool:
    if not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        return False
    above, below = rule.get("exclusiveMinimum"), rule.get("exclusiveMaximum")
    return (above is None or value > above) and (below is None or value < below)


def _known(value: dict[str, Any], rule: dict[str, Any], defs: dict[str, Any]) -> bool:
    known, more = rule.get("properties", {}), rule.get("additionalProperties", {})
    return all(
        fits(one, known.get(key, more), defs) if key in known or more is not False else False
        for key, one in value.items()
    )
