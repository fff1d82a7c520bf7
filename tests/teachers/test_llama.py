"""The teacher by llama.cpp, with a tiny random model. Its server is a process of its own, that must never stay behind."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import zoo.embedding
from tests.fakes.models import tiny_gguf, tiny_weights
from tests.fakes.processes import heed_interrupts
from tests.steps import annotate_job
from zoo.api import Example
from zoo.artifact import Artifact, digest_file
from zoo.errors import ZooError
from zoo.run import run_step
from zoo.settings import AnnotateSettings
from zoo.steps.annotate import STEP
from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers.llama import LlamaTeacher, Served
from zoo.weights.to_gguf import write_f16

xllamacpp = pytest.importorskip("xllamacpp")
SCHEMA = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": False}
MESSAGES = ({"role": "user", "content": "Which drug is given first, at 12.5 mg?\n\nIt's for  anaphylaxis."},)
# What a run does, in a process of its own: it asks, says who serves it, and then waits for a long answer.
ASKING = """
import asyncio, sys
from pathlib import Path
from zoo import interrupt
from zoo.teachers import Request
from zoo.teachers.llama import LlamaTeacher, Served
async def main():
    teacher = LlamaTeacher(lambda: Path(sys.argv[1]), "tiny", "digest", Served(2, 1024, 1), 900)
    await teacher.ask(Request(({"role": "user", "content": "hello"},), 4))
    print(teacher._process.pid, flush=True)
    while True:
        await asyncio.gather(*(teacher.ask(Request(({"role": "user", "content": str(n)},), 900)) for n in range(8)))
interrupt.heed(lambda: None)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def teacher(file: Path, context: int = 512) -> LlamaTeacher:
    return LlamaTeacher(lambda: file, file.name, "digest", Served(2, context, 1), 64)


def ask(file: Path, *requests: Request, context: int = 512) -> list[Any]:
    async def run() -> list[Any]:
        asked = teacher(file, context)
        try:
            return list(await asyncio.gather(*(asked.ask(r) for r in requests), return_exceptions=True))
        finally:
            await asked.close()

    return asyncio.run(run())


