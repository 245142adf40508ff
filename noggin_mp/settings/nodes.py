"""YAML nodes read one by one, so that every fault knows its file, line and column."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import yaml

from noggin_mp.domain import errors


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy that names the known word nearest to `word`, or "" when none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads the nodes of one file and gathers in `problems` what is wrong with them."""

    file: str
    problems: list[errors.Problem] = field(default_factory=list)

    def fault(self, node: yaml.Node, message: str, remedy: str = "") -> None:
        mark = node.start_mark
        self.problems.append(
            errors.Problem(
                file=self.file,
                line=mark.line + 1,
                column=mark.column + 1,
                message=message,
                remedy=remedy,
            )
        )

    def mapping(
        self,
        node: yaml.Node,
        what: str,
        *,
        known: tuple[str, ...] = (),
        required: tuple[str, ...] = (),
    ) -> dict[str, yaml.Node]:
        """The values of a mapping by key; unknown, repeated and missing keys are faults."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, f"{what} must be a mapping (key: value)")
            return {}
        found: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self.text(key_node)
            if key in found:
                self.fault(key_node, f"{key} is given twice")
            elif known and key not in known:
                remedy = did_you_mean(key, known) or f"the keys are {', '.join(known)}"
                self.fault(key_node, f"{what} has no key {key!r}", remedy)
            else:
                found[key] = value
        for key in required:
            if key not in found:
                self.fault(node, f"{what} lacks {key}")
        return found

    def items(self, node: yaml.Node) -> list[str]:
        if not isinstance(node, yaml.SequenceNode):
            self.fault(node, "this must be a list")
            return []
        return [self.text(item) for item in node.value]

    def text(self, node: yaml.Node, *, empty: bool = False) -> str:
        """The scalar as it is written, so that `NO` or `on` stays a word."""
        if not isinstance(node, yaml.ScalarNode):
            self.fault(node, "this must be a single value")
            return ""
        if not node.value and not empty:
            self.fault(node, "this must not be empty")
        return str(node.value)

    def word(self, node: yaml.Node, form: re.Pattern[str], what: str, rule: str) -> str:
        text = self.text(node)
        if text and not form.fullmatch(text):
            self.fault(node, f"{what} {text!r} is not {rule}")
        return text
