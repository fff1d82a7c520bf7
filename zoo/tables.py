"""Reads a question set as its authors published it, rows with their own columns, from a file or from the Hub."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from zoo.config import HubData
from zoo.errors import RequestError, ZooError, first_line

RowDict = dict[str, Any]
KEY = "key"  # the column that holds the key where a JSON file maps keys to rows
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".xlsx")


def read_table(path: Path, limit: int | None = None) -> list[RowDict]:
    """The rows of a JSONL, JSON, CSV, TSV, Parquet or Excel file, at most `limit`; RequestError where it is none."""
    if not path.is_file():
        what = "is a folder, not a file of rows" if path.is_dir() else "does not exist"
        raise RequestError(f"The file {path} {what}; give a {', '.join(SUFFIXES)} file.")
    readers = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet, ".xlsx": _xlsx}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise RequestError(f"{path.name} is no file of rows that can be read; the formats are {', '.join(SUFFIXES)}.")
    try:
        rows = list(islice(readers[suffix](path), limit))
    except Exception as e:  # what a broken file makes a library raise has no end: archives, XML, column stores
        raise RequestError(f"{path} cannot be read as {suffix[1:]}: {first_line(e)}.") from e
    if not rows:
        raise RequestError(f"{path} holds no rows.")
    return rows


def _jsonl(path: Path) -> Iterator[RowDict]:
    with path.open(encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError as e:
                    raise ValueError(f"line {n}: {e}") from e
                if not isinstance(row, dict):
                    raise ValueError(f"line {n} is not an object")
                yield row


def _json(path: Path) -> Iterator[RowDict]:
    data = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(data, dict):
        lists = [v for v in data.values() if isinstance(v, list)]
        if len(data) == 1 and lists:
            data = lists[0]
        else:
            data = [{KEY: k, **v} for k, v in data.items() if isinstance(v, dict)]
    if not isinstance(data, list):
        raise ValueError("it is neither a list nor an object")
    for row in data:
        if not isinstance(row, dict):
            raise ValueError("its items are not objects")
        yield row


def _csv(path: Path) -> Iterator[RowDict]:
    csv.field_size_limit(2**27)
    with path.open(encoding="utf-8-sig", newline="") as f:
        yield from csv.DictReader(f, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")


def _parquet(path: Path) -> Iterator[RowDict]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()


def _xlsx(path: Path) -> Iterator[RowDict]:
    from openpyxl import load_workbook

    sheet = load_workbook(path, read_only=True, data_only=True).worksheets[0]
    rows = sheet.iter_rows(values_only=True)
    header = [str(h) if h is not None else "" for h in next(rows, ())]
    for values in rows:
        if any(v is not None for v in values):
            yield {h: v for h, v in zip(header, values, strict=False) if h}


def hub_rows(hub: HubData, split: str, offline: bool, cache: Path) -> tuple[list[RowDict], str]:
    """The rows of a Hub dataset's split, and where they came from with the commit that was resolved.

    Offline, or where the Hub does not answer, only `cache` is read. Raises ZooError when that has not got them.
    """
    import datasets
    from huggingface_hub import constants

    from zoo.weights import hub_reachable

    configs = hub.config if isinstance(hub.config, list) else [hub.config]
    online = not offline and hub_reachable()
    before = (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE)
    rows: list[RowDict] = []
    commits: set[str] = set()
    datasets.disable_progress_bars()
    try:
        # The libraries read their offline switch from the environment, once; --offline has to reach them too.
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = before[0] or not online
        for config in configs:
            found = datasets.load_dataset(
                hub.dataset, name=config, split=split, revision=hub.revision, cache_dir=str(cache)
            )  # fmt: skip
            commits |= {u.partition("@")[2].partition("/")[0] for u in found.info.download_checksums or {} if "@" in u}
            rows += found.to_list()
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as e:
        why = "" if online else ("--offline reads caches only" if offline else "the Hub does not answer") + ", and "
        raise ZooError(
            f"The dataset {hub.dataset} ({split}) was not found: {why}{first_line(e)}; "
            "download it and name the file with --source ID=PATH or --suite-data ID=PATH."
        ) from e
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before
    return rows, f"{hub.dataset}@{', '.join(sorted(commits)) or hub.revision} {split}"
