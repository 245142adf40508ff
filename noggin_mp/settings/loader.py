"""Finds the configuration, reads it, and gives settings or every fault in it at once."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from noggin_mp.domain import errors
from noggin_mp.settings import (
    breaker_forms,
    breaker_layers,
    checks,
    document,
    expand,
    faults,
    overlay,
    values,
)
from noggin_mp.settings.document import Document, KeyPath, Place
from noggin_mp.settings.schema import Settings

PLACES = (Path("config/noggin.yaml"), Path("/etc/noggin-mp/noggin.yaml"))
"""Where the configuration is looked for when neither -c nor NOGGIN_CONFIG names it."""

VARIABLE = "NOGGIN_CONFIG"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings, and where they come from.

    `file` is None when no file was found and everything is a default. `origins` tells for each
    given key (as a path) where it is written. `notes` work but deserve a look.
    """

    settings: Settings
    file: Path | None
    files: tuple[Path, ...]
    origins: Mapping[KeyPath, Place]
    notes: tuple[errors.Problem, ...]
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What each file holds, by its path."""
    empty: frozenset[str] = frozenset()
    """The paths of files in which nothing is written."""


def load(
    path: Path | None,
    *,
    env: Mapping[str, str],
    options: breaker_forms.Options = breaker_forms.NONE,
) -> Settings:
    """The settings in `path`, or in the first file found; defaults when there is none.

    The breaker's forms in `env`, and then those in `options`, are laid over it.

    Raises: ConfigError with every problem found.
    """
    return read(path, env=env, options=options).settings


def find(path: Path | None, *, env: Mapping[str, str]) -> tuple[Path | None, str]:
    """The file to read and who named it (`-c`, `NOGGIN_CONFIG`, or empty when it was found)."""
    if path is not None:
        return path, "-c"
    if env.get(VARIABLE):
        return Path(env[VARIABLE]), VARIABLE
    return next((place for place in PLACES if _is_there(place)), None), ""


def read(
    path: Path | None,
    *,
    env: Mapping[str, str],
    options: breaker_forms.Options = breaker_forms.NONE,
) -> Loaded:
    """The settings with their origins. Raises: ConfigError with every problem found."""
    file, named_by = find(path, env=env)
    if file is None:
        return _validated(Document(empty=True), file=None, files=(), env=env, options=options)
    folder = file.parent / "conf.d"
    try:
        # Without what editors hide there while they are at work (.#50-rates.yaml).
        found = (one for one in folder.iterdir() if not one.name.startswith("."))
        drop_ins = sorted(one for one in found if one.suffix == ".yaml")
    except FileNotFoundError:
        drop_ins = []
    except OSError as error:
        raise _error(
            file, [Place(file=str(folder)).problem(f"cannot be read: {error.strerror}")], ()
        ) from None
    if named_by == VARIABLE and not _is_there(file):
        problem = Place(file=str(file)).problem(
            f"there is no such file (named by {VARIABLE})", f"create it or unset {VARIABLE}"
        )
        raise _error(file, [problem], ())
    files = (file, *drop_ins)
    documents = {one: document.read(one) for one in files}
    return _loaded(documents, file=file, env=env, options=options)


def read_again(
    texts: Mapping[str, str],
    *,
    env: Mapping[str, str],
    options: breaker_forms.Options = breaker_forms.NONE,
) -> Loaded:
    """The settings in the texts of files that were read before, by path, the main one first.

    Raises: ConfigError, as the environment may be another one.
    """
    documents = {Path(name): document.parse(text, name=name) for name, text in texts.items()}
    return _loaded(documents, file=next(iter(documents)), env=env, options=options)


def _loaded(
    documents: Mapping[Path, Document],
    *,
    file: Path,
    env: Mapping[str, str],
    options: breaker_forms.Options,
) -> Loaded:
    whole = overlay.merged(list(documents.values()))
    made = _validated(whole, file=file, files=tuple(documents), env=env, options=options)
    return dataclasses.replace(
        made,
        texts={str(name): one.text for name, one in documents.items()},
        empty=frozenset(str(name) for name, one in documents.items() if one.empty),
    )


def _is_there(path: Path) -> bool:
    """False only when there is nothing; what may not be looked at is there, and gets told so."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _validated(
    whole: Document,
    *,
    file: Path | None,
    files: tuple[Path, ...],
    env: Mapping[str, str],
    options: breaker_forms.Options,
) -> Loaded:
    name = str(file) if file else "the defaults"
    for at in (whole.keys, whole.places):
        at.update(_normal_hosts(at))
    places = faults.Places(file=name, keys=whole.keys, values=whole.places)
    expansion = expand.expand(whole, env=env, defaults=_defaults())
    forms = breaker_forms.parse(env=env, options=options, hosts=_hosts(expansion.data))
    data = breaker_layers.lay(expansion.data, forms.settings, whole)
    problems = [*whole.problems, *expansion.problems, *forms.problems]
    settings, refused, dropped = _settings(data, places)
    problems += refused
    unsure = {*whole.broken, *expansion.dropped, *dropped}
    for keys, message, remedy in checks.complaints(settings, lambda p: places.given(p) is not None):
        if not any(_touches(key, unsure) for key in keys):
            problems.append(places.first_given(keys).problem(message, remedy))
    if problems:
        raise _error(file, problems, files)
    notes = [
        places.first_given(keys).problem(message, remedy)
        for keys, message, remedy in checks.notes(settings)
    ]
    notes += _strays(forms.settings, settings.api.host)
    if file is None:
        notes.insert(0, Place(file="noggin-mp").problem("no file was found: all is default"))
    elif whole.empty:
        notes.insert(0, Place(file=name).problem("the file is empty: all is default"))
    return Loaded(
        settings=settings,
        file=file,
        files=files,
        origins=whole.places,
        notes=tuple(notes),
    )


