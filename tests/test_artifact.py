"""Artifacts exist or do not; fingerprints name content and nothing else."""

from __future__ import annotations

import json
import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zoo.api import Passage
from zoo.artifact import Artifact, fingerprint, finish, packages, read_rows, write_atomic, write_rows
from zoo.settings import AnnotateSettings, FinetuneSettings, IngestSettings
from zoo.strict import identity_of


def test_a_fingerprint_does_not_depend_on_order_and_refuses_what_is_not_plain_data():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    for vague in (Path("x"), {1, 2}, float("nan"), object()):
        with pytest.raises((TypeError, ValueError)):
            fingerprint({"a": vague})


def test_where_the_embedder_lies_stays_out_of_the_identity(tmp_path, monkeypatch):
    one, two = (IngestSettings(embedder=name) for name in ("a", "b"))
    assert identity_of(one) == identity_of(two) != identity_of(IngestSettings(passage_tokens=100))
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    assert IngestSettings(embedder="a").embedder == str(tmp_path / "a")


def test_runtime_settings_stay_out_of_the_identity():
    assert identity_of(AnnotateSettings(concurrency=1)) == identity_of(AnnotateSettings(concurrency=64))
    assert identity_of(FinetuneSettings(rank=4)) != identity_of(FinetuneSettings(rank=8))


def test_the_record_is_written_last_and_names_every_file(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "journal").write_text("x")
    (tmp_path / "rows.jsonl").write_text("{}\n")
    assert not Artifact(tmp_path).exists
    artifact = finish(tmp_path, {"result": {"n": 1}})
    assert artifact.exists
    assert list(artifact.record["files"]) == ["rows.jsonl"]
    assert artifact.changed_files() == []
    (tmp_path / "rows.jsonl").write_text("{} \n")
    assert artifact.changed_files() == ["rows.jsonl"]


def test_a_record_lists_what_is_installed_with_the_project_and_no_tool_of_its_tests():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", d).group() for d in project["dependencies"]}
    assert set(packages()) - {"python", project["name"]} <= needed
    assert "trl" not in needed


def test_content_ignores_logs_and_records(tmp_path):
    contents = []
    for n, log in enumerate(("fast", "slow")):
        place = tmp_path / str(n)
        place.mkdir()
        (place / "rows.jsonl").write_text("{}\n")
        (place / "train.log").write_text(log)
        contents.append(finish(place, {"result": {}, "seconds": n}).content)
    assert contents[0] == contents[1]


def test_rows_survive_writing_and_reading(tmp_path):
    rows = [Passage(id="d#0", document="d", text="β-blocker\u2028line", start=0, end=14, title="A > B", page=2)]
    assert write_rows(tmp_path / "p.jsonl", rows) == 1
    assert list(read_rows(tmp_path / "p.jsonl", Passage)) == rows
    assert json.loads((tmp_path / "p.jsonl").read_text())["page"] == 2


def test_what_a_kill_left_of_a_file_half_written_is_cleared_away(tmp_path):
    (tmp_path / ".rows.jsonl.part").write_text('{"n": 0, "long": "and broken off"')
    (tmp_path / ".other.jsonl.part").write_text("{")
    (tmp_path / "paper.part").write_text("a file of that name")
    assert write_rows(tmp_path / "rows.jsonl", [{"n": 1}]) == 1
    assert (tmp_path / "rows.jsonl").read_text() == '{"n": 1}\n' and not (tmp_path / ".rows.jsonl.part").exists()
    (tmp_path / "rows.jsonl").unlink()
    assert set(finish(tmp_path, {"result": {}}).record["files"]) == {"paper.part"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["paper.part", "record.json"]


def test_a_file_that_could_not_be_written_whole_leaves_nothing(tmp_path):
    def rows():
        yield {"n": 1}
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_rows(tmp_path / "rows.jsonl", rows())
    assert not list(tmp_path.iterdir())


def test_a_file_written_by_many_at_a_time_is_one_of_them_whole(tmp_path):
    texts = [str(n) * 10_000 for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write_atomic(tmp_path / "run.json", texts[n % 8]), range(200)))
    assert (tmp_path / "run.json").read_text() in texts and len(list(tmp_path.iterdir())) == 1


def test_a_file_that_is_gone_or_has_another_size_and_a_broken_record_are_damage(tmp_path):
    (tmp_path / "rows.jsonl").write_text("{}\n")
    finish(tmp_path, {"step": "ingest", "fingerprint": "f", "result": {}})
    assert Artifact(tmp_path).damage == ""
    (tmp_path / "rows.jsonl").write_text("{}\n{}\n")
    assert Artifact(tmp_path).damage == "rows.jsonl is missing or has another size"
    (tmp_path / "record.json").write_text("{")
    assert Artifact(tmp_path).damage == "its record.json is broken"
