"""`noggin-mp simulate`: the fake Noggin API alone."""

import json
from typing import Any

import click

from noggin_mp.simulator import options, serving

_DEFAULTS = options.Options()
_EPILOG = """\b
Examples:
  noggin-mp simulate --port 8900 --control
  noggin-mp simulate --tips 2000 --export exports/ --faults "429=5%,500=3%,stall=1%"
  curl -X POST "$CONTROL_URL" -d '{"mode":"503","retry_after":5}'

\b
Measured limits (4 cores of 2.5 GHz, the client on the same cores; docs/reference/simulator.md):
  --processes 1   2,000 new records/s, 7,000 repeated; 0.9 GB/s in files of 200 kB
  --processes 2   4,100 new records/s, 11,000 repeated; 1.4 GB/s; 3 GB/s in files of 3 MB
"""


def _announce(line: dict[str, Any]) -> None:
    click.echo(json.dumps(line))


@click.command(epilog=_EPILOG, context_settings={"show_default": True})
@click.option("--host", default=_DEFAULTS.host, help="Address to listen on.")
@click.option("--port", default=_DEFAULTS.port, type=click.IntRange(0, 65535), help="0: any free.")
@click.option("--control", is_flag=True, help="Also serve the control address, and print it.")
@click.option("--seed", default=_DEFAULTS.seed, help="The same seed gives the same world.")
@click.option("--tips", default=_DEFAULTS.tips, help="How many records there are.")
@click.option(
    "--types", default="", show_default="all six", help="Only these types, such as LCD,CCC."
)
@click.option("--missing", default=_DEFAULTS.missing, help="Share of TIPs that answer 404.")
@click.option("--latency-ms", default=_DEFAULTS.latency_ms, help="Before each answer: 20 or 20-80.")
@click.option(
    "--faults",
    default="",
    show_default=False,
    help='A mix such as "429=5%,500=3%,media.truncate=1%".',
)
@click.option("--token", default="", show_default="a random one", help="The token to insist on.")
@click.option(
    "--namespace", default="", show_default="from the seed", help="The namespace to insist on."
)
@click.option(
    "--export",
    default="",
    show_default=False,
    metavar="PATH",
    help="Write the CSV exports first: a folder"
    " with one file per type, or one mixed file when PATH ends in .csv.",
)
@click.option(
    "--log",
    default="",
    show_default=False,
    metavar="FILE",
    help="Append each request to FILE, as JSON.",
)
@click.option(
    "--media-bytes", default=_DEFAULTS.media_bytes, help="Size of files: 50000 or MIN-MAX."
)
@click.option("--processes", default=_DEFAULTS.processes, help="Processes that share the port.")
@click.option("--retry-after", default=_DEFAULTS.retry_after, help="Styles of Retry-After in use.")
@click.option(
    "--retry-after-max",
    "retry_after_max_s",
    default=_DEFAULTS.retry_after_max_s,
    type=click.IntRange(0),
    metavar="SECONDS",
    help="The longest Retry-After.",
)
@click.option(
    "--max-faults-per-tip",
    default=_DEFAULTS.max_faults_per_tip,
    type=click.IntRange(0),
    help="Faults of the mix that one record and its files meet in all; 0: no limit.",
)
@click.option(
    "--drip-rate",
    "drip_bytes_per_s",
    default=_DEFAULTS.drip_bytes_per_s,
    type=click.IntRange(1),
    metavar="BYTES",
    help="Bytes per second of the fault drip.",
)
@click.option(
    "--stall-s",
    default=_DEFAULTS.stall_s,
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="How long a stalled connection stays open.",
)
def simulate(**asked: Any) -> int:
    """Serve a fake Noggin API until Ctrl-C: records, photos, and faults on request.

    Prints one line of JSON once it listens: base_url, token, namespace, control_url, pid, tips.
    """
    return serving.serve(options.Options(**asked), announce=_announce)
