"""How cached answers and requests under way are known by a document's words, and how they are erased."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path

from tests.lineage.job import holding
from zoo.ask import Ask, Prompt
from zoo.overlap import WINDOW, WORDS, marks, packed, runs, unpacked
from zoo.teachers import Answer, Request
from zoo.teachers.batch_journal import Journal, Line, erase
from zoo.teachers.cache import CachedTeacher
from zoo.teachers.store import Cache

SECRET = "The harbour master keeps the third key of the lower gate in a blue tin behind the old tide table"


class Echo:
    """A teacher that says nothing of what it was asked."""

    model, places, answer_tokens = "echo", ("here",), 64

    async def ask(self, request: Request) -> Answer:
        return Answer("yes, that is so", "stop", 1, 1)

    async def close(self) -> None:
        pass


def request(text: str, *before: str) -> Request:
    return Request(({"role": "user", "content": text},), 64, before=before)


def test_texts_that_share_enough_words_share_a_mark() -> None:
    chance = random.Random(3)
    words = [f"w{n}" for n in range(300)]
    for _ in range(200):
        shared = " ".join(chance.choices(words, k=WORDS + WINDOW - 1))
        one, other = (
            f"{' '.join(chance.choices(words, k=40))} {shared}, {' '.join(chance.choices(words, k=40))}"
            for _ in range(2)
        )
        assert marks([one]) & marks([other.upper()])
        assert marks([one]) <= set(runs(one)) and unpacked(packed(marks([one]))) == marks([one])
    assert not marks([" ".join(words[:100])]) & marks([" ".join(words[100:200])])
    assert marks(["yes"]) == marks(["Yes."]) and marks(["", "..."]) == set()


def test_an_answer_is_known_by_its_prompt_and_by_those_that_led_to_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "teacher.sqlite")
    teacher = CachedTeacher(Echo(), cache, "harbour")
    ask = Ask(teacher, 64, 0.0)

    async def both() -> None:
        await ask.text(Prompt(f"Write a question about this:\n{SECRET}", "a/write@0", "write"))
        await ask.text(Prompt("Is the proposed answer the known one?", "shared/judge@0", None))
        await teacher.ask(request("Is the proposed answer the known one of the two that stand here?"))

    asyncio.run(both())
    about = [found for _, _, found in cache.noted("harbour")]
    assert [not marks([SECRET]).isdisjoint(a or ()) for a in about] == [True, True, False]
    asyncio.run(teacher.close())


def test_what_is_erased_is_in_no_page_of_the_file_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "teacher.sqlite"
    cache = Cache(path)
    for n in range(50):
        cache.put(f"k{n}", "m", Answer(f"{n} {SECRET if n % 5 == 0 else 'nothing of it'}", "stop"), "harbour", "here")
    cache.put("theirs", "m", Answer("theirs", "stop"), "law", "here")
    assert holding(tmp_path, SECRET)
    cache.erase([f"k{n}" for n in range(0, 50, 5)])
    assert holding(tmp_path, SECRET) == []
    assert sum(1 for _ in cache.noted("harbour")) == 40 and cache.get("theirs")
    cache.close()


def test_of_an_older_cache_nobody_knows_the_prompts(tmp_path: Path) -> None:
    path = tmp_path / "teacher.sqlite"
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE answers (key TEXT PRIMARY KEY, model TEXT, answer TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP)"
        )
        db.execute(
            'INSERT INTO answers (key, model, answer) VALUES (\'k\', \'m\', \'{"text": "said", "finish": "stop"}\')'
        )
    cache = Cache(path)
    assert list(cache.noted("harbour")) == [("k", "said", None)]
    cache.close()


def test_a_request_under_way_is_erased_and_another_is_still_taken_up(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "here", "m")
    lines = [
        Line("a", request(SECRET)),
        Line("b", request("judge it", SECRET)),
        Line("c", request("of something else")),
    ]
    submission = journal.begin(lines)
    journal.created(submission, "batch-1")
    journal.close()
    wanted = marks([SECRET])

    def holds(texts: list[str]) -> bool:
        return not wanted.isdisjoint(marks(texts))

    assert erase(tmp_path, holds, drop=False) == 2 and holding(tmp_path, SECRET)
    assert erase(tmp_path, holds, drop=True) == 2
    assert holding(tmp_path, SECRET) == []
    (orphan,) = Journal(tmp_path, "here", "m").orphans()
    assert list(orphan.lines) == ["c"] and orphan.batch == "batch-1"
    assert erase(tmp_path / "none", holds, drop=True) == 0 and not (tmp_path / "none").exists()