def _normal_hosts(places: Mapping[KeyPath, Place]) -> dict[KeyPath, Place]:
    """The places under `hosts` again, under the hosts' normal names, as the settings have them."""
    normal = {}
    for path, place in places.items():
        if len(path) > 2 and path[0] in ("breaker", "pacing") and path[1] == "hosts":
            with contextlib.suppress(ValueError):
                normal[(*path[:2], values.normal_host(str(path[2])), *path[3:])] = place
    return normal


def _hosts(data: Mapping[str, Any]) -> list[str]:
    return breaker_layers.hosts(data, base_url=Settings().api.base_url)


def _strays(forms: Sequence[breaker_forms.Setting], host: str) -> list[errors.Problem]:
    """A note for each form that is about a host nothing is asked of."""
    return [
        Place(file=origin).problem(f"no request goes to {named}", f"the API's host is {host}")
        for named, origin in breaker_forms.named_hosts(forms)
        if named != host
    ]


def _touches(key: KeyPath, unsure: set[KeyPath]) -> bool:
    """True when `key`, or what holds it, or something in it, is one of `unsure`."""
    return any(key[: len(path)] == path[: len(key)] for path in unsure)


def _settings(
    data: dict[str, Any], places: faults.Places
) -> tuple[Settings, list[errors.Problem], list[KeyPath]]:
    """Settings from what is valid, the faults of the rest, and the paths left out."""
    problems: list[errors.Problem] = []
    dropped: list[KeyPath] = []
    while True:
        try:
            return Settings.model_validate(data), problems, dropped
        except ValidationError as error:
            for path, problem in faults.problems(error, places):
                problems.append(problem)
                dropped.append(path)
                data = _without(data, path)


def _without(data: Any, path: KeyPath) -> Any:
    """`data` without the value at `path`; an item of a list takes its whole list with it."""
    if not isinstance(data, dict) or not path or path[0] not in data:
        return data
    head, rest = path[0], path[1:]
    left = dict(data)
    if not rest or not isinstance(data[head], dict) or rest[0] not in data[head]:
        del left[head]
        return left
    left[head] = _without(data[head], rest)
    return left


def _defaults() -> dict[str, Any]:
    return Settings().model_dump(by_alias=True)


def _error(
    file: Path | None, problems: list[errors.Problem], files: tuple[Path, ...]
) -> errors.ConfigError:
    order = {str(name): at for at, name in enumerate(files)}
    ordered = tuple(
        sorted(problems, key=lambda p: (order.get(p.file, -1), p.line or 0, p.column or 0))
    )
    if all(map(breaker_forms.from_options, ordered)):
        count = f"the options have {len(ordered)} faults"
        return errors.OptionsError(
            str(ordered[0]) if len(ordered) == 1 else count, problems=ordered
        )
    if len(ordered) == 1:
        return errors.ConfigError(str(ordered[0]), problems=ordered)
    return errors.ConfigError(
        f"the configuration {file or ''} has {len(ordered)} faults", problems=ordered
    )
