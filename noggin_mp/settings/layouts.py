"""attachments.layout: a layout by name, or a jinja2 pattern compiled and tried out."""

import functools
from collections.abc import Mapping

import jinja2
import jinja2.meta
import jinja2.sandbox

from noggin_mp.domain import errors, paths
from noggin_mp.domain.paths import Layout

_PHOTO = "/{{ id }}_{{ yyyymmdd }}_photo_{{ number }}"
_SAMPLE = {
    "code": "LCD",
    "id": "LCD - 012345",
    "tip": "0" * 64,
    "date": "2025-10-23",
    "year": "2025",
    "month": "10",
    "day": "23",
    "yyyymmdd": "20251023",
    "long_date": "23 Oct 2025",
    "stub": "photo",
    "number": "001",
}


@functools.lru_cache(maxsize=8)
def compiled(text: str) -> Layout:
    """The layout that `text` names ("date", "type") or spells out as a jinja2 pattern.

    A pattern may use the names of paths.VALUES. One that uses `number` gives the path of a photo
    without its extension, such as `{{ year }}/{{ id }}/{{ id }}_{{ number }}`; any other gives the
    folder, and photos are called as in "date".

    Raises: ConfigError when the pattern is not jinja2, uses another name, or gives no folder.
    """
    named = paths.LAYOUTS.get(text.strip())
    if named is not None:
        return named
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # paths are not HTML; every component is made safe later
    )
    try:
        names = jinja2.meta.find_undeclared_variables(environment.parse(text))
        template = environment.from_string(text if "number" in names else text + _PHOTO)
    except (jinja2.TemplateError, RecursionError) as error:
        raise _wrong(text, error) from error

    def layout(values: Mapping[str, str]) -> str:
        try:
            return template.render(values)
        except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise _wrong(text, error) from error

    paths.check(layout, sample=_SAMPLE)
    return layout


def _wrong(text: str, error: Exception) -> errors.ConfigError:
    named = ", ".join(repr(name) for name in paths.LAYOUTS)
    return errors.ConfigError(
        f"attachments.layout {text!r} is no pattern: {error}",
        remedy=f"name {named}, or write a jinja2 pattern with {', '.join(paths.VALUES)}",
    )