def test_a_gguf_file_answers_under_its_own_name_and_leaves_no_process(file, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # which this machine's own server is not behind
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    before = {p.pid for p in psutil.Process().children()}
    plain, again, other = ask(file, Request(MESSAGES, 8), Request(MESSAGES, 8), Request(MESSAGES, 3))
    assert isinstance(plain, Answer) and plain.place == "digest" and plain.tokens_out == 8
    assert plain.finish == "length" and plain.text == again.text and plain.text.startswith(other.text)
    assert {p.pid for p in psutil.Process().children()} == before


def test_a_schema_is_kept_to_even_by_a_model_that_says_nothing_sensible(file):
    (answer,) = ask(file, Request(MESSAGES, 32, schema=SCHEMA))
    assert set(json.loads(answer.text)) == {"a"}


def test_a_prompt_that_no_slot_has_room_for_is_that_request_s_trouble_alone(file):
    long = Request(({"role": "user", "content": "Which drug? " * 400},), 8)
    bad, good = ask(file, long, Request(MESSAGES, 8), context=256)
    assert isinstance(bad, Unanswered) and bad.final and "context" in str(bad)
    assert isinstance(good, Answer)


def test_others_on_the_machine_get_no_answer(file):
    async def run() -> int:
        import httpx

        asked = teacher(file)
        try:
            await asked.ask(Request(MESSAGES, 2))
            assert asked._server is not None
            url = str(asked._server._client.base_url)
            async with httpx.AsyncClient(trust_env=False) as client:
                body = {"messages": list(MESSAGES), "max_tokens": 2}
                return (await client.post(f"{url}chat/completions", json=body)).status_code
        finally:
            await asked.close()

    assert asyncio.run(run()) == 401


def test_a_file_that_is_cut_short_is_said_and_not_tried_again(file, tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(file.read_bytes()[:-1000])
    one, two = ask(cut, Request(MESSAGES, 2), Request(MESSAGES, 3))
    assert isinstance(one, ZooError) and "cut.gguf ended (exit status 1" in str(one) and one is two


def test_a_server_that_dies_ends_the_run_with_its_reason(file):
    async def run() -> str:
        asked = teacher(file)
        try:
            await asked.ask(Request(MESSAGES, 2))
            assert asked._process is not None
            asked._process.kill()
            with pytest.raises(ZooError) as caught:
                await asked.ask(Request(MESSAGES, 5))
            return str(caught.value)
        finally:
            await asked.close()

    assert "tiny.gguf ended (SIGKILL" in asyncio.run(run())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_server_outlives_its_run(file, number):
    command = [sys.executable, "-c", ASKING, str(file)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heed_interrupts)
    try:
        assert run.stdout is not None
        server = psutil.Process(int(run.stdout.readline()))
        began = time.monotonic()
        os.kill(run.pid, number)
        status = run.wait(10)
    finally:
        run.kill()
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE and time.monotonic() < began + 5:
        time.sleep(0.02)
    assert time.monotonic() - began < 2
    assert status == (-9 if number == signal.SIGKILL else 130)


def test_a_step_finds_its_answers_again_though_the_server_is_another(file, tmp_path, monkeypatch):
    seeds = [seed("Which drug lowers fever?", "paracetamol"), seed("Which drug is for asthma?", "salbutamol")]
    ingest = annotate_job.make(tmp_path, 3, seeds)
    monkeypatch.setattr(zoo.embedding, "load_embedder", annotate_job.fake_embedder)
    settings = AnnotateSettings(max_answer_tokens=48, attempts=1, temperature=0)

    def run() -> Artifact:
        plain = annotate_job.job(tmp_path, None, settings)
        local = replace(plain, options=replace(plain.options, teacher_model=str(file)))
        local.__dict__.update(embedder=plain.embedder, base=plain.base)
        return run_step(local, STEP, {"ingest": ingest})[0]

    first = run()
    result, known = first.result, first.record["identity"]["teacher"]
    assert "unanswered" not in result["rejected"], first.path("rejected.jsonl").read_text()
    assert result["calls"] > 0 == result["cached"] and result["teacher"] == file.name and result["kept"] == 2
    assert known == {"model": "local", "digest": digest_file(file), "file": file.name, "engine": "llama"}
    rejected = first.path("rejected.jsonl").read_bytes()
    shutil.rmtree(first.folder)
    monkeypatch.setattr(subprocess, "Popen", None)  # no server is needed now
    again = run()
    assert again.result["cached"] == again.result["calls"] == result["calls"]
    assert again.path("rejected.jsonl").read_bytes() == rejected


def seed(question: str, answer: str) -> Example:
    return Example(
        id=answer, kind="choice", question=question, choices=[answer, "water"], answer=answer, origin="person",
        source="sample", licence="CC0-1.0",
    )  # fmt: skip


@pytest.mark.parametrize("cut", ["gpt-2", "smollm"])
def test_a_folder_s_weights_say_the_same_as_gguf(tmp_path, cut):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_weights(tmp_path / "model").folder
    described = json.loads((folder / "tokenizer.json").read_text())
    whole = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    described["pre_tokenizer"] = whole if cut == "gpt-2" else {"type": "Sequence", "pretokenizers": [digits, whole]}
    (folder / "tokenizer.json").write_text(json.dumps(described))
    write_f16(folder, tmp_path / "model.gguf")

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = tokenizer.apply_chat_template(list(MESSAGES), add_generation_prompt=True, return_dict=False)
    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0, -1]
    expected = torch.log_softmax(logits, -1)

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel, params.verbosity = str(tmp_path / "model.gguf"), 512, 1, 1
    server = xllamacpp.Server(params)
    said = server.handle_chat_completions(
        {"messages": list(MESSAGES), "max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": 20}
    )
    assert said["usage"]["prompt_tokens"] == len(ids)
    top = said["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    assert len(top) == 20 and top[0]["id"] == int(logits.argmax())
    for entry in top:
        assert entry["logprob"] == pytest.approx(float(expected[entry["id"]]), abs=2e-3)
