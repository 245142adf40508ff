"""Epochs by rank: only their order matters, so that states which differ in nothing else are one."""

from tests.model.shapes import Epoch, Row, View, Whole, Worker


def ranked(state: Whole) -> Whole:
    """The same state with the smallest epochs that are in the same order."""
    known = epochs(state)
    if max(known)[0] == len(known) - 1:  # numbers and eras are the same here: none is left out
        return state
    rank = {epoch: (place, place) for place, epoch in enumerate(sorted(known))}

    def row(old: Row) -> Row:
        return old._replace(epoch=rank[old.epoch], auth=rank[old.auth])

    def view(old: View) -> View:
        return old._replace(epoch=rank[old.epoch])

    def worker(old: Worker) -> Worker:
        return old._replace(
            view=view(old.view),
            requests=tuple(sorted(r._replace(epoch=rank[r.epoch]) for r in old.requests)),
            tally=tuple(rank[epoch] for epoch in old.tally),
            beat=tuple(
                b._replace(view=b.view._replace(epoch=rank[b.view.epoch])) for b in old.beat
            ),
            vote=tuple(v._replace(epoch=rank[v.epoch]) for v in old.vote),
        )

    return state._replace(
        row=row(state.row),
        workers=tuple(map(worker, state.workers)),
        backup=tuple(map(row, state.backup)),
    )


def epochs(state: Whole) -> set[Epoch]:
    """Every epoch that anybody remembers."""
    found = {state.row.epoch, state.row.auth}
    for row in state.backup:
        found |= {row.epoch, row.auth}
    for worker in state.workers:
        found.add(worker.view.epoch)
        for request in worker.requests:
            found.add(request.epoch)
        if worker.tally:
            found.add(worker.tally[0])
        if worker.beat:
            found.add(worker.beat[0].view.epoch)
        if worker.vote:
            found.add(worker.vote[0].epoch)
    return found
