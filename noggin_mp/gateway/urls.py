"""Which URL a request goes to, and which URLs are refused before anything is sent."""

import functools
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

from noggin_mp.domain import errors

MAX_URL_CHARS = 8000
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_SAFE = "%/:?#[]@!$&'()*+,;=-._~"  # what is already legal in a URL stays as it is
_STANDARD_PATH = "/media/file"
_TIP_MARK = "~tip~"  # legal in a URL, so that quoting leaves it alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Scheme, host (lower case, IDNA) and port: what the token is bound to."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Host, with the port where it is not the scheme's own: the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One URL that may be requested: its origin, and path with query."""

    origin: Origin
    path: str

    @property
    def label(self) -> str:
        """The URL without its query, fit for messages."""
        return f"{self.origin}{self.path.partition('?')[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A URL that is never requested. `reason` is `foreign_url` or `bad_url`."""

    reason: str
    detail: str


class _Unusable(ValueError):
    """The text is no http(s) URL that we would ask for."""


@functools.lru_cache(maxsize=64)
def base(url: str, *, key: str = "api.base_url") -> Target:
    """The configured address as a target; its path has no trailing slash.

    Raises: errors.ConfigError.
    """
    try:
        target = absolute(url)
    except _Unusable as error:
        shown = re.sub(r"//[^/]*@", "//...@", url.partition("?")[0])
        raise errors.ConfigError(
            f"{key} {shown!r} cannot be used, it {error}",
            remedy="give an address such as https://services.example.com",
        ) from None
    return Target(origin=target.origin, path=target.path.partition("?")[0].rstrip("/"))


def object_url(base_url: Target, *, endpoint: str, tip: str) -> Target:
    """`{base_url}/rest/object/<endpoint>/<tip>`."""
    path = f"{base_url.path}/rest/object/{_segment(endpoint)}/{_segment(tip)}"
    return Target(origin=base_url.origin, path=path)


def resolve_url(
    template: str, base_url: str, namespace: str, item_url: str, tip: str = ""
) -> Target | Refusal:
    """Where the attachment `item_url` of a record is fetched from, or why it is not.

    A bare `/media/file?...` goes through the configured `template`, with the item's own extra
    query parameters kept; any other path is taken below `base_url`. An absolute URL must have the
    origin of `base_url` or of `template`, http or https, and no user information.
    Raises: errors.ConfigError (base_url or template cannot be used).
    """
    home = base(base_url)
    media = template_origin(template, base_url)
    item = item_url.strip()
    if not item or len(item) > MAX_URL_CHARS or _FORBIDDEN.search(item):
        return Refusal(
            reason="bad_url", detail="the attachment's URL is empty, too long or garbled"
        )
    try:
        if item.startswith("//"):
            found = absolute(f"{home.origin.scheme}:{item}")
        elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", item):
            found = absolute(item)
        else:
            return _relative(template, home, base_url, namespace, item, tip)
    except _Unusable as error:
        return Refusal(reason="bad_url", detail=f"the attachment's URL {error}")
    if found.origin not in (home.origin, media):
        return Refusal(
            reason="foreign_url",
            detail=f"the attachment's URL points to {found.origin}, not to {home.origin}",
        )
    return found


@functools.lru_cache(maxsize=64)
def template_origin(template: str, base_url: str) -> Origin:
    """The origin that `api.media_url` leads to. Raises: errors.ConfigError."""
    filled = template.replace("{base_url}", base_url.rstrip("/"))
    return base(filled, key="api.media_url").origin


def _relative(
    template: str, home: Target, base_url: str, namespace: str, item: str, tip: str
) -> Target:
    path, _, query = item.partition("#")[0].partition("?")
    path = "/" + path.lstrip("/")
    pairs = parse_qsl(query, keep_blank_values=True)
    tip = tip or dict(pairs).get("tip", "")
    if path != _STANDARD_PATH or not tip:
        tail = quote(path, safe=_SAFE) + (f"?{quote(query, safe=_SAFE)}" if query else "")
        return Target(origin=home.origin, path=home.path + tail)
    filled = _filled(template, base_url, namespace)
    target_path = filled.path.replace(_TIP_MARK, _segment(tip))
    extra = [f"{_segment(n)}={_segment(v)}" for n, v in pairs if n not in filled.names]
    if extra:
        target_path += ("&" if "?" in target_path else "?") + "&".join(extra)
    return Target(origin=filled.origin, path=target_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filled:
    """A media template with all but the TIP in its place, and the parameters it names."""

    origin: Origin
    path: str
    names: frozenset[str]


@functools.lru_cache(maxsize=64)
def _filled(template: str, base_url: str, namespace: str) -> _Filled:
    target = absolute(
        template.replace("{base_url}", base_url.rstrip("/"))
        .replace("{namespace}", _segment(namespace))
        .replace("{tip}", _TIP_MARK)
    )
    pairs = parse_qsl(target.path.partition("?")[2], keep_blank_values=True)
    names = frozenset(name for name, _ in pairs) | {"ns", "tip"}
    return _Filled(origin=target.origin, path=target.path, names=names)


def _segment(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E") if set(text) == {"."} else quote(text, safe="")


def absolute(url: str) -> Target:
    """An absolute http(s) URL as a target. Raises: ValueError (its text follows "the URL")."""
    try:
        parts = urlsplit(url.strip())
        scheme, port = parts.scheme.lower(), parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii").lower()
    except (ValueError, UnicodeError):
        raise _Unusable("is malformed") from None
    if scheme not in _DEFAULT_PORTS:
        raise _Unusable("is not http or https")
    if "@" in parts.netloc:
        raise _Unusable("carries user information")
    if not host or _FORBIDDEN.search(url) or " " in host or "%" in host:
        raise _Unusable("has no usable host")
    path = quote(parts.path or "/", safe=_SAFE) + (
        f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    )
    origin = Origin(scheme=scheme, host=host, port=port or _DEFAULT_PORTS[scheme])
    return Target(origin=origin, path=path)
