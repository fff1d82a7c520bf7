"""A step's peak is its own, in a process of its own: this one has held who knows what."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import json, subprocess, sys
from zoo.memory import Peak

def hold(mb):
    held = bytearray(mb << 20)
    for i in range(0, len(held), 4096):
        held[i] = 1

def child(mb):
    subprocess.run([sys.executable, "-c", f"x = bytearray({mb} << 20)\\nfor i in range(0, len(x), 4096): x[i] = 1"], check=True)

found = []
for work in (lambda: None, lambda: hold(300), lambda: None, lambda: child(200), lambda: None, lambda: hold(100)):
    peak = Peak()
    work()
    found.append(peak.mb)
print(json.dumps([peak.of, found]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can set a process's mark back")
def test_each_piece_of_work_has_its_own_peak():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    of, (nothing, large, after, child, then, small) = json.loads(done.stdout)
    assert of == "step"
    assert nothing < 100 and 300 <= large < 400 and after < 100
    assert 200 <= child < 300 and then < 100 and 100 <= small < 200
