"""Breaker policy as operators write it on a command line and in the environment.

`--breaker HOST=fail_max:5,reset:60`, `NOGGIN_BREAKER__API_EXAMPLE_COM=fail_max:5` and their like
are read into single settings, in the order in which they are laid over the file. Pure: nothing is
read but what is handed in.
"""

import dataclasses
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from noggin_mp.domain import errors
from noggin_mp.settings import breaker_pairs as pairs
from noggin_mp.settings import policies, values
from noggin_mp.settings.document import KeyPath, Place

PREFIX: Final = "NOGGIN_BREAKER"
DEFAULTS: Final = f"{PREFIX}_DEFAULTS"
DISABLED: Final = f"{PREFIX}_DISABLED"
HOST: Final = f"{PREFIX}__"
ROLE: Final = f"{PREFIX}_ROLE__"
ROLES: Final = tuple(policies.BreakerRoles.model_fields)
VARIABLES: Final = (DEFAULTS, DISABLED, f"{HOST}<HOST>", f"{ROLE}<HOST>__<ROLE>")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The values of `--breaker-defaults`, `--breaker` and `--breaker-role`, as they were typed."""

    defaults: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


NONE: Final = Options()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key set by a form. `host` and `role` say whose layer; `origin` names option or variable.

    `key` is a field of the layer, or `disabled`, which is the whole section's.
    """

    key: str
    value: policies.Value
    origin: str
    host: str | None = None
    role: str | None = None

    @property
    def path(self) -> KeyPath:
        """Where the key stands in the configuration."""
        if self.key == "disabled":
            return ("breaker", "disabled")
        if self.host is None:
            return ("breaker", "defaults", self.key)
        roles = () if self.role is None else ("roles", self.role)
        return ("breaker", "hosts", self.host, *roles, self.key)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What the forms say, the weakest first, and everything that is wrong with them."""

    settings: tuple[Setting, ...] = ()
    problems: tuple[errors.Problem, ...] = ()


def parse(*, env: Mapping[str, str], options: Options, hosts: Sequence[str]) -> Parsed:
    """Environment, then command line; in each of them defaults, hosts, roles.

    `hosts` are the normal names of those that the configuration names: a variable's name, in which
    dots and dashes cannot stand, is matched with them and with the hosts of `options`.
    """
    line = _Reader()
    line.options(options)
    known = {*hosts, *(one.host for one in line.settings if one.host)}
    variables = _Reader()
    variables.variables(env, sorted(known))
    return Parsed(
        settings=(*_ordered(variables.settings), *_ordered(line.settings)),
        problems=(*variables.problems, *line.problems),
    )


def from_options(problem: errors.Problem) -> bool:
    """True for a problem in an option of the command line."""
    return problem.file.startswith("--")


def from_forms(origin: str) -> bool:
    """True when `origin` names an option or a variable of the breaker."""
    return origin.startswith(("--breaker", PREFIX))


def host_key(host: str) -> str:
    """A host as a variable's name spells it: what is neither letter nor digit is `_`."""
    return re.sub(r"[^a-z0-9]", "_", host)


def _ordered(settings: Sequence[Setting]) -> list[Setting]:
    return sorted(settings, key=lambda one: (one.host is not None, one.role is not None))


class _Reader:
    """Gathers settings and problems of one source."""

    def __init__(self) -> None:
        self.settings: list[Setting] = []
        self.problems: list[errors.Problem] = []

    def options(self, options: Options) -> None:
        """The command line. What is given twice is taken from the last."""
        for text in options.defaults:
            self._pairs(text, origin="--breaker-defaults")
        for text in options.hosts:
            self._option("--breaker", text, _host_of)
        for text in options.roles:
            self._option("--breaker-role", text, _host_and_role_of)

    def variables(self, env: Mapping[str, str], hosts: Sequence[str]) -> None:
        """The environment, in the order of names; a variable that is empty counts as not set."""
        for name in sorted(env):
            if env[name].strip() and (name == PREFIX or name.startswith(f"{PREFIX}_")):
                try:
                    self._variable(name, env[name], hosts)
                except pairs.Fault as fault:
                    self._refuse(name, fault.message, fault.remedy)

    def _variable(self, name: str, text: str, hosts: Sequence[str]) -> None:
        if name == DISABLED:
            flag = {"1": True, "true": True, "0": False, "false": False}.get(text.strip().lower())
            if flag is None:
                raise pairs.Fault(
                    f"must be 1 or 0 ({pairs.shown(text)})", "write 1, or 0 for false"
                )
            self.settings.append(Setting(key="disabled", value=flag, origin=name))
        elif name == DEFAULTS:
            self._pairs(text, origin=name)
        elif name.startswith(ROLE):
            written, _, role = name.removeprefix(ROLE).rpartition("__")
            if not written:
                raise pairs.Fault(
                    "names no role", f"write {ROLE}<HOST>__API or {ROLE}<HOST>__MEDIA"
                )
            self._pairs(text, origin=name, host=_matched(written, hosts), role=_role(role))
        elif name.startswith(HOST):
            self._pairs(text, origin=name, host=_matched(name.removeprefix(HOST), hosts))
        else:
            raise pairs.Fault("is no variable of noggin-mp", _variable_remedy(name))

    def _option(self, option: str, text: str, scope_of: "_ScopeOf") -> None:
        scope, equals, rest = text.partition("=")
        try:
            if not equals:
                raise pairs.Fault(
                    f"{pairs.shown(text)} has no = between {scope_of.form} and its keys",
                    f"write {option} {scope_of.form}={pairs.EXAMPLE}",
                )
            host, role = scope_of(scope.strip())
        except pairs.Fault as fault:
            self._refuse(option, fault.message, fault.remedy)
        else:
            self._pairs(rest, origin=f"{option} {scope.strip()}", host=host, role=role)

    def _pairs(
        self, text: str, *, origin: str, host: str | None = None, role: str | None = None
    ) -> None:
        """`key:value,key:value` as settings; each faulty piece is a problem of its own."""
        seen: dict[str, str] = {}
        for piece in text.split(","):
            try:
                key, value = pairs.read(piece.strip(), origin)
                if key in seen:
                    raise pairs.twice(piece.strip(), key, seen[key])
            except pairs.Fault as fault:
                self._refuse(origin, fault.message, fault.remedy)
                continue
            seen[key] = piece.strip()
            path = Setting(key=key, value=value, origin=origin, host=host, role=role).path
            rival = next((one for one in self.settings if one.path == path), None)
            if rival is not None and not origin.startswith("--"):
                # The environment has no order in which one of them could be the last.
                message = f"{pairs.shown(piece.strip())}: {rival.origin} sets it too"
                self._refuse(origin, message, "keep one of the two variables")
                continue
            self.settings = [one for one in self.settings if one is not rival]
            self.settings.append(Setting(key=key, value=value, origin=origin, host=host, role=role))

    def _refuse(self, origin: str, message: str, remedy: str) -> None:
        self.problems.append(Place(file=origin).problem(message, remedy))


