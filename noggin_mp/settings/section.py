"""What every section of the configuration shares: frozen, closed, tolerant of an empty section."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from noggin_mp.settings import values


class Section(BaseModel):
    """A mapping of known keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=True,
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_means_defaults(cls, data: Any) -> Any:
        if data is None:
            return {}
        if not isinstance(data, Mapping) and not isinstance(data, cls):
            values.refuse(
                "must be a section with keys of its own", "indent its keys under it", hide=True
            )
        return data


def absent(text: str | None) -> Any:
    """The field of a section that may be left out; it is then made like an empty one."""
    return Field(default_factory=dict, description=text)
