"""The layered sections: breaker policy and pacing, per host and per role.

Layers: defaults < hosts.<host> < hosts.<host>.roles.<role>; what a layer does not name, it
inherits.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from noggin_mp.domain import pacing, redaction
from noggin_mp.settings import values
from noggin_mp.settings.section import Section, absent
from noggin_mp.settings.values import Flag, Int, Num, OffOrInt, OffOrNum

Value = str | int | float | bool | None
Percent = Annotated[Num, Field(gt=0, le=100)]
Seconds = Annotated[Num, Field(gt=0, le=86_400)]

_SHOWN_CHARS = 60

ALIASES = {"reset": "open_duration_s", "retry_after_cap": "retry_after_cap_s"}
"""Names of breaker fields as operators know them."""


class BreakerLayer(Section):
    """One layer of breaker policy; a field that is not given is inherited."""

    fail_max: Int = Field(
        5,
        ge=1,
        le=10_000,
        description="Consecutive failures, summed over the fleet's current streaks, that trip.",
    )
    failure_threshold_percent: Percent = Field(
        50, description="Trip when the share of failures in the last window reaches this."
    )
    sample_size: Int = Field(
        10, ge=1, le=100_000, description="Outcomes the window must hold before its share counts."
    )
    window_s: Seconds = Field(60, description="Length of the window, in seconds.")
    slow_call_s: OffOrNum = Field(
        None,
        gt=0,
        le=86_400,
        description="A call slower than this, in seconds, is a slow call; off = none is.",
    )
    slow_threshold_percent: OffOrNum = Field(
        None,
        gt=0,
        le=100,
        description="Trip when the share of slow calls in the window reaches this; off = never.",
    )
    open_duration_s: Seconds = Field(
        60, description="How long it stays open after the first trip, in seconds; alias: reset."
    )
    open_multiplier: Num = Field(
        2, ge=1, le=100, description="Each failed trial multiplies the open time by this."
    )
    open_max_s: Seconds = Field(900, description="The longest open time, in seconds.")
    open_jitter: Num = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share by which the open time varies at random.",
    )
    retry_after_cap_s: Seconds = Field(
        900,
        description="Upper bound for a server's Retry-After, in seconds; alias: retry_after_cap.",
    )
    success_threshold: Int = Field(
        2, ge=1, le=1000, description="Serial trial successes that close."
    )
    recovery_ramp_s: Num = Field(
        10,
        ge=0,
        le=86_400,
        description="After closing, permits grow from one to all over this time, in seconds.",
    )
    min_voters: Int = Field(
        2,
        ge=1,
        le=1000,
        description="Workers that must see failures before the fleet trips; at most the busy ones.",
    )
    pause_default_s: Seconds = Field(
        5, description="Pause for a 429 without a usable Retry-After, in seconds."
    )
    probe_deadline_s: Seconds = Field(10, description="Deadline of a probe request, in seconds.")
    mode: Annotated[Literal["enforce", "observe", "disabled"], values.Word] = Field(
        "enforce", description="enforce, observe (only record what would have tripped), disabled."
    )

    @model_validator(mode="before")
    @classmethod
    def _rename_aliases(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        renamed = dict(data)
        for alias, name in ALIASES.items():
            if alias in renamed and name in renamed:
                values.refuse(f'"{alias}" and "{name}" are one key', f'keep "{name}"')
            if alias in renamed:
                renamed[name] = renamed.pop(alias)
        return renamed


class BreakerRoles(Section):
    """Layers for the two roles of one host."""

    api: BreakerLayer = absent("Requests for objects (JSON).")
    media: BreakerLayer = absent("Requests for attachments.")


class BreakerHost(BreakerLayer):
    """The layer of one host."""

    roles: BreakerRoles = absent("Layers per role: api, media.")


def _rate(value: Any) -> str | None:
    if values.is_off(value):
        return None
    if not isinstance(value, str):
        values.refuse("must be a rate", 'write it like "10/s" or "10/s, 1000/h"')
    try:
        pacing.parse(value)
    except pacing.BadRate as error:
        if not str(error) and value.strip(" ,"):
            values.refuse("the same window is given twice", "keep one limit per window")
        part = redaction.scrub(str(error))[:_SHOWN_CHARS]
        values.refuse(f'"{part}" is no rate', 'write it like "10/s" or "10/s, 1000/h" (s, m, h, d)')
    return ", ".join(re.sub(r"\s+", "", part) for part in value.split(","))


Rate = Annotated[
    str | None,
    BeforeValidator(_rate),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"enum": [False, None]}]}),
]


class PacingLayer(Section):
    """One layer of pacing; a field that is not given is inherited."""

    rate: Rate = Field(
        None,
        description='Fleet-wide limit, several windows at once: "10/s, 1000/h"; off = no limit.'
        " Both roles share it, unless a role names its own.",
    )
    max_concurrent: OffOrInt = Field(
        None,
        ge=1,
        le=100_000,
        description="Requests in flight at most, over the whole fleet; off = no limit."
        " Both roles share it, unless a role names its own.",
    )
    adaptive: Flag = Field(
        False,
        description="Lower the rate on 429 and 5xx, raise it slowly afterwards. Needs a rate.",
    )


class PacingRoles(Section):
    """Layers for the two roles of one host."""

    api: PacingLayer = absent("Requests for objects (JSON).")
    media: PacingLayer = absent("Requests for attachments.")


class PacingHost(PacingLayer):
    """The layer of one host."""

    roles: PacingRoles = absent("Layers per role: api, media.")


Layer = TypeVar("Layer", BreakerHost, PacingHost)


def _normal_hosts(hosts: Mapping[str, Layer]) -> dict[str, Layer]:
    normal: dict[str, Layer] = {}
    for written, layer in hosts.items():
        try:
            host = values.normal_host(written)
        except ValueError:
            values.refuse(
                f'"{written}" is no host name', "write the bare name, like api.example.com"
            )
        if host in normal:
            values.refuse(f'the host "{host}" is listed twice in different spellings', "keep one")
        normal[host] = layer
    return normal


def _no_hosts(data: Any) -> Any:
    return {} if data is None else data


class Breaker(Section):
    """When the fleet stops asking, and how it starts again."""

    disabled: Flag = Field(
        False,
        description="true = nothing trips; pauses (429), auth stops (401) and acts by hand hold.",
    )
    defaults: BreakerLayer = absent("The policy of every host.")
    hosts: Annotated[dict[str, BreakerHost], BeforeValidator(_no_hosts)] = Field(
        {}, description="What differs for a host: its name, then any field of defaults, and roles."
    )

    _normal = field_validator("hosts")(_normal_hosts)

    def policy(self, host: str, role: str) -> dict[str, Value]:
        """Every field of the policy of `host` and `role`, all layers merged."""
        merged = _merge(self.defaults, self.hosts.get(host), role)
        return merged | {"mode": "disabled"} if self.disabled else merged


class Pacing(Section):
    """How fast the fleet may ask."""

    defaults: PacingLayer = absent("The limits of every host.")
    hosts: Annotated[dict[str, PacingHost], BeforeValidator(_no_hosts)] = Field(
        {}, description="What differs for a host: its name, then any field of defaults, and roles."
    )

    _normal = field_validator("hosts")(_normal_hosts)

    def policy(self, host: str, role: str) -> dict[str, Value]:
        """Every field of the limits of `host` and `role`, all layers merged."""
        return _merge(self.defaults, self.hosts.get(host), role)

    def scope(self, host: str, role: str, key: str) -> str:
        """What the limit `key` of `role` counts: the whole host, or a role that names its own."""
        layer = self.hosts.get(host)
        own = layer is not None and key in getattr(layer.roles, role).model_fields_set
        return f"{host}:{role}" if own else host


def _merge(
    defaults: BreakerLayer | PacingLayer, host: BreakerHost | PacingHost | None, role: str
) -> dict[str, Value]:
    if role not in ("api", "media"):
        raise ValueError(f"{role!r} is no role")
    layers: list[Section] = [] if host is None else [host, getattr(host.roles, role)]
    merged: dict[str, Value] = {
        name: getattr(defaults, name) for name in type(defaults).model_fields
    }
    for layer in layers:
        for name in layer.model_fields_set - {"roles"}:
            merged[name] = getattr(layer, name)
    return merged
