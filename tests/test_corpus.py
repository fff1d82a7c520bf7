from __future__ import annotations

from pathlib import Path

from tests.steps.annotate_job import job, make
from zoo.corpus import corpus_of
from zoo.settings import AnnotateSettings


def test_a_packaged_source_named_elsewhere_is_read_there_alone(tmp_path: Path) -> None:
    make(tmp_path, 1)
    for folder, name in ((tmp_path / "pharmacy" / "sample", "old.txt"), (tmp_path / "new", "new.txt")):
        folder.mkdir()
        (folder / name).write_text("Zalor is given first.")
    assert corpus_of(job(tmp_path, None, AnnotateSettings())).ids == ["sample/old.txt"]
    moved = job(tmp_path, None, AnnotateSettings(), sources={"sample": tmp_path / "new"})
    assert corpus_of(moved).ids == ["sample/new.txt"]
