"""`zoo report`: what the page says of a run, that nothing in the run can change the page, and how it looks in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from tests.report.made import HOSTILE, KEPT, LONG, QUOTES, REASONS, REFUSED, SUITES, Made
from zoo.errors import ReleaseRefused, ZooError

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def zoo_report(made: Made) -> subprocess.CompletedProcess[str]:
    code = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
    command = [sys.executable, "-c", code, "report", "medical", "--workspace", str(made.workspace.root), "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def page_of(made: Made) -> Any:
    done = zoo_report(made)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["report"] == str(made.page)
    return html.document_fromstring(made.page.read_bytes().decode("utf-8"))


def words(element: Any) -> str:
    return " ".join(" ".join(element.itertext()).split())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    made = Made(tmp_path_factory.mktemp("made")).until("evaluate")
    made.release("passed", [])
    return made


@pytest.fixture(scope="module")
def page(made: Made) -> Any:
    return page_of(made)


def test_the_head_says_what_was_released_and_why(page):
    assert words(page.find(".//h1")) == "Health & <em>care</em> 0.3.0"
    verdict = page.get_element_by_id("verdict")
    assert "good" in verdict.get("class") and "the gate passed" in words(verdict)
    assert "on healthcare_exam_open the lower bound of the difference is +0.020" in words(verdict)
    assert "zero-shot, is −0.030 and has to be above −0.050" in words(verdict)


def test_at_every_stage_kept_and_rejected_add_up_to_what_came_in(page):
    counted = {}
    for stage in page.find_class("stage"):
        came, kept = (int(stage.find_class(c)[0].text.replace(",", "")) for c in ("came", "kept"))
        rejected = sum(int(b.text.replace(",", "")) for b in stage.xpath(".//ul[@class='reasons']//b"))
        counted[stage.find("h3").text] = (came, kept, rejected)
        assert kept + rejected == came
    assert counted == {
        "Documents": (1202, 1200, 2), "Examples": (KEPT + sum(REASONS.values()), KEPT, sum(REASONS.values())),
        "Training rows": (50, 49, 1),
    }  # fmt: skip
    text = words(page.get_element_by_id("funnel"))
    assert "1,202 of the 5,000 files found" in text and "<b>broken</b>.pdf unreadable: <hr>" in text


def test_what_came_into_every_stage_of_annotating_comes_out_of_it(page):
    (table,) = page.get_element_by_id("funnel").find_class("ledger")
    names = [words(th) for th in table.xpath(".//tbody//th")]
    assert names == ["given checked", "grounded_qa write", "sieve repeats"]
    given, write, repeats = (
        [int(cell.text) for cell in row.find_class("n")]
        + [sum(int(n) for n in re.findall(r"\d+", words(row.xpath("./td[@data-name='rejected']")[0])))]
        for row in table.xpath(".//tbody/tr")
    )
    for came, _, kept, went_on, rejected in (given, write, repeats):
        assert came == kept + went_on + rejected
    assert repeats[0] == given[2] + write[2] and repeats[2] == KEPT
    assert given[4] + write[4] + repeats[4] == sum(REASONS.values())
    assert "608 items of suites, but not of <medqa>." in words(page.get_element_by_id("funnel"))


def test_a_row_shows_what_each_attempt_said_and_why_it_went_wrong(page):
    kept = page.get_element_by_id("kept").xpath(".//article[.//*[contains(text(), 'Question 0?')]]")[0]
    (attempts,) = kept.find_class("attempts")
    assert words(attempts.find("summary")) == "2 attempts of the teacher"
    first, second = map(words, attempts.findall("ol/li"))
    assert first == "write · grounded_qa/write@0123456789ab · arithmetic: wrong 2 < 1 · a mistake of calculation –"
    assert second == "write · grounded_qa/write@0123456789ab · quotes: right 2 <q> <iframe src=x></iframe>"
    for rejected in page.get_element_by_id("rejected").findall("article"):
        assert words(rejected.find_class("attempts")[0].find("summary")) == "1 attempt of the teacher"


def test_every_suite_has_its_interval_on_one_scale_with_zero(page):
    place = {}
    for suite, svg in zip(SUITES, page.find_class("interval"), strict=True):
        (zero,) = svg.find_class("zero")
        low, high = (float(svg.find_class("range")[0].get(k).rstrip("%")) for k in ("x1", "x2"))
        place[suite["suite"]] = (low, high)
        assert suite["suite"] in svg.get("aria-label")
        at = float(zero.get("x1").rstrip("%"))
        assert ("better" in svg.get("class")) == (low > at) and ("worse" in svg.get("class")) == (high < at)
    widths = {s["suite"]: s["difference"]["high"] - s["difference"]["low"] for s in SUITES}
    scale = {name: (high - low) / widths[name] for name, (low, high) in place.items()}
    assert max(scale.values()) == pytest.approx(min(scale.values()), rel=0.01)
    rows = [words(r) for r in page.get_element_by_id("scores").xpath(".//tbody/tr")]
    assert rows[0] == "healthcare_exam_open 1.0 acc 1,288 of 2,000 0.410 0.420 – chance 0.500 +0.080 +0.020 to +0.140"


def test_the_loss_curve_leaves_out_what_is_not_a_number_and_says_so(page):
    section = page.get_element_by_id("training")
    assert [h.text for h in section.findall("h3")] == ["pretrain", "finetune"]
    points = section.xpath(".//*[local-name()='polyline'][@class='raw']")[1].get("points").split()
    assert len(points) == 39 and "nan" not in " ".join(points)
    assert len(section.xpath(".//*[local-name()='circle']")) == 1
    assert "From 2.500 to 0.080" in words(section) and "Steps without a finite loss: 1." in words(section)


def test_continued_pretraining_has_its_curve_and_its_perplexities(page):
    section = page.get_element_by_id("training")
    raw, mean = (
        section.xpath(f".//*[local-name()='polyline'][@class='{c}']")[0].get("points") for c in ("raw", "mean")
    )
    assert len(raw.split()) == len(mean.split()) == 200
    labels = [t.text for t in section.find_class("curve")[0].find_class("y")]
    assert labels.pop() == "1 higher, up to 14.5" and raw.split()[99].endswith(",0.00") and float(labels[-1]) < 5
    assert float(labels[0]) > 0, "a loss that stays far from zero is shown from near its lowest on"
    tasks = "1,230 reading tasks (cause 30, cloze 1,200), 12 of them by the teacher"
    assert f"reading texts, which are their passages with {tasks} behind them." in words(section)
    rows = [words(r) for r in section.xpath(".//tbody/tr")]
    assert rows == ["held-out documents 16.00 12.00 −25.0%", "held-out general text 20.00 20.50 +2.5%"]


def test_examples_stand_beside_their_passages_with_the_quotes_marked(page):
    articles = page.get_element_by_id("kept").findall("article")
    assert len(articles) == 10
    seeds = [a for a in articles if "The only seed?" in words(a)]
    assert len(seeds) == 1 and "in no passage of this run A quote of a file that is not here." in words(seeds[0])
    cited = next(a for a in articles if a not in seeds)
    quote = cited.find(".//blockquote")
    assert quote.text_content() == HOSTILE
    marked = "".join(m.text_content() for m in quote.findall("mark"))
    assert marked == HOSTILE[HOSTILE.index(QUOTES[0]) : HOSTILE.index(QUOTES[1]) + len(QUOTES[1])]
    assert [c.text for c in cited.find_class("right")] == ["<a href=x>right</a>"]


def test_every_reason_is_among_the_rejected_that_are_shown(page):
    articles = page.get_element_by_id("rejected").findall("article")
    shown = [words(a.find_class("reason")[0]) for a in articles]
    assert len(shown) == 10 and set(shown) == {"cut off", "quote not in passage", "<b>odd</b>"}
    first = articles[0]
    short, whole = first.findall(".//blockquote")
    assert [[m.text for m in quote.findall("mark")] for quote in (short, whole)] == [["Plain text of the second"]] * 2
    assert whole.getparent().tag == "details" and whole.text_content() == LONG and len(short.text_content()) < 500
    assert re.fullmatch(r"… .* said\. Plain text of the second passage\. Nothing more\. .* …", short.text_content())


def test_rows_that_never_had_their_turn_did_not_train_the_model(page):
    said = words(page)
    assert "33 that trained the model, 9 that validate" in said
    assert "The training, as it is kept, ended before 7 rows had their turn." in said


def test_costs_settings_and_versions_are_there(page):
    rows = [words(r) for r in page.get_element_by_id("costs").xpath(".//tbody/tr")]
    assert rows[0] == "ingest done before 1 min 1 s 1,234 MB – – –"
    assert (
        rows[1]
        == "annotate done 1 min 1 s 1,234 MB 9,000 in, 800 out 64 (4 cached, 60 estimated) 0.25 USD (0.30 USD estimated)"
    )
    assert "learning_rate: 0.001" in page.get_element_by_id("recipe").find("pre").text
    assert "srm-zoo" in words(page.get_element_by_id("versions"))


def test_nothing_in_a_run_becomes_part_of_the_page(page):
    tags = {e.tag for e in page.iter() if isinstance(e.tag, str)}
    assert not tags & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "em",
        "i",
        "u",
        "hr",
        "s",
        "a",
    }
    assert not [
        a for e in page.iter() if isinstance(e.tag, str) for a in e.attrib if a.startswith("on") or a in {"src", "href"}
    ]


def test_it_asks_for_nothing_but_itself(made, page):
    text = made.page.read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|https?://", text)
    assert "default-src 'none'" in page.xpath("//meta[@http-equiv]")[0].get("content")
    assert str(made.workspace.root) not in text


def test_the_same_run_gives_the_same_page(made, page):
    before = made.page.read_bytes()
    page_of(made)
    assert made.page.read_bytes() == before


@pytest.mark.parametrize(
    ("until", "end", "title", "said"),
    [
        ("evaluate", ("release", ReleaseRefused("No.", dict(REFUSED))), "Not released: the gate refused", "on <i>x</i> it is not"),
        ("ingest", ("annotate", ZooError("The teacher <x> is gone.")), "Failed in annotate", "The teacher <x> is gone."),
        ("annotate", None, "Not finished", "annotate was the last step done; the same command goes on"),
    ],
)  # fmt: skip
def test_a_run_that_ended_otherwise_says_how_and_shows_what_there_is(tmp_path, until, end, title, said):
    made = Made(tmp_path).until(until)
    if end:
        made.failed(*end)
    page = page_of(made)
    verdict = words(page.get_element_by_id("verdict"))
    assert title in verdict and said in verdict
    sections = {s.get("id") for s in page.findall(".//section")}
    assert ("kept" in sections, "scores" in sections) == (until != "ingest", until == "evaluate")
    assert {"funnel", "costs", "recipe"} <= sections


def test_a_release_against_advice_is_no_good_news(tmp_path):
    made = Made(tmp_path).until("evaluate")
    made.release("overridden", ["it is not better"])
    verdict = page_of(made).get_element_by_id("verdict")
    assert "bad" in verdict.get("class") and "against the gate's advice it is not better" in words(verdict)


def test_without_a_run_it_says_how_to_make_one(tmp_path):
    code = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
    command = [sys.executable, "-c", code, "report", "medical", "--workspace", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "`zoo train healthcare` makes one" in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_artifact_that_is_gone_is_named(tmp_path):
    made = Made(tmp_path).until("annotate")
    shutil.rmtree(made.folder("annotate"))
    done = zoo_report(made)
    assert done.returncode == 1 and "What annotate left of the last run" in done.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here to look at the page with")
@pytest.mark.parametrize("width", [390, 800, 1280])
def test_a_browser_shows_all_of_it_without_scrolling_sideways(made, page, tmp_path, width):
    seen = look(made.page, width, tmp_path)
    assert seen["wide"] <= width and seen["beyond"] == []
    assert seen["title"].endswith("– report")
    for text in ("Released: the gate passed", "Kept examples", "onerror=alert(1)", "quote not in passage", "Versions"):
        assert text in seen["text"]


def look(path: Path, width: int, tmp_path: Path) -> dict[str, Any]:
    """What a browser makes of the page in a frame of that width; `beyond` are the elements that stick out of it."""
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"<iframe style='width:{width}px;height:900px;border:0' src='{path.as_uri()}'></iframe><pre id=seen></pre><script>"
        "onload = () => { const d = document.querySelector('iframe').contentDocument, e = d.documentElement;"
        "const beyond = [...d.body.querySelectorAll('*')].filter(x => { const r = x.getBoundingClientRect();"
        "  return r.right > e.clientWidth + 1 || r.left < -1 }).map(x => x.tagName + '.' + x.getAttribute('class'));"
        "document.querySelector('#seen').textContent = JSON.stringify("
        "{wide: e.scrollWidth, beyond, title: d.title, text: d.body.innerText}) }</script>"
    )
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000", "--dump-dom", frame.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return dict(json.loads(html.document_fromstring(done.stdout).get_element_by_id("seen").text))
