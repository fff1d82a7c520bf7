"""`zoo chat` as a user meets it, over a release made by hand: a model that says the same to everybody, and real passages."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.fakes.models import scripted_weights, tiny_embedder, tiny_tokenizer, tiny_weights
from tests.fakes.processes import heed_interrupts
from zoo.api import Passage
from zoo.artifact import Artifact, finish
from zoo.chat import Chat
from zoo.commands.chat import say_places
from zoo.errors import RequestError
from zoo.library import load_domain
from zoo.loading import Loaded, asked
from zoo.prompting import Parts, split_response, user_turn
from zoo.retrieval import Retriever, last_ingest

COMMAND = [sys.executable, "-c", "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"]
SAID = ["<think>", "It says", " so.", "</think>", "Adrenaline,", " 0.5 mg", " at once"]
QUESTION = "Which drug is given first for anaphylaxis?"
DISCLAIMER = "not a medical device"


def chat(*args: str, workspace: Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "chat", *args, "--workspace", str(workspace)]
    return subprocess.run(command, input=stdin or "", capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two documents of the sample ingested (one of them a PDF, with pages), and a release made from them."""
    root = tmp_path_factory.mktemp("chat")
    base, embedder = tiny_weights(root / "base"), tiny_embedder(root / "embedder")
    sample = load_domain("medical").folder / "sample"
    ingest = zoo.train(
        "medical", until="ingest", workspace=root / "ws", base=str(base.folder),
        corpus=(sample / "anaphylaxis_management.pdf", sample / "atrial_fibrillation.md"),
        settings=(f"ingest.embedder={embedder}", "ingest.passage_tokens=400", "ingest.sample=false"),
    )  # fmt: skip
    release(root / "ws", Artifact(Path(ingest["artifact"])), "0.1.0", SAID)
    return root / "ws"


def release(workspace: Path, ingest: Artifact, version: str, said: list[str], window: int = 1024) -> Path:
    folder = workspace / "healthcare" / "releases" / version
    scripted_weights(folder, said, window=window)
    inputs = {"ingest": {"fingerprint": ingest.record["fingerprint"], "content": ingest.content}}
    finish(
        folder, {"domain": "healthcare", "fingerprint": f"r-{version}", "inputs": inputs, "result": {"gate": "passed"}}
    )
    return folder


def test_one_question_as_json(workspace):
    done = chat("medical", QUESTION, "--json", "--top", "3", workspace=workspace)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    said = json.loads(done.stdout)
    assert (said["domain"], said["version"], said["question"]) == ("healthcare", "0.1.0", QUESTION)
    assert (said["answer"], said["reasoning"], said["stopped"]) == ("Adrenaline, 0.5 mg at once", "It says so.", None)
    searched = [*COMMAND, "search", "medical", QUESTION, "--top", "3", "--json", "--workspace", str(workspace)]
    found = json.loads(subprocess.run(searched, capture_output=True, text=True, check=True).stdout)["passages"]
    assert [p["document"] for p in said["passages"]] == [p["document"] for p in found][: len(said["passages"])]
    assert set(said["passages"][0]) == {"document", "page", "title", "text"}
    assert said["passages"][0]["text"] and found[0]["text"].startswith(said["passages"][0]["text"])
    assert done.stderr.count(DISCLAIMER) == 1


def test_reasoning_is_hidden_unless_asked_for_and_the_passages_are_named(workspace):
    brief = chat("medical", *QUESTION.split(), "--top", "20", workspace=workspace)
    assert brief.returncode == 0, brief.stderr
    answer, _, shown = brief.stdout.partition("\n\nIt was shown:\n")
    assert answer == "Adrenaline, 0.5 mg at once"
    assert "[1] " in shown and ("anaphylaxis_management.pdf, page " in shown or "atrial_fibrillation.md: " in shown)
    assert "The model reads 1024 tokens: it was shown" in brief.stderr
    steps = chat("medical", QUESTION, "--reasoning", "--no-passages", workspace=workspace)
    assert steps.stdout == "Reasoning: It says so.\n\nAnswer: Adrenaline, 0.5 mg at once\n"