class _ScopeOf:
    """How the part before `=` is read, and how it is written."""

    def __init__(self, form: str, *, with_role: bool) -> None:
        self.form = form
        self._with_role = with_role

    def __call__(self, written: str) -> tuple[str, str | None]:
        """Host and role. Raises: Fault."""
        if not self._with_role:
            return _host(written), None
        host, colon, role = written.rpartition(":")
        if not colon or written.endswith("]"):
            raise pairs.Fault(
                f"{pairs.shown(written)} names no role", f"write {written}:api or :media"
            )
        return _host(host), _role(role)


_host_of = _ScopeOf("HOST", with_role=False)
_host_and_role_of = _ScopeOf("HOST:ROLE", with_role=True)


def _host(written: str) -> str:
    """The normal name of a host; an IPv6 address stands in brackets. Raises: Fault."""
    head, colon, tail = written.rpartition(":")
    bracketed = written.startswith("[") and written.endswith("]")
    if "//" in written or "/" in written:
        raise pairs.Fault(
            f"{pairs.shown(written)} is no host name", "write the bare name, without a URL"
        )
    if colon and not bracketed:
        if tail.lower() in ROLES:
            raise pairs.Fault(
                f"{pairs.shown(written)} names a role", "use --breaker-role for one role"
            )
        if tail.isdecimal() and ":" not in head.strip("[]"):
            raise pairs.Fault(
                f"{pairs.shown(written)} has a port", f"write {head}: a host has one breaker"
            )
        raise pairs.Fault(
            f"{pairs.shown(written)} is no host name", "an IPv6 address stands in brackets: [::1]"
        )
    try:
        return values.normal_host(written)
    except ValueError:
        raise pairs.Fault(
            f"{pairs.shown(written)} is no host name", "write the bare name, like api.example.com"
        ) from None


def _role(written: str) -> str:
    role = written.strip().lower()
    if role not in ROLES:
        raise pairs.Fault(
            f"{pairs.shown(written)} is no role",
            pairs.near(role, ROLES) or f"write {' or '.join(ROLES)}",
        )
    return role


def _matched(written: str, hosts: Sequence[str]) -> str:
    """The host that a variable's name means. Raises: Fault.

    A name that spells its host out (with a dot, a dash or brackets; `env` and containers can set
    such variables) is taken by its word. Otherwise `_` matches whatever is no letter and no digit;
    when no known host fits, it stands for a dot.
    """
    if not re.fullmatch(r"\w+", written, re.ASCII):
        return _host(written)
    found = [host for host in hosts if host_key(host) == written.lower()]
    if len(found) > 1:
        raise pairs.Fault(
            f"{pairs.shown(written)} fits more than one host: {', '.join(found)}",
            "use --breaker HOST=... or the file, where the host can be spelt out",
        )
    try:
        return found[0] if found else values.normal_host(written.replace("_", "."))
    except ValueError:
        raise pairs.Fault(
            f"{pairs.shown(written)} fits no host: known here are {', '.join(hosts)}",
            "write the host's name with _ for each dot and dash",
        ) from None


def _variable_remedy(name: str) -> str:
    rest = name.removeprefix(PREFIX).lstrip("_")
    if rest.startswith("ROLE"):
        return f"write {ROLE}<HOST>__<ROLE>"
    known = {one.removeprefix(f"{PREFIX}_"): one for one in (DEFAULTS, DISABLED)}
    near = difflib.get_close_matches(rest, known, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{known[near[0]]}"?'
    return f"write {HOST}{rest}" if rest else f"known: {', '.join(VARIABLES)}"


def named_hosts(settings: Sequence[Setting]) -> Iterator[tuple[str, str]]:
    """Each host that a form names, with the form's origin, once."""
    yield from dict.fromkeys((one.host, one.origin) for one in settings if one.host is not None)
