"""How long the breaker, pauses and the token stopped a scope, cut to a period."""

from datetime import UTC, datetime, timedelta

from noggin_mp.domain.stops import Event, Kind, Stop, stops

START = datetime(2025, 10, 23, tzinfo=UTC)
END = START + timedelta(days=1)
SCOPE = "api.example:api"


def event(minute: float, type_: str, state: str, seconds: float | None = None) -> Event:
    """A change so many minutes after the start."""
    at = START + timedelta(minutes=minute)
    return Event(scope=SCOPE, at=at, type=type_, state=state, seconds=seconds)


def stop(kind: Kind, times: int, minutes: float) -> Stop:
    """What is expected of the scope."""
    return Stop(scope=SCOPE, kind=kind, times=times, seconds=minutes * 60)


def test_a_trip_lasts_until_it_closes_trials_included() -> None:
    told = [
        event(10, "trip", "open"), event(11, "half_open", "half_open"), event(12, "open", "open"),
        event(14, "half_open", "half_open"), event(15, "close", "closed"),
        event(60, "trip", "open"), event(61, "close", "closed"),
    ]  # fmt: skip
    assert stops(told, START, END) == [stop(Kind.OPEN, 2, 6)]


def test_what_held_before_the_period_counts_within_it_only() -> None:
    told = [event(-30, "trip", "open"), event(5, "close", "closed")]
    assert stops(told, START, END) == [stop(Kind.OPEN, 0, 5)]


def test_what_has_no_end_lasts_until_the_end_of_the_period() -> None:
    assert stops([event(23 * 60, "auth_stop", "auth_stop")], START, END) == [
        stop(Kind.AUTH_STOP, 1, 60)
    ]


def test_the_trial_of_a_token_is_still_the_auth_stop() -> None:
    told = [
        event(0, "auth_stop", "auth_stop"), event(4, "half_open", "half_open"),
        event(5, "auth_stop", "auth_stop"), event(9, "half_open", "half_open"),
        event(10, "close", "closed"),
    ]  # fmt: skip
    assert stops(told, START, END) == [stop(Kind.AUTH_STOP, 2, 10)]


def test_a_pause_ends_when_its_time_is_up_or_is_prolonged() -> None:
    told = [
        event(0, "pause", "paused", 60), event(0.5, "pause", "paused", 60),
        event(30, "pause", "paused", 120),
    ]  # fmt: skip
    assert stops(told, START, END) == [stop(Kind.PAUSED, 3, 0.5 + 1 + 2)]


def test_a_pause_while_open_does_not_count_as_both() -> None:
    told = [event(0, "trip", "open"), event(1, "pause", "open", 600), event(2, "close", "closed")]
    assert stops(told, START, END) == [stop(Kind.OPEN, 1, 2), stop(Kind.PAUSED, 1, 0)]


def test_opened_by_hand_ends_by_its_own_time_or_by_hand() -> None:
    told = [
        event(0, "force", "forced_open", 300), event(60, "force", "forced_open", 3600),
        event(70, "reset", "closed"),
    ]  # fmt: skip
    assert stops(told, START, END) == [stop(Kind.FORCED, 2, 15)]


def test_the_pause_of_the_fleet_counts_by_itself() -> None:
    told = [event(0, "fleet pause", "paused", None), event(90, "fleet resume", "closed")]
    assert stops(told, START, END) == [stop(Kind.FLEET_PAUSE, 1, 90)]


def test_nothing_is_told_of_a_quiet_scope() -> None:
    assert stops([], START, END) == []
    assert stops([event(-60, "trip", "open"), event(-59, "close", "closed")], START, END) == []
