"""A running simulator in the hands of a test: the same world here, and short ways to ask."""

from dataclasses import dataclass

import urllib3

from noggin_mp.simulator import data, launch
from tests.support import raw_http


@dataclass(frozen=True, slots=True, kw_only=True)
class Sim:
    """The running simulator, the same world here, and short ways to ask."""

    running: launch.Running
    world: data.World

    def record_path(self, number: int) -> str:
        """The path of record `number`."""
        place = self.world.place(number)
        return f"/rest/object/{place.shape.endpoint}/{self.world.tip(number)}"

    def first(self, code: str) -> int:
        """The number of the first existing record of a type."""
        return next(
            number
            for number in range(self.world.tips)
            if self.world.place(number).shape.code == code and self.world.exists(number)
        )

    def media_path(self, number: int = 0) -> str:
        """The path of the first file of record `number`."""
        return self.world.attachments(self.world.place(number))[0].path

    def get(
        self, path: str, *, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> urllib3.BaseHTTPResponse:
        """An answer by urllib3, redirects not followed."""
        return self.running.http.request(
            method,
            self.running.base_url + path,
            headers=self.running.headers if headers is None else headers,
            redirect=False,
        )

    def raw(
        self,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        first_s: float = 60.0,
        quiet_s: float = 0.3,
        between_s: float = 60.0,
        limit: int | None = None,
    ) -> raw_http.RawAnswer:
        """An answer by a bare socket."""
        chosen = self.running.headers if headers is None else headers
        return raw_http.get(
            self.running.base_url, path, chosen,
            first_s=first_s, quiet_s=quiet_s, between_s=between_s, limit=limit,
        )  # fmt: skip
