"""`<step>.log` in a step's artifact: what the step said, with times. It goes on where a killed run's stops."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zoo.artifact import log_name
from zoo.console import heard
from zoo.errors import ZooError, kind_and_line

_SECRETS = ("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_APART = ("transformers", "huggingface_hub", "datasets", "lm_eval")  # libraries that keep their records from the root
_SHORTEST = 8  # characters; shorter ones are placeholders as local servers want them, and may be any word
_PATH = re.compile(r"(?<![\w.:/<>~-])/(?:[^\s/'\"]+/)+([^\s/'\"]+)")
_USER = re.compile(r"(?<=://)[^\s/@]+@")


class StepLog:
    """Appends lines with their time (UTC), each on the disk at once. `again` says that an earlier run had begun it."""

    def __init__(self, folder: Path, step: str, workspace: Path) -> None:
        path = folder / log_name(step)
        self.workspace = str(workspace)
        self.again = path.is_file() and path.stat().st_size > 0
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        if self.again and not path.read_bytes().endswith(b"\n"):  # a kill cut its last line
            self._file.write("\n")

    def write(self, text: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for line in without_places(text, self.workspace).rstrip().split("\n"):
            self._file.write(f"{now} {line.rstrip()}\n")

    def close(self) -> None:
        self._file.close()


def without_places(text: str, workspace: str) -> str:
    """The text as it may leave this machine: no secret of the environment, no path but within the workspace; of others
    the last part stands."""
    for secret in map(os.environ.get, _SECRETS):
        if secret and len(secret) >= _SHORTEST:
            text = text.replace(secret, "***")
    return _PATH.sub(r"\1", _USER.sub("", text).replace(workspace, "<workspace>"))


@contextmanager
def step_log(folder: Path, step: str, workspace: Path) -> Iterator[StepLog]:
    """Within, all that is said, and every warning of a library, stands in the log too; so does what ended it early."""
    log = StepLog(folder, step, workspace)
    try:
        with heard(log.write), _warnings(log):
            yield log
    except ZooError as e:
        log.write(f"{step}: failed: {e}")
        raise
    except KeyboardInterrupt:
        log.write(f"{step}: interrupted")
        raise
    except Exception as e:
        log.write(f"{step}: failed: {kind_and_line(e)}")
        raise
    finally:
        log.close()


@contextmanager
def _warnings(log: StepLog) -> Iterator[None]:
    """Python's warnings and the libraries' go to the log beside where they went before."""
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *more: Any, **also: Any) -> None:
        log.write(f"  warning: {category.__name__}: {message}")
        shown(message, category, *more, **also)

    handlers = {name: _Handler(log, name) for name in ("", *_APART)}
    warnings.showwarning = show
    for name, handler in handlers.items():
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name, handler in handlers.items():
            logging.getLogger(name).removeHandler(handler)
        if warnings.showwarning is show:
            warnings.showwarning = shown


class _Handler(logging.Handler):
    def __init__(self, log: StepLog, of: str) -> None:
        super().__init__(logging.WARNING)
        self.log, self.of = log, of

    def emit(self, record: logging.LogRecord) -> None:
        if self.of and logging.getLogger(self.of).propagate:  # it comes to the root's handler too
            return
        self.log.write(f"  {record.levelname.lower()}: {record.name}: {record.getMessage()}")
        # Python shows a record that no handler takes, and this one must not change that.
        if not self._others(record.name) and logging.lastResort:
            logging.lastResort.handle(record)

    def _others(self, name: str) -> bool:
        logger: logging.Logger | None = logging.getLogger(name)
        while logger:
            if any(not isinstance(h, _Handler) for h in logger.handlers):
                return True
            logger = logger.parent if logger.propagate else None
        return False
