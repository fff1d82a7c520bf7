"""The step as a whole: what it leaves, what it refuses, how it goes on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.api import Document, Passage, Rejected
from zoo.errors import RequestError
from zoo.reading.isolate import Confinement, Task, read_all
from zoo.reading.journal import Journal
from zoo.retrieval import last_ingest
from zoo.run import Run, load_step, run_step

STEP = load_step("ingest")


def notes(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for n in range(count):
        (folder / f"note {n:02}.txt").write_text(
            "\n\n".join(f"Note {n} says fact {n}{i} about topic{n}." for i in range(30))
        )
    return folder


def test_the_packaged_sample_is_what_is_read_by_default(make_run: Callable[..., Run]) -> None:
    artifact, skipped = run_step(make_run(), STEP, {})
    (document,) = artifact.rows("documents.jsonl", Document)
    assert (document.id, document.licence, document.meta["title"]) == ("sample/note.md", "CC0-1.0", "Note")
    assert not skipped and run_step(make_run(), STEP, {})[1]


def test_the_packaged_sample_is_read_beside_a_corpus(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    artifact, _ = run_step(make_run(notes(tmp_path / "one", 2), sample=True), STEP, {})
    assert {d.id for d in artifact.rows("documents.jsonl", Document)} == {
        "corpus/note 00.txt", "corpus/note 01.txt", "sample/note.md",
    }  # fmt: skip


def test_the_same_files_leave_the_same_artifact_anywhere(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    one, two = notes(tmp_path / "one", 9), notes(tmp_path / "two", 9)
    a, _ = run_step(make_run(one, workers=1), STEP, {})
    b, _ = run_step(make_run(two, workers=2, workspace="other"), STEP, {})
    assert (a.folder.name, a.content) == (b.folder.name, b.content)
    assert a.result == b.result and str(tmp_path) not in a.path("record.json").read_text()
    assert last_ingest(make_run().workspace, "tiny").folder == a.folder


def test_duplicates_are_dropped_with_a_pointer(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    folder = notes(tmp_path / "c", 2)
    text = (folder / "note 00.txt").read_text()
    (folder / "same.txt").write_text(text)
    (folder / "similar.md").write_text(text.replace("fact 00 ", "claim 00 "))
    artifact, _ = run_step(make_run(folder), STEP, {})
    dropped = {r.path: r for r in artifact.rows("rejected.jsonl", Rejected)}
    assert dropped["same.txt"].reason == "duplicate of corpus/note 00.txt"
    assert dropped["similar.md"].detail["kept"] == "corpus/note 00.txt"
    assert (artifact.result["documents"], artifact.result["duplicates"], artifact.result["rejected"]) == (2, 2, 0)


def test_a_cap_takes_a_sample_that_the_seed_decides(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    folder = notes(tmp_path / "c", 12)

    def drawn(seed: int) -> list[str]:
        artifact, _ = run_step(make_run(folder, seed=seed, max_documents=4), STEP, {})
        assert artifact.result["coverage"] == {"files": 12, "read": 4}
        return [d.path for d in artifact.rows("documents.jsonl", Document)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_wrong_requests_are_refused_before_any_work(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    with pytest.raises(RequestError, match="does not exist"):
        STEP.check(make_run(tmp_path / "nowhere"))


def test_files_of_one_name_in_two_folders_keep_two_ids(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    one, two = notes(tmp_path / "one", 1), notes(tmp_path / "two", 1)
    (two / "note 00.txt").write_text("Something else entirely is said here, and at some length too.")
    artifact, _ = run_step(make_run(one, two), STEP, {})
    assert [d.path for d in artifact.rows("documents.jsonl", Document)] == ["one/note 00.txt", "two/note 00.txt"]


def test_a_corpus_of_nothing_readable_says_so(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    artifact, _ = run_step(make_run(tmp_path / "c"), STEP, {})
    assert (artifact.result["documents"], artifact.result["reasons"]) == (0, {"binary": 1})
    assert list(artifact.rows("passages.jsonl", Passage)) == []


def test_a_file_that_took_too_long_is_read_again_once_it_may_take_longer(
    tmp_path: Path, make_run: Callable[..., Run]
) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "slow.nap").write_text("It takes a second and a half.")
    artifact, _ = run_step(make_run(tmp_path / "c", timeout_s=0.3), STEP, {})
    assert artifact.result["reasons"] == {"timed out": 1}
    artifact, skipped = run_step(make_run(tmp_path / "c", timeout_s=30.0), STEP, {})
    assert (artifact.result["documents"], skipped) == (1, False)


def test_a_file_that_took_too_much_memory_is_read_again_once_it_may_take_more(
    tmp_path: Path, make_run: Callable[..., Run]
) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "heavy.weigh").write_text("It takes 600 MB.")
    artifact, _ = run_step(make_run(tmp_path / "c", memory_mb=256), STEP, {})
    assert artifact.result["reasons"] == {"out of memory": 1}
    artifact, skipped = run_step(make_run(tmp_path / "c", memory_mb=2048), STEP, {})
    assert (artifact.result["documents"], skipped) == (1, False)


def test_a_worker_that_dies_late_does_not_take_the_others_files(tmp_path: Path, tiny_domain: Path) -> None:
    names = ["a.txt", "b.crash", "c.txt", "d.crash", "e.txt"]
    tasks = []
    for name in names:
        (tmp_path / name).write_text("Some text.")
        import hashlib

        tasks.append(Task(name, str(tmp_path / name), name, hashlib.sha256(b"Some text.").hexdigest()))
    confinement = Confinement("tiny", (str(tiny_domain),), 20, 512, 32)
    answers = {t.id: a for t, a in read_all(tasks, confinement, 1)}
    assert [n for n in names if "rejected" in answers[n]] == ["b.crash", "d.crash"]
    assert "SIGABRT" in answers["b.crash"]["rejected"]


def test_a_journal_forgets_a_line_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        journal.note("a", "1", {"rejected": "x"})
    with path.open("ab") as f:
        f.write(b'{"id": "b", "sha')
    with Journal(path) as journal:
        assert "a" in journal and "b" not in journal
        journal.note("b", "2", {"rejected": "y"})
    with Journal(path) as journal:
        assert journal.reason("b") == "y"


KILLED = """
import sys; from pathlib import Path
from zoo.reading.isolate import Confinement, Task, read_all
from zoo.reading.journal import Journal
from zoo.artifact import digest_file
folder = Path(sys.argv[1])
paths = sorted(folder.glob("*.txt")) + sorted(folder.glob("*.hang"))
tasks = [Task(p.name, str(p), p.name, digest_file(p)) for p in paths]
with Journal(Path(sys.argv[2])) as journal:
    for task, answer in read_all(tasks, Confinement("tiny", (sys.argv[3],), 30, 512, 32), 2):
        journal.note(task.id, task.sha256, answer)
        print(task.id, flush=True)
"""


def test_a_kill_loses_only_the_files_in_hand(tmp_path: Path, tiny_domain: Path) -> None:
    folder = notes(tmp_path / "c", 8)
    (folder / "z.hang").write_text("never ends")
    journal = tmp_path / "read.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(journal), str(tiny_domain)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(8):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.1)
    with Journal(journal) as read:
        assert all(f"note {n:02}.txt" in read for n in range(8))
        assert "z.hang" not in read
