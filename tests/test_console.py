"""Progress as people see it, in a terminal and without one: counts, rate, time left."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time

import pytest

from zoo import console

WORK = """
import time
from zoo.console import Progress, progress
Progress.every_s = 0.2
with progress("files read", 12) as bar:
    for n in range(12):
        time.sleep(0.15)
        bar.advance(note="loss 2.5")
"""


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(console, "time", clock)
    return clock


def test_without_a_terminal_lines_say_counts_rate_and_time_left():
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)
    *under_way, last = done.stderr.splitlines()
    assert 3 <= len(under_way) <= 9 and not done.stdout
    for line in under_way[1:]:
        assert re.fullmatch(
            r"  files read: \d+ of 12 in [\d.]+ s, [\d.]+ files/(s|min), [\d.]+ s left, loss 2.5", line
        ), line
    assert re.fullmatch(r"  files read: 12 of 12 in [\d.]+ s, [\d.]+ files/s, loss 2.5", last)


def test_in_a_terminal_a_bar_says_the_same():
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", WORK], stderr=theirs, env={**os.environ, "COLUMNS": "160", "TERM": "xterm"}
    )
    os.close(theirs)
    seen = b""
    try:
        while block := os.read(ours, 65536):
            seen += block
    except OSError:  # how Linux says that the other end is closed
        pass
    assert process.wait() == 0
    drawn = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", seen.decode())
    assert re.search(r"files read .* 6/12 .* [\d.]+ files/(s|min), [\d.]+ s left, loss 2.5", drawn)
    assert re.search(r"  files read: 12 of 12 in [\d.]+ s, [\d.]+ files/s, loss 2.5\r\n$", drawn)


def test_a_line_comes_every_ten_seconds_and_at_the_end(clock, capsys):
    with console.progress("items annotated", 100) as bar:
        for _ in range(100):
            clock.now += 0.5
            bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert [int(line.split()[2]) for line in lines] == [20, 40, 60, 80, 100]
    assert lines[0] == "  items annotated: 20 of 100 in 10 s, 2.0 items/s, 40 s left"
    assert lines[-1] == "  items annotated: 100 of 100 in 50 s, 2.0 items/s"


def test_rate_and_time_left_are_those_of_the_last_minute_and_the_closing_rate_of_the_whole(clock, capsys):
    with console.progress("items annotated", 1000) as bar:
        clock.now += 1
        bar.advance(500)  # what a cache had
        for _ in range(100):
            clock.now += 2
            bar.advance()
        assert (bar.rate, bar.left) == ("30 items/min", console.duration(800))
    assert (
        capsys.readouterr().err.splitlines()[-1]
        == "  items annotated: 600 of 1000 in 3 min 21 s, 3.0 items/s, 2 min 14 s left"
    )


def test_a_share_says_how_far_it_is_where_the_count_does_not(clock):
    bar = console.Progress("items annotated", 1000, "items")
    for n in range(1, 11):
        clock.now += 3
        bar.advance(share=n / 40)
    assert bar.left == console.duration(90)


def test_what_broke_off_says_how_far_it_was(capsys):
    with pytest.raises(ValueError), console.progress("rows measured", 8) as bar:
        bar.advance(3)
        raise ValueError
    assert capsys.readouterr().err.startswith("  rows measured: 3 of 8 in ")


def test_items_are_counted_once_they_are_done(capsys):
    with console.progress("documents cut into passages", 3) as bar:
        assert [(item, bar.done) for item in bar.over("abc")] == [("a", 0), ("b", 1), ("c", 2)]
        assert bar.done == 3


def test_it_costs_next_to_nothing():
    with console.progress("tokens trained", 100_000) as bar:
        began = time.process_time()
        for _ in range(100_000):
            bar.advance()
        assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        (0.0, "0.00 USD"),
        (0.004703, "0.0047 USD"),
        (0.000001, "0.000001 USD"),
        (0.01, "0.01 USD"),
        (1234.5, "1,234.50 USD"),
    ],
)
def test_money_is_said_in_cents_and_below_one_as_exactly_as_it_is_known(usd: float, said: str) -> None:
    assert console.money(usd) == said
