"""Every key of the configuration: its type, range, default and one sentence of explanation.

An attribute is called like its key (`database.schema` is `database.schema_name`). The settings are
frozen; a reload makes new ones.
"""

import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from noggin_mp.settings import notifying, policies, texts, values
from noggin_mp.settings.section import Section, absent
from noggin_mp.settings.texts import (
    Bind,
    Checksums,
    Command,
    Dsn,
    HostLabel,
    Layout,
    MediaUrl,
    Origin,
    SchemaName,
    Secret,
    Zone,
)
from noggin_mp.settings.values import Folder, Int, Num, OptionalPath, Size, Text

if TYPE_CHECKING:  # most commands need no object types
    from noggin_mp.domain.object_types import Catalogue

MB, GIB = 10**6, 2**30
DEFAULT_MEDIA_URL = "{base_url}/media/file?ns={namespace}&tip={tip}"


class Database(Section):
    """Where Postgres is."""

    dsn: Dsn = Field(
        "",
        repr=False,
        description="postgresql://user@host/name; empty = the embedded server under paths.state.",
    )
    schema_name: SchemaName = Field(
        "noggin_schema", alias="schema", description="The schema that holds every table."
    )


class Api(Section):
    """The Noggin API."""

    base_url: Origin = Field(
        "https://services.apse2.elasticnoggin.com", description="Origin of the API."
    )
    media_url: MediaUrl = Field(
        DEFAULT_MEDIA_URL,
        description="Where attachments are; {base_url}, {namespace} and {tip} are filled in.",
    )
    namespace: Text = Field("", description="Sent as en-namespace with every request.")
    token: Secret = Field(
        None, description="The API token; better by reference: ${NOGGIN_TOKEN}, or token_file."
    )
    token_file: OptionalPath = Field(
        None, description="File that holds the token, mode 0600, instead of token."
    )
    token_command: Command = Field(
        "", description="Program that prints the token, with its arguments, instead of token."
    )
    connect_timeout_s: Num = Field(10, gt=0, le=3600, description="Seconds to connect.")
    read_timeout_s: Num = Field(
        60, gt=0, le=3600, description="Seconds without a byte before a request is given up."
    )
    deadline_s: Num = Field(
        90,
        gt=0,
        le=3600,
        description="Seconds a whole JSON request may take; a large file may take longer.",
    )

    @property
    def host(self) -> str:
        """The API's host as breaker scopes and metrics carry it (IDNA, lower case)."""
        return texts.host_of(self.base_url)


class Paths(Section):
    """Folders, relative to the working directory when they do not start with /."""

    state: Folder = Field(
        Path("var/state"),
        description="What the host must keep: instance id, lock, embedded server.",
    )
    input: Folder = Field(Path("var/input"), description="CSV exports to load are dropped here.")
    output: Folder = Field(
        Path("var/output"), description="Records' folders with texts and photos."
    )
    log: Folder = Field(Path("var/log"), description="Log files and session logs.")


class Fleet(Section):
    """The processes of this host."""

    host: HostLabel = Field(
        "",
        description="This host's stable name in the fleet; empty = the short host name.",
    )
    workers: Int = Field(4, ge=1, le=512, description="Worker processes.")
    threads: Int = Field(
        8, ge=1, le=256, description="Job threads of each worker; each carries one TIP at a time."
    )
    grace_s: Num = Field(
        30,
        gt=0,
        le=3600,
        description="Seconds that work in hand may take to finish when the fleet stops.",
    )
    watchdog_s: Num = Field(
        120,
        ge=1,
        le=86_400,
        description="Seconds without a sign of life before a worker is replaced.",
    )
    recycle_after_tips: Int = Field(
        0, ge=0, le=10**9, description="A worker is replaced after so many TIPs; 0 = never."
    )
    recycle_rss_bytes: Size = Field(
        400 * MB,
        ge=0,
        description="A worker is replaced when it holds more memory than this; 0 = never.",
    )
    recycle_after_s: Num = Field(
        0, ge=0, le=31_536_000, description="A worker is replaced at this age; 0 = never."
    )


class Queue(Section):
    """How work is leased."""

    lease_s: Num = Field(
        120,
        ge=1,
        le=86_400,
        description="Seconds a lease lasts; it is renewed at a third of that.",
    )
    batch: Int = Field(64, ge=1, le=1000, description="TIPs per lease at most.")
    poll_s: Num = Field(
        2.0,
        gt=0,
        le=60,
        description="Seconds between looks at the queue when nothing wakes a worker.",
    )


