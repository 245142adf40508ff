"""Synthetic values of single fields: prose, plates, numbers, booleans. No real person appears."""

import datetime
import functools
import random

from noggin_mp.simulator import entities, shapes

PERTH_AHEAD_S = 8 * 3600
FIRST_DAY = datetime.date(2023, 1, 2)
DAYS = 1000
PEOPLE = frozenset({"inspectedBy", "driverLoaderName", "personCompleting", "personsCompleting"})
DIGITS = frozenset({"jobNumber", "runNumber"})
NUMBER_AS_TEXT = 0.05  # share of numbers that arrive as strings
_CHOICES = {"preStartStatus": ("Safe to operate", "Defect noted", "Out of service")}
_FLEET = ("Own fleet", "Contractor")
_SENTENCES = (
    "Load secured with webbing straps and edge protection in place.",
    "Gates, pins and twist locks were checked before departure.",
    "Two straps showed wear and were replaced on site.",
    "Housekeeping around the loading bay was good, walkways were clear.",
    "Dunnage aligned and within the headboard height.",
    "The tyre tread on the rear axle is close to its limit; workshop informed.",
    "No further action is needed at this time.",
    "Mass was spread evenly over the deck, centre of gravity kept low.",
    "Operator explained the restraint method and knew the guide.",
    "Lighting at the far end of the yard remains poor, reported again.",
    "Chains tensioned, dogs locked and re-checked after the first 50 km.",
    "A spill kit was missing from bay 4 \u2013 replaced the same day.",
    "Temperature in the shed reached 38 \u00b0C, extra breaks were agreed.",
    "The caf\u00e9 car park was used as a lay-by, which is not permitted.",
    'The sign says "Stop & report", yet visitors walked past it.',
    "Reverse alarm, horn and beacon all work as they should.",
)


@functools.cache
def _prose() -> str:
    mixed = [_SENTENCES[(at * at + 5 * at) % len(_SENTENCES)] for at in range(160)]
    mixed += [_SENTENCES[at * 7 % len(_SENTENCES)] for at in range(160)]
    return " ".join(mixed)


@functools.cache
def _starts() -> tuple[int, ...]:
    text = _prose()
    return tuple(
        at + 1 for at in range(len(text) // 2) if text[at] == " " and text[at + 1].isalnum()
    )


def between(rng: random.Random, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))


def prose(rng: random.Random, low: int, high: int) -> str:
    """Plain text of `low` to `high` characters, without blanks at its ends."""
    size = between(rng, low, high)
    if not size:
        return ""
    starts = _starts()
    start = starts[int(rng.random() * len(starts))]
    text = _prose()[start : start + size]
    if text[-1] == " ":
        text = text[:-1] + "."
    return text


def html(rng: random.Random, low: int, high: int) -> str:
    """Rich text of `low` to `high` characters, as the form editor writes it."""
    if high < 12:
        return prose(rng, low, high)
    text = prose(rng, max(low - 7, 5), high - 7)
    if len(text) > 200:  # a paragraph break at a sentence; same length, so the range holds
        text = text.replace(". The ", ".<br>\n", 1)
    return f"<p>{text}</p>"


def person(rng: random.Random, low: int, high: int) -> str:
    """A made-up name; where the range allows it, rarely nobody or two people."""
    draw = rng.random()
    if low == 0 and draw < 0.04:
        return ""
    names = entities.people_of(max(low, 1), min(high, 22))
    name = names[int(rng.random() * len(names))]
    if high >= 45 and draw > 0.93:
        return f"{name} & {names[int(rng.random() * len(names))]}"
    return name


def digits(rng: random.Random, low: int, high: int) -> str:
    """A number without leading zeros, of `low` to `high` figures."""
    size = between(rng, low, high)
    return str(between(rng, 10 ** (size - 1), 10**size - 1))


def mass(rng: random.Random, low: int, high: int) -> str:
    """A load mass as people type it: kilograms, tonnes, with and without the unit."""
    kilograms = between(rng, 4000, 42000)
    forms = (
        str(kilograms),
        f"{kilograms / 1000:.1f}",
        f"{kilograms / 1000:.1f}t",
        f"{kilograms}kg",
    )
    fitting = [form for form in forms if low <= len(form) <= high]
    return fitting[int(rng.random() * len(fitting))]


def hours(rng: random.Random, low: int, high: int) -> str:
    """An hour meter's reading with one decimal, `low` to `high` characters long."""
    size = between(rng, low, high)
    return f"{between(rng, 10 ** (size - 3), 10 ** (size - 2) - 1)}.{int(rng.random() * 10)}"


def number(rng: random.Random) -> int | str:
    """A small count; rarely as a string, as the API does it."""
    count = int(rng.random() * 13)
    return str(count) if rng.random() < NUMBER_AS_TEXT else count


def choice(rng: random.Random, name: str) -> str:
    """One of the few texts an enumerated field can hold."""
    options = _CHOICES.get(name, _FLEET)
    return options[int(rng.random() * len(options))]


def text(rng: random.Random, field: shapes.Field) -> str:
    """The value of a text field, by what its name says it holds."""
    low, high = field.length
    if field.name in PEOPLE:
        return person(rng, low, high)
    if field.name in DIGITS:
        return digits(rng, low, high)
    if field.name == "mass":
        return mass(rng, low, high)
    if field.name == "hourReadingAtStartOfShift":
        return hours(rng, low, high)
    return prose(rng, low, high)


def day(number: int) -> datetime.date:
    """The local day of an inspection, spread evenly over the years that exports cover."""
    return FIRST_DAY + datetime.timedelta(days=number % DAYS)


@functools.cache
def _iso(ordinal: int) -> str:
    return datetime.date.fromordinal(ordinal).isoformat()


def midnight(when: datetime.date) -> str:
    """How the API writes a date: local midnight with its offset. Source: the API contract."""
    return f"{_iso(when.toordinal())}T00:00:00.000+08:00"


def stamp(when: datetime.date, seconds: int, millis: int) -> str:
    """A UTC time stamp with milliseconds, `seconds` after the local midnight of `when`."""
    days, rest = divmod(seconds - PERTH_AHEAD_S, 86400)
    minutes, second = divmod(rest, 60)
    utc = _iso(when.toordinal() + days)
    return f"{utc}T{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{millis:03d}Z"