def test_stdin_is_the_question_and_a_cut_answer_is_said_to_be_cut(workspace):
    done = chat("medical@0.1.0", "--no-passages", "--max-tokens", "5", workspace=workspace, stdin=f"{QUESTION}\n")
    assert (done.returncode, done.stdout) == (0, "Adrenaline,\n")
    assert "cut off after 5 tokens" in done.stderr
    done = chat("medical", "--no-passages", "--max-tokens", "2", "--json", workspace=workspace, stdin=QUESTION)
    assert (json.loads(done.stdout)["answer"], json.loads(done.stdout)["stopped"]) == ("", "max_tokens")
    assert "no answer behind its steps" in done.stderr


def converse(workspace: Path, typed: str) -> subprocess.Popen[str]:
    """A conversation whose stdin is a terminal in which `typed` was typed."""
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    process = subprocess.Popen(
        [*COMMAND, "chat", "medical", "--no-passages", "--workspace", str(workspace)],
        stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    os.close(theirs)
    return process


@pytest.mark.parametrize("end", ["/quit\n", "\x04"])
def test_a_conversation_goes_on_until_it_is_ended(workspace, end):
    long = "x9 " * 400
    process = converse(workspace, f"{QUESTION}\n\n/qiut\n{long}\nAnd then?\n{end}")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out == "Adrenaline, 0.5 mg at once\n" * 2
    assert "There is no command '/qiut'; did you mean '/quit'?" in err
    assert "tokens too many for the model, which reads 1024" in err
    assert err.count(DISCLAIMER) == 1 and "Traceback" not in err


def test_ctrl_c_at_the_prompt_ends_it_without_a_fuss(workspace):
    process = converse(workspace, f"{QUESTION}\n")
    assert process.stderr is not None
    seen = ""
    while seen.count("> ") < 2:
        seen += process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "Adrenaline, 0.5 mg at once\n")
    assert "Traceback" not in err


