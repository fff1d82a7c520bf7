"""What this machine has and can reach, each with what depends on it. Nothing is fetched, and nothing is waited for long."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from zoo.artifact import Workspace, packages
from zoo.errors import RequestError
from zoo.recipes import load_recipe
from zoo.run import threads
from zoo.teachers.chosen import addresses
from zoo.teachers.endpoint import address
from zoo.weights import hub_endpoint, hub_is_off, hub_reachable, kept

if TYPE_CHECKING:
    import httpx

NETWORK_S, PROGRAM_S, LONGEST_S = 3.0, 5.0, 60.0
DISK_GB = 6.0
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Check:
    """`found` is what is there; `limits` what it decides, or what goes without it."""

    check: str
    ok: bool
    found: str
    limits: str


def checks(workspace: Workspace) -> Iterator[Check]:
    """Every check in turn, as soon as it is done. None raises, and none takes longer than a minute."""
    recipe = load_recipe("laptop")
    named: list[tuple[str, Callable[[], Check]]] = [
        ("python", _python),
        ("libraries", _libraries),
        ("cores", _cores),
        ("memory", _memory),
        ("gpu", _gpu),
        ("disk", lambda: _disk(workspace.root)),
        ("hub", _hub),
        ("teacher", _teacher),
        ("base", lambda: _weights("base", recipe.base, workspace)),
        ("embedder", lambda: _weights("embedder", recipe.ingest.embedder, workspace)),
        ("ocr", _ocr),
        ("sandbox", _sandbox),
    ]
    for name, ask in named:
        yield _within(LONGEST_S, name, ask)


def _within(seconds: float, name: str, ask: Callable[[], Check]) -> Check:
    """The check's outcome, or that there was none: on a sick machine anything may fail or hang, and the rest is still
    worth knowing."""
    done: list[Check] = []

    def work() -> None:
        try:
            done.append(ask())
        except Exception as e:
            done.append(Check(name, False, f"could not be looked at ({type(e).__name__}: {e})", "unknown"))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return done[0] if done else Check(name, False, f"no answer within {seconds:g} s", "unknown")


# --- the installation ------------------------------------------------------------------------------------------------


def _python() -> Check:
    found = packages()
    name = f"zoo {found.get('srm-zoo', 'of no version')} on Python {found['python']}"
    return Check("python", sys.version_info >= (3, 11), name, "Python 3.11 or later is needed")


def _libraries() -> Check:
    from packaging.requirements import Requirement

    wanted = [Requirement(r) for r in requires("srm-zoo") or []]
    wrong, seen = [], 0
    for need in wanted:
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        seen += 1
        try:
            if not need.specifier.contains(has := version(need.name), prereleases=True):
                wrong.append(f"{need.name} is {has}, not {need.specifier}")
        except PackageNotFoundError:
            wrong.append(f"{need.name} is missing")
    found = "; ".join(wrong) if wrong else f"all {seen} are here, in versions that fit"
    return Check("libraries", not wrong, found, "what needs another version fails; install zoo again to mend it")


# --- the machine -----------------------------------------------------------------------------------------------------


def _cores() -> Check:
    cores = threads()
    return Check("cores", cores >= 2, str(cores), "how long training and evaluation take where there is no GPU")


def _memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    for limit, used in _container_limits():
        total, free = min(total, limit), max(0, min(free, limit - used))
    found = f"{free / 2**30:.1f} GB free of {total / 2**30:.1f}"
    return Check("memory", free >= 4 * 2**30, found, "how large a base can be: float32 weights take 4 GB a billion")


def _container_limits() -> Iterator[tuple[int, int]]:
    """(limit, used) in bytes where this process is in a container, which may have less than the machine has. Files that
    the kernel keeps only while there is room count as free."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        texts = [p.read_text().strip() for n in (limit, used) if (p := CGROUP / n).is_file()]
        if len(texts) == 2 and all(t.isdigit() for t in texts):
            stat = (CGROUP / used).with_name("memory.stat")
            words = [line.split() for line in stat.read_text().splitlines()] if stat.is_file() else []
            kept = {w[0]: int(w[1]) for w in words if len(w) == 2 and w[1].isdigit()}
            yield int(texts[0]), int(texts[1]) - kept.get("total_inactive_file", kept.get("inactive_file", 0))


