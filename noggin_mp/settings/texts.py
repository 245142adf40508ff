"""The kinds of text a key may hold: DSN, origin, template, label, command, address, zone..."""

import re
import shlex
import socket
import zoneinfo
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, WithJsonSchema

from noggin_mp.domain import errors
from noggin_mp.settings import values
from noggin_mp.settings.values import Text

LAYOUTS = ("date", "type")
_MOST_LAYOUT_CHARS = 4096
MEDIA_PARTS = frozenset({"base_url", "namespace", "tip"})


def host_of(url: str) -> str:
    """The host of an http(s) origin as scopes carry it; refuses what is more than an origin."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        values.refuse(f"is no URL: {error}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        values.refuse("must start with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        values.refuse("must not hold a user or password", "the token goes to api.token")
    if parts.query or parts.fragment:
        values.refuse("must not hold a query or fragment")
    try:
        return values.normal_host(parts.hostname)
    except ValueError:
        return values.refuse("holds no valid host name")


def short_host_name() -> str:
    """This machine's name up to the first dot, made fit for a label."""
    name = socket.gethostname().split(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)[:63] or "localhost"


def _dsn(dsn: str) -> str:
    dsn = dsn.strip()
    if dsn and not re.match(r"postgres(ql)?://|\w+\s*=", dsn):
        # Not shown: where the password stands in something that is no DSN, nobody can tell.
        remedy = "write it like postgresql://user@host:5432/name"
        values.refuse("is no Postgres DSN", remedy, hide=True)
    return dsn


def _schema(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name) or name.startswith("pg_"):
        values.refuse("is no plain schema name", "use lower-case letters, digits and _")
    return name


def _origin(url: str) -> str:
    url = url.strip().rstrip("/")
    host_of(url)
    return url


def _media_url(url: str) -> str:
    unknown = set(re.findall(r"\{([^{}]*)\}", url)) - MEDIA_PARTS
    if unknown:
        names = ", ".join(sorted(f"{{{name}}}" for name in unknown))
        values.refuse(f"has the unknown part {names}", "use {base_url}, {namespace}, {tip}")
    if "{tip}" not in url:
        values.refuse("must contain {tip}")
    if not re.match(r"\{base_url\}|https?://", url):
        values.refuse("must start with {base_url}, http:// or https://")
    return url


def _host_label(value: Any) -> str:
    name = values.text(value).strip() or short_host_name()
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,63}", name):
        values.refuse("is no host label", "use up to 63 letters, digits, '.', '_' and '-'")
    return name


def _layout(layout: str) -> str:
    layout = layout.strip()
    if layout in LAYOUTS:
        return layout
    if "{{" not in layout:
        values.refuse("is neither date nor type nor a pattern with {{ ... }}")
    if len(layout) > _MOST_LAYOUT_CHARS:
        values.refuse(f"is longer than {_MOST_LAYOUT_CHARS:,} characters, and so is no path")
    from noggin_mp.settings import layouts  # a pattern is rare; nobody else waits for jinja2

    try:
        layouts.compiled(layout)
    except errors.ConfigError as error:
        values.refuse(f"is unusable: {error.message}", error.remedy)
    return layout


def _command(line: str) -> str:
    try:
        words = shlex.split(line)
    except ValueError as error:
        values.refuse(f"is no command line: {str(error).lower()}", "close every quote")
    if words and not words[0]:
        values.refuse("must begin with a program")
    return line.strip()


def _checksums(hashes: list[str]) -> list[str]:
    if "sha256" not in hashes:
        values.refuse("must contain sha256", "write [sha256] or [sha256, md5]")
    if len(set(hashes)) < len(hashes):
        values.refuse("names a checksum twice")
    return hashes


def _bind(bind: str) -> str:
    bind = bind.strip()
    if bind.lower() in ("", "off"):
        return ""
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]*):(\d{1,5})", bind)
    if not found or int(found[2]) > 65_535:
        values.refuse("is no host:port", "write it like 127.0.0.1:9109, or off")
    return bind


def _zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        values.refuse("is no time zone this machine knows", "write it like Australia/Perth")
    return name


def _secret(value: Any) -> SecretStr | None:
    if isinstance(value, SecretStr):
        return value
    text = values.text(value).strip()
    return SecretStr(text) if text else None


Dsn = Annotated[Text, AfterValidator(_dsn)]
SchemaName = Annotated[Text, AfterValidator(_schema)]
Command = Annotated[Text, AfterValidator(_command)]
Origin = Annotated[Text, AfterValidator(_origin)]
MediaUrl = Annotated[Text, AfterValidator(_media_url)]
HostLabel = Annotated[str, BeforeValidator(_host_label)]
Layout = Annotated[Text, AfterValidator(_layout)]
Checksums = AfterValidator(_checksums)
Bind = Annotated[
    Text,
    BeforeValidator(lambda value: "off" if value is False else value),
    AfterValidator(_bind),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"enum": [False, None]}]}),
]
Zone = Annotated[Text, AfterValidator(_zone)]
Secret = Annotated[
    SecretStr | None,
    BeforeValidator(_secret),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
]
