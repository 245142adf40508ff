"""Rules that tie several keys together; each is one function from settings to complaints."""

from collections.abc import Callable, Iterator

from noggin_mp.settings import expand, notifying, secret_files, secrets
from noggin_mp.settings.document import KeyPath
from noggin_mp.settings.schema import Settings

Given = Callable[[KeyPath], bool]
Complaint = tuple[tuple[KeyPath, ...], str, str]
"""The keys at odds (reported at the first one that is given), what is wrong, what to do."""


def complaints(settings: Settings, given: Given) -> Iterator[Complaint]:
    """Every rule broken by `settings`; `given` tells whether somebody wrote the key."""
    yield from _token(settings)
    yield from _times(settings, given)
    yield from _retry(settings)
    yield from _folders(settings)
    yield from _breakers(settings)
    yield from _pacing(settings)
    yield from notifying.complaints(settings.notify)


def notes(settings: Settings) -> Iterator[Complaint]:
    """What works but deserves a look."""
    api = settings.api
    if not api.namespace:
        yield (_key("api.namespace"),), "api.namespace is empty", "the API wants one: set it"
    if not secrets.has_source(settings):
        yield (_key("api.token"),), "there is no token", "set api.token_file or api.token"
    if api.base_url.startswith("http://") and not _is_loopback(api.host):
        yield (
            (_key("api.base_url"),),
            "api.base_url is not https: the token travels in the clear",
            "write https://",
        )
    if api.token_file is not None and not secret_files.is_there(api.token_file):
        yield (
            (_key("api.token_file"),),
            f"there is no file {api.token_file}",
            "create it with mode 0600, holding only the token",
        )
    elif api.token_file is not None and secret_files.is_open_to_all(api.token_file):
        yield (
            (_key("api.token_file"),),
            f"{api.token_file} can be read by every user",
            secret_files.closing(api.token_file),
        )
    yield from notifying.notes(settings.notify)


def _key(dotted: str) -> KeyPath:
    return tuple(dotted.split("."))


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


def _token(settings: Settings) -> Iterator[Complaint]:
    api = settings.api
    given = {"token": api.token, "token_file": api.token_file, "token_command": api.token_command}
    names = [f"api.{name}" for name, value in reversed(given.items()) if value]
    if len(names) > 1:
        named = f"{', '.join(reversed(names[1:]))} and {names[0]}"
        yield (
            tuple(map(_key, names)),
            f"{named} are {'both' if len(names) == 2 else 'all'} given",
            "keep one of them",
        )


def _times(settings: Settings, given: Given) -> Iterator[Complaint]:
    api, queue, fleet = settings.api, settings.queue, settings.fleet
    if queue.lease_s <= api.deadline_s:
        yield (
            (_key("queue.lease_s"), _key("api.deadline_s")),
            f"queue.lease_s ({queue.lease_s:g}) must be above api.deadline_s ({api.deadline_s:g}):"
            " else a lease runs out during one request",
            "raise queue.lease_s or lower api.deadline_s",
        )
    for name in ("connect_timeout_s", "read_timeout_s"):
        value = getattr(api, name)
        if value > api.deadline_s and given(("api", name)):
            yield (
                (_key(f"api.{name}"), _key("api.deadline_s")),
                f"api.{name} ({value:g}) is above api.deadline_s ({api.deadline_s:g})"
                " and can never be reached",
                "lower it or raise api.deadline_s",
            )
    if queue.poll_s > queue.lease_s / 3:
        yield (
            (_key("queue.poll_s"), _key("queue.lease_s")),
            f"queue.poll_s ({queue.poll_s:g}) must not be above a third of queue.lease_s"
            f" ({queue.lease_s:g}), when leases are renewed",
            "lower queue.poll_s",
        )
    if fleet.watchdog_s <= queue.poll_s:
        yield (
            (_key("fleet.watchdog_s"), _key("queue.poll_s")),
            f"fleet.watchdog_s ({fleet.watchdog_s:g}) must be above queue.poll_s"
            f" ({queue.poll_s:g}): else waiting workers are replaced",
            "raise fleet.watchdog_s",
        )


def _retry(settings: Settings) -> Iterator[Complaint]:
    retry = settings.retry
    if retry.max_s < retry.backoff_base_s:
        yield (
            (_key("retry.max_s"), _key("retry.backoff_base_s")),
            f"retry.max_s ({retry.max_s:g}) is below retry.backoff_base_s"
            f" ({retry.backoff_base_s:g})",
            "raise retry.max_s",
        )


def _folders(settings: Settings) -> Iterator[Complaint]:
    paths = settings.paths
    for first, second in (("input", "output"), ("state", "output"), ("state", "input")):
        if getattr(paths, first) == getattr(paths, second):
            yield (
                (_key(f"paths.{second}"), _key(f"paths.{first}")),
                f"paths.{first} and paths.{second} are the same folder",
                "give each a folder of its own",
            )
    if paths.output != paths.input and paths.output.is_relative_to(paths.input):
        yield (
            (_key("paths.output"), _key("paths.input")),
            "paths.output lies inside paths.input, which is searched for CSV files",
            "move it out",
        )


def _breakers(settings: Settings) -> Iterator[Complaint]:
    defaults: KeyPath = ("breaker", "defaults")
    layers: list[tuple[str, str, tuple[KeyPath, ...]]] = [("", "api", (defaults,))]
    for host in settings.breaker.hosts:
        here: KeyPath = ("breaker", "hosts", host)
        layers += [
            (host, role, ((*here, "roles", role), here, defaults)) for role in ("api", "media")
        ]
    seen = set()
    for host, role, places in layers:
        policy = settings.breaker_policy(host, role)
        for low, high in (
            ("open_duration_s", "open_max_s"),
            ("pause_default_s", "retry_after_cap_s"),
        ):
            least, most = policy[low], policy[high]
            if not isinstance(least, int | float) or not isinstance(most, int | float):
                continue
            if most >= least or (low, least, most) in seen:
                continue
            seen.add((low, least, most))
            yield (
                tuple((*place, name) for place in places for name in (high, low)),
                f"{expand.dotted(places[-2] if host else defaults)}: {high} ({most:g}) is below"
                f" {low} ({least:g})",
                f"raise {high} or lower {low}",
            )


def _pacing(settings: Settings) -> Iterator[Complaint]:
    defaults: KeyPath = ("pacing", "defaults")
    for host in {settings.api.host: None, **settings.pacing.hosts}:
        here: KeyPath = ("pacing", "hosts", host)
        for role in ("api", "media"):
            policy = settings.pacing_policy(host, role)
            if policy["adaptive"] and policy["rate"] is None:
                places = ((*here, "roles", role), here, defaults)
                yield (
                    tuple((*place, name) for place in places for name in ("adaptive", "rate")),
                    f"pacing of {host}, {role}: adaptive needs a rate to adapt",
                    'give it one, like rate: "10/s"',
                )
                return
