"""YAML syntax errors for people: the place, the reason, a hint, and the line with a caret.

The excerpt never shows a secret: what stands behind `token:` or a password is masked.
"""

import re

import yaml

from noggin_mp.domain import errors, redaction

# Both look at each character a few times at most: a line may be a megabyte of one word.
_KEY = re.compile(r"(?<![\w.-])[\d.-]*+[A-Za-z_][\w.-]*+[\"']?\s*+:")
_SECRET_KEY = re.compile(
    r"(token|password|secret|credential|dsn|webhook)\w{0,99}[\"']?\s*:\s*", re.I
)
_HINTS = (
    ("mapping values are not allowed", "a value with ': ' in it needs quotes"),
    ("'\\t' that cannot start", "indent with spaces, not tabs"),
    ("cannot start any token", "a value that starts with this character needs quotes"),
    ("found unexpected end of stream", "a quote is opened and not closed"),
    ("expected <block end>", "the indentation differs from the lines around it"),
    ("could not find expected ':'", "write `key: value`, with a space after the colon"),
    ("expected ',' or '}'", "a value that starts with { needs quotes"),
    ("expected ',' or ']'", "close the [ or put the value in quotes"),
    ("but found another document", "one file holds one document: take the second --- out"),
    ("undefined alias", "a value that starts with * needs quotes"),
    ("expected alphabetic or numeric", "a value that starts with * or & needs quotes"),
)


def syntax_problem(error: yaml.YAMLError, text: str, name: str) -> errors.Problem:
    """The problem that `error` tells of in `text`."""
    if isinstance(error, yaml.reader.ReaderError):
        at = int(error.position)
        line = text.count("\n", 0, at) + 1
        column = at - text.rfind("\n", 0, at)
        message = f"the character U+{_code(error):04X} is not allowed in YAML"
        return errors.Problem(file=name, line=line, column=column, message=message,
                              remedy="take it out")  # fmt: skip
    mark = getattr(error, "problem_mark", None)
    reason = str(getattr(error, "problem", None) or "unreadable")
    if mark is None:
        return errors.Problem(file=name, message=f"is not valid YAML: {reason}")
    hint = next((hint for key, hint in _HINTS if key in reason), "")
    context = getattr(error, "context_mark", None)
    since = ""
    if context is not None and context.line != mark.line and not hint.startswith("one file"):
        since = f" (in what began at line {context.line + 1})"
    lines = text.splitlines() or [""]
    at_line = min(mark.line, len(lines) - 1)
    if _is_secret(lines, at_line):
        reason = re.sub(r"'[^']*'", "'...'", reason)
    message = f"is not valid YAML: {reason}{since}"
    if hint:
        message += f"; {hint}"
    message += "\n" + _caret(lines, at_line, mark.column if at_line == mark.line else None)
    return errors.Problem(file=name, line=mark.line + 1, column=mark.column + 1, message=message)


def _code(error: yaml.reader.ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(error.character[:1] or "?")


def _is_secret(lines: list[str], at: int) -> bool:
    """True when the nearest key at or above line `at` holds a secret."""
    for line in reversed(lines[: at + 1]):
        if _SECRET_KEY.search(line):
            return True
        if _KEY.search(line):
            return False
    return False


def _masked(lines: list[str], at: int) -> str:
    line = lines[at]
    found = _SECRET_KEY.search(line)
    if found:
        return line[: found.end()] + re.sub(r"\S", "*", line[found.end() :])
    if _is_secret(lines, at):
        return re.sub(r"\S", "*", line)
    return redaction.scrub(line)


def _caret(lines: list[str], at: int, column: int | None) -> str:
    line = _masked(lines, at).replace("\t", " ")
    at_column = len(line) if column is None else column
    start = max(0, at_column - 90)
    number = str(at + 1)
    return (
        f"  {number} | {line[start : start + 110]}\n"
        f"  {' ' * len(number)} | {' ' * (at_column - start)}^"
    )