def test_passages_that_are_gone_are_said_with_what_to_do(workspace, tmp_path):
    shutil.copytree(workspace, tmp_path / "ws")
    facts = next((tmp_path / "ws" / "healthcare" / "ingest").glob("*/index.json"))
    known = json.loads(facts.read_text())
    facts.write_text(json.dumps({**known, "embedder": {**known["embedder"], "digest": "0" * 64}}))
    other = chat("medical", QUESTION, workspace=tmp_path / "ws")
    assert (other.returncode, other.stdout) == (1, "")
    assert "embedder" in other.stderr and "--no-passages" in other.stderr and "zoo ingest healthcare" in other.stderr
    shutil.rmtree(tmp_path / "ws" / "healthcare" / "ingest")
    gone = chat("medical", QUESTION, "--json", workspace=tmp_path / "ws")
    assert gone.returncode == 2
    assert "--no-passages" in json.loads(gone.stdout)["error"] and "zoo ingest healthcare" in gone.stderr


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["medcal", "x"], "did you mean 'medical'?"),
        (["medical@0.2.0", "x"], "did you mean '0.1.0'?"),
        (["medical", "x", "--kind", "shrot"], "did you mean 'short'?"),
        (["medical", "x", "--kind", "choice"], "There is no kind of answer 'choice'"),
        (["medical"], "The question is empty"),
        (["medical", "x", "--top", "0"], "--top"),
    ],
)
def test_a_wrong_request_is_refused_with_the_nearest_name(args, expected, workspace):
    done = chat(*args, workspace=workspace)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    "response",
    [
        "<think>\nfirst <b>\n</think>\n\nyes </b",
        "no steps, 3 < 4",
        "<think>never closed",
        "",
        "  <think>a</think>  b\n\nc",
        "<thin",
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_response_in_pieces_is_taken_apart_as_a_whole_one_is(response, size):
    parts, said = Parts(), {"reasoning": "", "answer": ""}
    for at in range(0, len(response), size):
        for part, text in parts.feed(response[at : at + size]):
            said[part] += text
    for part, text in parts.end():
        said[part] += text
    assert (parts.reasoning, parts.answer) == split_response(response)
    assert (said["reasoning"].strip(), said["answer"].strip()) == split_response(response)


def test_a_block_behind_the_answer_is_no_answer_either():
    parts = Parts()
    heard = [x for c in "yes <think>or no</think>" for x in parts.feed(c)]
    assert "".join(text for part, text in heard if part == "answer") == "yes "


@dataclass
class Recorder:
    """Stands for a model: keeps the prompt it is given, and says nothing."""

    config: Any
    prompt: list[int]
    device: str = "cpu"

    def generate(self, input_ids: Any, **_: Any) -> Any:
        import torch

        self.prompt = input_ids[0].tolist()
        return torch.cat([input_ids, torch.tensor([[2]])], dim=1)


@pytest.mark.parametrize(("window", "cut"), [(100_000, False), (300, True)])
def test_the_model_is_asked_exactly_as_in_training_and_within_its_length(workspace, tmp_path, window, cut):
    from transformers import LlamaConfig

    domain, tokenizer = load_domain("medical"), tiny_tokenizer(tmp_path)
    model = Recorder(LlamaConfig(max_position_embeddings=window), [])
    ingest = last_ingest(zoo.artifact.Workspace(workspace), "healthcare")
    retriever = Retriever.open(ingest, tmp_path, offline=True)
    loaded = Loaded(domain, "0.1.0", model, tokenizer)
    reply = Chat(loaded, retriever, 2, "short", False, 50).ask(QUESTION, lambda part, text: None)
    row = asked(QUESTION, context="\n\n".join(p.text for p in reply.passages))
    turn = {"role": "user", "content": user_turn(domain, row, context=True, reasoning=False)}
    text = tokenizer.apply_chat_template([turn], tokenize=False, add_generation_prompt=True)
    assert tokenizer.decode(model.prompt) == text
    whole = [p.text for p, _ in retriever.nearest(QUESTION, 2)]
    assert all(w.startswith(p.text) for w, p in zip(whole, reply.passages, strict=False))
    assert ([p.text for p in reply.passages] != whole) == cut == (not reply.whole or len(reply.passages) < reply.found)
    assert len(model.prompt) + 50 <= window
    assert not cut or len(model.prompt) + 50 > window - 5, "no more is cut than must be"


@pytest.mark.parametrize(("said", "tokens"), [(["<td>"], 24), ([f" w{n}" for n in range(8)], 48)])
def test_who_says_one_thing_for_ever_is_stopped(said, tokens, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = scripted_weights(tmp_path, said, again=True)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    loaded = Loaded(load_domain("medical"), "0.1.0", model.eval(), tokenizer)
    reply = Chat(loaded, None, 2, "short", False, 200).ask(QUESTION, lambda part, text: None)
    assert reply.stopped == "repetition" and reply.answer == "".join(said * (tokens // len(said))).strip()
    assert Chat(loaded, None, 2, "short", False, 20).ask(QUESTION, lambda part, text: None).stopped == "max_tokens"


def test_passages_of_one_place_are_one_line_and_a_place_is_called_as_its_file_has_it(capsys):
    def passage(document: str, page: int | None) -> Passage:
        return Passage(id="p", document=document, text="t", start=0, end=1, title="T", page=page)

    shown = [
        passage("a/x.pdf", 2),
        passage("a/y.xlsx", 3),
        passage("a/x.pdf", 2),
        passage("s.PPTX", 1),
        passage("n.md", None),
    ]
    say_places(shown)
    assert capsys.readouterr().out.splitlines() == [
        "  [1, 3] a/x.pdf, page 2: T", "  [2] a/y.xlsx, sheet 3: T", "  [4] s.PPTX, slide 1: T", "  [5] n.md: T",
    ]  # fmt: skip


def test_a_question_longer_than_the_model_is_refused(tmp_path):
    from transformers import LlamaConfig

    model = Recorder(LlamaConfig(max_position_embeddings=64), [])
    loaded = Loaded(load_domain("medical"), "0.1.0", model, tiny_tokenizer(tmp_path))
    with pytest.raises(RequestError, match="ask more briefly"):
        Chat(loaded, None, 2, "short", False, 50).ask(QUESTION, lambda part, text: None)


@pytest.mark.parametrize("special", [False, True])
def test_it_is_heard_word_by_word_whatever_the_tokenizer_makes_of_the_tags(special, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = scripted_weights(tmp_path, SAID, special=special)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    loaded = Loaded(load_domain("medical"), "0.1.0", model.eval(), tokenizer)
    heard: list[tuple[str, str]] = []
    Chat(loaded, None, 2, "short", False, 50).ask(QUESTION, lambda part, text: heard.append((part, text)))
    answer = [text for part, text in heard if part == "answer"]
    assert "".join(answer) == loaded.answer(QUESTION) == "Adrenaline, 0.5 mg at once"
    assert len(answer) > 2
