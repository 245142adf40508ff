"""One TIP from lease to files: fetch, parse, plan, download, write the text, report."""

import dataclasses
import datetime
import random
import time
import traceback
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path

from noggin_mp.domain import errors, object_types, paths, record, retry
from noggin_mp.domain.tip import Status
from noggin_mp.gateway import files, http
from noggin_mp.observe import logs
from noggin_mp.store import queue, records, session, settle, trouble
from noggin_mp.worker import fetch, results, text

log = logs.get("job")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HandBack:
    """The TIP could not be worked on for no fault of its own: it goes back uncharged."""

    item: queue.Leased
    reason: str
    trouble: errors.LocalTrouble | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The TIP was worked on; `settlement` is what is to be written."""

    item: queue.Leased
    settlement: settle.Settlement
    outcome: str
    started: float
    files: int = 0
    file_bytes: int = 0


Result = Done | HandBack


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings say about a job."""

    output: Path
    layout: paths.Layout
    zone: tzinfo
    max_per_record: int
    retry: retry.RetryPolicy


class Job:
    """Works on one TIP at a time in the thread that calls `run`; shared by a worker's threads."""

    def __init__(
        self,
        *,
        fetcher: fetch.Fetcher,
        catalogue: object_types.Catalogue,
        pool: session.Pool,
        rules: Rules,
        worker_id: str,
        random01: Callable[[], float] = random.random,
    ) -> None:
        self._fetcher = fetcher
        self._catalogue = catalogue
        self._pool = pool
        self._rules = rules
        self._worker_id = worker_id
        self._random01 = random01

    def configure(self, rules: Rules, *, patience_s: float) -> None:
        """Other rules, for jobs that begin from now on."""
        self._rules = rules
        self._fetcher = dataclasses.replace(self._fetcher, patience_s=patience_s)

    def run(self, item: queue.Leased, *, cancelled: Callable[[], bool]) -> Result:
        """What became of the TIP; never raises but for SystemExit and the like."""
        started = time.monotonic()
        try:
            return self._walk(item, cancelled, started)
        except fetch.GaveUp as error:
            return HandBack(item=item, reason=error.reason)
        except fetch.Postponed as error:
            settlement = results.postponed(item, error.attempt, error.retry_s, self._worker_id)
            return self._done(item, settlement, started)
        except errors.LocalTrouble as error:
            return HandBack(item=item, reason=error.code, trouble=error)
        except http.Cancelled:
            return HandBack(item=item, reason="cancelled")
        except trouble.AWAY:
            return HandBack(item=item, reason="database")
        except errors.CredentialsError as error:
            return HandBack(item=item, reason="auth_stop", trouble=errors.LocalTrouble(str(error)))
        except errors.ConfigError as error:  # a template or layout that fails on this record
            log.error("record_not_writable", tip=item.tip, error=str(error))
            settlement = results.misfit(item, error, self._decide, self._worker_id)
            return self._done(item, settlement, started)
        except (
            Exception
        ) as error:  # a bug of ours: told with its traceback, charged only when it recurs
            log.error(
                "job_crashed", tip=item.tip, error=repr(error), traceback=traceback.format_exc()
            )
            return self._bug(item, error, started)

    def _walk(self, item: queue.Leased, cancelled: Callable[[], bool], started: float) -> Result:
        type_ = self._catalogue.find(item.object_code, item.object_type)
        if type_ is None:
            return self._done(item, results.unknown_type(item, self._worker_id), started)
        fetched = self._fetcher.fetch_record(item, endpoint=type_.endpoint, cancelled=cancelled)
        if fetched.body is None:
            settlement = results.api_failure(
                item, type_, fetched.attempt, self._decide, self._worker_id
            )
            return self._done(item, settlement, started)
        try:
            parsed = record.parse(
                fetched.body,
                type_=type_,
                tip=item.tip,
                zone=self._rules.zone,
                max_attachments=self._rules.max_per_record,
            )
        except record.BadRecord as error:
            settlement = results.bad_record(item, type_, error, self._decide, self._worker_id)
            return self._done(item, settlement, started)
        if parsed.notes:  # they stay in the payload
            log.info("values_left_out", tip=item.tip, notes=list(parsed.notes))
        return self._files(item, parsed, cancelled, started)

    def _files(
        self,
        item: queue.Leased,
        parsed: record.ParsedRecord,
        cancelled: Callable[[], bool],
        started: float,
    ) -> Result:
        plan = paths.plan(parsed, layout=self._rules.layout)
        with self._pool.connection() as connection:
            prepared = records.prepare(
                connection,
                tip=item.tip,
                folder=plan.folder,
                hashes=parsed.hash_values,
                alternative=lambda n: paths.alternative(plan.folder, item.tip, attempt=n),
            )
        resolved = record.resolve(parsed, prepared.names)
        folder = files.ensure_folder(self._rules.output, prepared.folder)
        if item.interruptions or item.status is Status.INTERRUPTED:
            # An earlier worker died over this TIP: what it was writing is nobody's now.
            files.sweep(folder, keep={item.token})
        fetched = self._fetcher.fetch_attachments(
            item, parsed, plan, folder=folder, known=prepared.known, cancelled=cancelled
        )
        files.publish_text(
            folder,
            plan.text_name,
            text.render(parsed, resolved, generated=self._today()),
            token=item.token,
        )
        settlement = results.record_settlement(
            item, parsed, resolved, fetched, self._decide, self._worker_id
        )
        return self._done(
            item,
            settlement,
            started,
            files=sum(one.row.attachment_status == "complete" for one in fetched),
            file_bytes=sum(one.downloaded_bytes for one in fetched),
        )

    def _today(self) -> datetime.date:
        return datetime.datetime.now(self._rules.zone).date()

    def _decide(self, retry_count: int) -> retry.RetryAt | retry.Dead:
        return retry.decide(self._rules.retry, retry_count, self._random01())

    def _bug(self, item: queue.Leased, error: Exception, started: float) -> Result:
        settlement = results.bug(item, error, self._decide, self._worker_id)
        return self._done(item, settlement, started)

    def _done(
        self,
        item: queue.Leased,
        settlement: settle.Settlement,
        started: float,
        **counts: int,
    ) -> Done:
        return Done(
            item=item,
            settlement=settlement,
            outcome=results.outcome_of(settlement),
            started=started,
            **counts,
        )