def _gpu() -> Check:
    import torch

    limits = "bases beyond a few hundred million parameters are slow without one"
    if torch.cuda.is_available():
        gpus = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
        if len(gpus) > 1:
            limits = f"training uses one of them, or all under `torchrun --nproc_per_node {len(gpus)} -m zoo`"
        return Check("gpu", True, ", ".join(f"{g.name} {g.total_memory / 2**30:.0f} GB" for g in gpus), limits)
    if shutil.which("nvidia-smi"):
        return Check("gpu", False, f"torch {torch.__version__} does not see this machine's GPU", limits)
    return Check("gpu", False, "none", limits)


def _disk(root: Path) -> Check:
    place = next(p for p in (root, *root.parents) if p.exists())
    free = shutil.disk_usage(place).free / 2**30
    limits = f"the laptop recipe takes up to {DISK_GB:g} GB, installation included"
    if not os.access(place, os.W_OK):
        return Check("disk", False, f"{place} cannot be written to", "--workspace names another place")
    return Check("disk", free >= DISK_GB, f"{free:.1f} GB free for {root}", limits)


# --- the network -----------------------------------------------------------------------------------------------------


def _hub() -> Check:
    answers = hub_reachable(NETWORK_S)
    found = f"{address(hub_endpoint())} {'answers' if answers else 'does not answer'}"
    if hub_is_off():
        found = "switched off by HF_HUB_OFFLINE"
    return Check("hub", answers, found, "other bases, question sets, publish and pull come and go through it")


def _teacher() -> Check:
    limits = "how many examples are written: the local teacher, the base itself, adds next to nothing to the seeds"
    listed, key, model = (os.environ.get(f"OPENAI_{n}") or "" for n in ("BASE_URL", "API_KEY", "MODEL"))
    if not listed:
        return Check("teacher", False, "none is set (OPENAI_BASE_URL, OPENAI_MODEL, OPENAI_API_KEY)", limits)
    try:
        urls = addresses(listed)
    except RequestError as e:
        return Check("teacher", False, f"OPENAI_BASE_URL cannot be used: {e}", limits)
    asked = [_within(NETWORK_S, address(url), partial(_asked_teacher, url, key, model)) for url in urls]
    found = "; ".join(f"{c.check} {c.found}" for c in asked)
    return Check("teacher", all(c.ok for c in asked), found, limits)


def _asked_teacher(url: str, key: str, model: str) -> Check:
    """One of the servers, under its address."""
    import httpx

    where = address(url)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{url.rstrip('/')}/models", headers=headers, timeout=NETWORK_S)
    except (httpx.HTTPError, OSError) as e:
        return Check(where, False, f"does not answer ({type(e).__name__})", "")
    if answer.status_code in (401, 403):
        return Check(where, False, "refuses the key in OPENAI_API_KEY", "")
    if not model:
        return Check(where, False, "answers, but OPENAI_MODEL names no model", "")
    served = _models(answer)
    if served and model not in served:
        return Check(where, False, f"has no model {model!r}; it has {', '.join(served[:5])}", "")
    return Check(where, True, f"answers, to be asked for {model}", "")


def _models(answer: httpx.Response) -> list[str]:
    """The models a server says it has; none where it keeps no list, as some do."""
    try:
        return sorted(str(m["id"]) for m in answer.json()["data"])
    except (ValueError, KeyError, TypeError):
        return []


# --- weights and programs --------------------------------------------------------------------------------------------


def _weights(role: Literal["base", "embedder"], name: str, workspace: Workspace) -> Check:
    folder = kept(role, name, workspace.cache)
    found = f"{name} is in {folder}" if folder else f"{name} is not on this disk"
    return Check(role, folder is not None, found, "the first run fetches it: from the Hub, else the package registry")


def _ocr() -> Check:
    found = {name: shutil.which(name) is not None for name in ("tesseract", "ocrmypdf")}
    text = ", ".join(name if there else f"no {name}" for name, there in found.items())
    return Check(
        "ocr", all(found.values()), text, "scanned PDFs are rejected; `ocrmypdf IN.pdf OUT.pdf` makes them text"
    )


def _sandbox() -> Check:
    limits = (
        "a domain whose answers are code cannot test them without it; none that comes with the project needs it yet"
    )
    if not (bwrap := shutil.which("bwrap")):
        return Check("sandbox", False, "no bubblewrap", limits)
    confined = [bwrap, "--ro-bind", "/", "/", "--unshare-all", "true"]
    done = subprocess.run(confined, capture_output=True, timeout=PROGRAM_S, check=False)
    works = done.returncode == 0
    return Check(
        "sandbox", works, "bubblewrap" + ("" if works else " is here, but this system lets it confine nothing"), limits
    )