class Retry(Section):
    """When a failed TIP is tried again."""

    max_attempts: Int = Field(
        5, ge=1, le=1000, description="Attempts before a TIP is permanently failed."
    )
    backoff_base_s: Num = Field(60, gt=0, le=86_400, description="First wait, in seconds.")
    multiplier: Num = Field(2, ge=1, le=100, description="Each further wait is longer by this.")
    max_s: Num = Field(3600, gt=0, le=2_592_000, description="The longest wait, in seconds.")


class Attachments(Section):
    """What is downloaded, and where it goes."""

    layout: Layout = Field(
        "date", description="date, type, or a jinja2 pattern of a record's folder."
    )
    hashes: Annotated[list[Annotated[Literal["sha256", "md5"], values.Word]], Checksums] = Field(
        ["sha256", "md5"], description="Checksums kept of each file; sha256 is always needed."
    )
    max_bytes: Size = Field(500 * MB, ge=1, description="A larger file is refused.")
    max_per_record: Int = Field(
        500, ge=1, le=100_000, description="A record with more attachments is refused."
    )
    min_free_bytes: Size = Field(
        GIB, ge=0, description="With less free space than this the host pauses."
    )


class Monitor(Section):
    """The HTTP page, health checks and metrics of this host."""

    bind: Bind = Field(
        "127.0.0.1:9109",
        description="host:port to listen on; port 0 = any free one; empty or off = do not listen.",
    )

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on, or None when the monitor does not listen."""
        if not self.bind:
            return None
        host, _, port = self.bind.rpartition(":")
        return host.strip("[]"), int(port)


class Log(Section):
    """What is logged, and how."""

    level: Annotated[Literal["debug", "info", "warning", "error"], values.Word] = Field(
        "info", description="debug, info, warning or error."
    )
    format: Annotated[Literal["auto", "json", "console"], values.Word] = Field(
        "auto", description="auto (console on a terminal, else json), json or console."
    )
    file: Text = Field(
        "",
        description="File, below paths.log, that gets every record as JSON besides; empty = none.",
    )
    max_bytes: Size = Field(
        100 * MB, ge=0, description="The file is put aside before it grows larger; 0 = never."
    )
    max_age_s: Num = Field(
        86_400,
        ge=0,
        le=31_622_400,
        description="The file is put aside when a period of so many seconds, counted from"
        " midnight in `timezone`, is over; 0 = never.",
    )
    keep: Int = Field(14, ge=1, le=10_000, description="How many files put aside are kept.")


class Settings(Section):
    """The whole configuration, validated."""

    database: Database = absent(Database.__doc__)
    api: Api = absent(Api.__doc__)
    paths: Paths = absent(Paths.__doc__)
    fleet: Fleet = absent(Fleet.__doc__)
    queue: Queue = absent(Queue.__doc__)
    retry: Retry = absent(Retry.__doc__)
    attachments: Attachments = absent(Attachments.__doc__)
    monitor: Monitor = absent(Monitor.__doc__)
    log: Log = absent(Log.__doc__)
    breaker: policies.Breaker = absent(policies.Breaker.__doc__)
    pacing: policies.Pacing = absent(policies.Pacing.__doc__)
    notify: notifying.Notify = absent(notifying.Notify.__doc__)
    object_types: OptionalPath = Field(
        None, description="Folder of object types; empty = the ones that come with the program."
    )
    timezone: Zone = Field(
        "Australia/Perth", description="Zone of the dates in records: their local day counts."
    )

    _types: "Catalogue | None" = PrivateAttr(None)

    @property
    def types(self) -> "Catalogue | None":
        """The object types that were read together with these settings, if they were."""
        return self._types

    def with_types(self, types: "Catalogue | None") -> "Settings":
        """The same settings, carrying these object types."""
        made = self.model_copy()
        made._types = types
        return made

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The zone of `timezone`."""
        return zoneinfo.ZoneInfo(self.timezone)

    @property
    def log_options(self) -> dict[str, Any]:
        """What `observe.logs.configure` is to be called with."""
        file = self.paths.log / self.log.file if self.log.file else None
        return {**self.log.model_dump(), "file": file, "zone": self.zone}

    def breaker_policy(self, host: str, role: str) -> dict[str, policies.Value]:
        """Every breaker field for requests of `role` (api, media) to `host`, layers merged."""
        return self.breaker.policy(host, role)

    def pacing_policy(self, host: str, role: str) -> dict[str, policies.Value]:
        """Every pacing field for requests of `role` (api, media) to `host`, layers merged."""
        return self.pacing.policy(host, role)

    def pacing_scope(self, host: str, role: str, key: str) -> str:
        """What the limit `key` (rate, max_concurrent) of `role` counts: host or host:role."""
        return self.pacing.scope(host, role, key)
