"""Runs a session in the foreground: signals, the table at the end, the stats file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from livefuse.cli.table import print_record
from livefuse.config import Config
from livefuse.errors import SinkUnwritable
from livefuse.session import Session


class Stoppable(Protocol):
    def stop(self) -> None: ...


def run_live(config: Config) -> dict[str, Any]:
    """Run until the source ends or Ctrl-C, print the table; the record."""
    session = Session(config)
    with stopped_by_signals(session):
        record = asyncio.run(session.run())
    print_record(record)
    if config.stats:
        write_stats(record, config.stats)
    return record


@contextmanager
def stopped_by_signals(session: Stoppable) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) ends the session cleanly, the second at once."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        session.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_stats(record: dict[str, Any], path: str) -> None:
    """As JSON, whole or not at all; `-` is standard output. Raises: SinkUnwritable."""
    text = json.dumps(record, indent=2)
    if path == "-":
        import typer

        typer.echo(text)
        return
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_text(text + "\n")
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SinkUnwritable(f"cannot write {path}: {error.strerror}", hint="check the folder") from error
