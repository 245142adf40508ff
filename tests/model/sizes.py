"""The questions put to the model, each small enough to be answered whole."""

from tests.model.shapes import OPENED, Faults, Row, Size

_DUE = Row(state=OPENED)  # it tripped a while ago: a trial is due

SIZES = {
    # Work, trips, trials, closing again.
    "outage": Size(workers=2, faults=Faults()),
    # Trips by the votes of three.
    "votes": Size(workers=3, trials=False, faults=Faults()),
    # Trips while a worker is cut off from the database.
    "blind": Size(workers=2, trials=False, faults=Faults(cuts=1, lost_answers=1)),
    # Trips while answers to beats are under way.
    "late_beats": Size(workers=2, trials=False, slow_beats=True, faults=Faults()),
    # Successes told with beats, and a person's act between.
    "tallies": Size(workers=2, outcomes=("ok",), trials=False, tallies=True, faults=Faults(acts=1)),
    # Failures before and after a person opened the breaker.
    "votes_and_acts": Size(workers=2, trials=False, faults=Faults(acts=1)),
    # The prober is cut off from the database; the answer that grants the trial may be late.
    "cut_prober": Size(workers=2, row=_DUE, work=False, slow_grants=True, faults=Faults(cuts=1)),
    # The prober is stopped, and goes on.
    "stopped_prober": Size(workers=2, row=_DUE, work=False, faults=Faults(stalls=1)),
    # The prober is killed, with and without its network.
    "killed_prober": Size(workers=2, row=_DUE, work=False, faults=Faults(crashes=1, cuts=1)),
    # A person opens or closes the breaker under a trial in flight.
    "acts": Size(
        workers=2,
        fail_max=1,
        row=_DUE,
        outcomes=("fail",),
        recovers=False,
        faults=Faults(acts=1, cuts=1),
    ),
    # An older database is brought back while trials are due.
    "restored": Size(workers=2, successes=1, row=_DUE, work=False, faults=Faults(restores=1)),
    # An older database is brought back, and people act before and after.
    "restored_and_acts": Size(workers=1, trials=False, faults=Faults(restores=1, acts=2)),
    # 429s of two lengths, in one worker with late beats, and in two.
    "own_pause": Size(
        workers=1,
        slots=2,
        host=True,
        outcomes=("ok", "429", "429 for longer"),
        slow_beats=True,
        faults=Faults(),
    ),
    "pauses": Size(workers=2, host=True, outcomes=("429", "429 for longer"), faults=Faults()),
    # 401s, and a new token that only one worker has.
    "tokens": Size(workers=2, host=True, outcomes=("ok", "401"), faults=Faults(tokens=1)),
}
