"""One process's answers: the contract, then rules and faults on top of it."""

import time
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from noggin_mp.simulator import (
    answers,
    behaviour,
    counters,
    data,
    distort,
    faults,
    ids,
    journal,
)
from noggin_mp.simulator.answers import Answer

_OBJECT = "/rest/object/"
_MEDIA = "/media/file"
_FOREIGN = "/foreign"
_CACHED_BODIES = 4096


@dataclass(slots=True, kw_only=True)
class Request:
    """The parts of a request that matter here; header values are as sent."""

    method: str
    target: str
    authorization: str = ""
    namespace: str | None = None
    agent: str = ""
    span: str = ""
    if_range: str = ""
    close: bool = False


@dataclass(slots=True, kw_only=True)
class Reply:
    """An answer, how long to wait before it, and its line of the log."""

    answer: Answer
    delay_s: float
    entry: journal.Entry


class Site:
    """Everything one process needs to answer; `conduct` is replaced when control says so."""

    def __init__(
        self,
        *,
        world: data.World,
        conduct: behaviour.Behaviour,
        shared: counters.Counters,
        log: journal.Journal,
        origin: str,
        slot: int,
        processes: int,
    ) -> None:
        self.world = world
        self.conduct = conduct
        self.count = shared.row(slot)
        self.log = log
        self._shared = shared
        self._origin = origin
        self._foreign = _another(origin)
        self._dice = ids.Ids(world.seed)
        self._next = slot
        self._step = processes
        self._endpoints = {shape.endpoint: shape.code for shape in world.types}
        self._bodies: dict[int, bytes] = {}

    def restart(self) -> None:
        """Zero the counters of this process and draw faults from the beginning."""
        self.count.clear()
        self._next %= self._step

    def reply(self, request: Request) -> Reply:
        """The answer to one request under the behaviour now in force."""
        entry = journal.Entry(method=request.method, path=request.target, agent=request.agent)
        entry.token = bool(request.authorization)
        number, self._next = self._next, self._next + self._step
        conduct = self.conduct
        honest, place = self._honest(request, entry)
        answer = honest
        if conduct.rules or conduct.mix.text:
            answer = self._spoilt(number, honest, place, request, entry)
        self._note(entry, answer)
        low, high = conduct.latency_ms
        delay_ms = low if low == high else low + (high - low) * self._chance("latency", number)
        return Reply(answer=answer, delay_s=delay_ms / 1000, entry=entry)

    def _note(self, entry: journal.Entry, answer: Answer) -> None:
        entry.status = 0 if answer.silent else answer.status
        self.count.add("requests")
        self.count.add(entry.role)
        self.count.status(entry.status)
        if entry.fault:
            self.count.fault(entry.fault)

    # --- the contract ---------------------------------------------------------------------------

    def _honest(self, request: Request, entry: journal.Entry) -> tuple[Answer, data.Place | None]:
        path, _, query = request.target.partition("?")
        if path.startswith(_OBJECT):
            entry.role = faults.API
            endpoint, _, entry.tip = path[len(_OBJECT) :].partition("/")
            entry.tip = unquote(entry.tip)
            refusal = self._refusal(request)
            return (refusal, None) if refusal else self._record(unquote(endpoint), entry.tip)
        if path == _MEDIA:
            entry.role = faults.MEDIA
            asked = parse_qs(query)
            entry.tip = asked.get("tip", [""])[-1]
            refusal = self._refusal(request)
            known = (self.conduct.namespace, self.world.namespace)
            if refusal is None and asked.get("ns", [""])[-1] not in known:
                self.count.add("wrong_namespace")
                refusal = answers.refused(403, "wrong namespace")
            return (refusal, None) if refusal else self._media(request, entry.tip)
        if path.startswith(_FOREIGN):
            return self._elsewhere(request, entry), None
        return answers.refused(404, "no such address"), None

    def _refusal(self, request: Request) -> Answer | None:
        if request.method != "GET":
            self.count.add("refused_methods")
            return answers.whole(405, extra="Allow: GET\r\n", close=True)
        scheme, _, token = request.authorization.partition(" ")
        if scheme.lower() != "bearer" or token.strip() != self.conduct.token:
            self.count.add("unauthorised")
            return answers.refused(401)
        if request.namespace != self.conduct.namespace:
            self.count.add("wrong_namespace")
            return answers.refused(403, "wrong namespace")
        return None

    def _record(self, endpoint: str, tip: str) -> tuple[Answer, data.Place | None]:
        place = self.world.find(tip)
        known = place is not None and self._endpoints.get(endpoint) == place.shape.code
        if place is None or not known or not self.world.exists(place.number):
            return answers.refused(404, "not found"), place
        body = self._bodies.get(place.number)
        if body is None:
            if len(self._bodies) >= _CACHED_BODIES:
                self._bodies.clear()
            body = self.world.body(place, origin=self._origin)
            self._bodies[place.number] = body
        return answers.record(body), place

    def _media(self, request: Request, tip: str) -> tuple[Answer, data.Place | None]:
        file, place = self.world.photo(tip), self.world.owner(tip)
        if file is None:
            return answers.refused(404, "not found"), place
        etag = f'"{tip[:32]}"'
        if not request.span or (request.if_range and request.if_range != etag):
            return answers.photo(file), place
        span = _span(request.span, file.size_bytes)
        if span is None:
            return answers.photo(file), place
        if span[0] > span[1]:
            return answers.unsatisfiable(file), place
        return answers.photo(file, span=span), place

    def _elsewhere(self, request: Request, entry: journal.Entry) -> Answer:
        """The other origin: it answers anyone, and notes who brought a token."""
        self.count.add("foreign")
        if request.authorization:
            self.count.add("foreign_with_token")
        return answers.whole(200, b"\xff\xd8\xff\xe0foreign\xff\xd9", content_type="image/jpeg")

    # --- what spoils it -------------------------------------------------------------------------

    def _spoilt(
        self,
        number: int,
        honest: Answer,
        place: data.Place | None,
        request: Request,
        entry: journal.Entry,
    ) -> Answer:
        if entry.role == "other":
            return honest
        chance = self._chance("fault", number)
        rule = self._rule(request, entry, chance)
        kind = rule.mode if rule else ""
        if not kind and honest.status in (200, 206, 404):
            kind = self.conduct.mix.draw(entry.role, chance)
        if not kind:
            return honest
        scene = distort.Scene(
            target=request.target,
            foreign=self._foreign,
            conduct=self.conduct,
            draw=self._chance("detail", number),
            now=time.time(),
            retry_after=rule.retry_after if rule else None,
            by_rule=rule is not None,
        )
        answer = distort.distort(kind, honest, scene)
        if answer is honest or (rule is None and not self._affords(kind, place)):
            return honest
        entry.fault = kind
        return answer

    def _rule(self, request: Request, entry: journal.Entry, chance: float) -> faults.Rule | None:
        for rule in self.conduct.rules:
            matches = rule.matches(
                role=entry.role, path=request.target, tip=entry.tip, user_agent=request.agent
            )
            if matches and chance < rule.fraction:
                return rule
        return None

    def _affords(self, kind: str, place: data.Place | None) -> bool:
        limit = self.conduct.max_faults_per_tip
        if place is None or not limit or kind in faults.HARMLESS:
            return True
        return self._shared.spend(place.number, limit)

    def _chance(self, purpose: str, number: int) -> float:
        return self._dice.number(purpose, number) / 2**64


def _another(origin: str) -> str:
    """A second origin that leads to the same server."""
    if "//localhost" in origin:
        return origin.replace("//localhost", "//127.0.0.1", 1)
    return origin.replace("//127.0.0.1", "//localhost", 1)


def _span(text: str, size: int) -> tuple[int, int] | None:
    """First and last byte of `bytes=a-b`; None for forms that are not honoured.

    A first byte behind the last one means that the range cannot be satisfied.
    """
    unit, _, spec = text.partition("=")
    first, dash, last = spec.partition("-")
    if unit.strip() != "bytes" or not dash or not first.isdigit():
        return None
    end = min(int(last), size - 1) if last.isdigit() else size - 1
    return int(first), end
