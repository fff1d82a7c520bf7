"""The plugin's XML parsers keep words, structure, tables and powers."""

from __future__ import annotations

import pytest

from zoo.api import Parsed, Unreadable
from zoo.library import load_domain


def parse(data: bytes) -> Parsed:
    (parser,) = [p for p in load_domain("healthcare").parsers if p.matches("x.xml", data[:4096])]
    return parser.parse(data)


def test_jats() -> None:
    parsed = parse(
        b'<?xml version="1.0"?><!DOCTYPE article PUBLIC "-//NLM//DTD JATS v1.2//EN" "JATS.dtd">'
        b'<article article-type="x"><front>'
        b'<article-meta><article-id pub-id-type="doi">10.1/x</article-id><title-group>'
        b"<article-title>A <italic>trial</italic>"
        b"</article-title></title-group><abstract><p>In short.</p></abstract></article-meta></front>"
        b"<body><sec><title>Methods</title>"
        b"<p>We grew 10<sup>5</sup> cells&nbsp;[<xref>1</xref>].</p><table-wrap><label>Table 1</label>"
        b"<caption><p>Doses</p></caption>"
        b"<table><tr><th>Drug</th><th>Dose</th></tr><tr><td>A</td><td>1 mg</td></tr></table>"
        b"</table-wrap></sec></body></article>"
    )
    assert (parsed.title, parsed.meta["doi"]) == ("A trial", "10.1/x")
    assert [(e.kind, e.text) for e in parsed.elements] == [
        ("title", "A trial"),
        ("title", "Abstract"),
        ("text", "In short."),
        ("title", "Methods"),
        ("text", "We grew 10^5 cells [1]."),
        ("text", "Table 1 Doses"),
        ("table", "Drug | Dose\nA | 1 mg"),
    ]


def jats_table(head: str, rows: int) -> str:
    body = "".join(
        f"<tr><td>Place {n}</td><td>{n}</td><td>{n / 10}</td><td>{n} mild cases</td></tr>" for n in range(rows)
    )
    article = (
        "<article article-type='x'><front><article-meta><title-group><article-title>A</article-title></title-group>"
        f"</article-meta></front><body><table-wrap><table><thead>{head}</thead><tbody>{body}</tbody></table></table-wrap>"
        "</body></article>"
    )
    return parse(article.encode()).elements[-1].text


def test_a_head_of_two_rows_names_the_columns_of_every_row_of_a_long_table() -> None:
    """A long table is split between passages: the rows of the second would have no names."""
    head = "<tr><td>{}</td><td colspan='2'>Goats</td><td>Sheep</td></tr><tr>{}<td>n</td><td>Share</td><td>n</td></tr>"
    assert jats_table(head.format("Place", "<td/>"), 30).splitlines()[7] == (
        "Place: Place 7 | Goats n: 7 | Goats Share: 0.7 | Sheep n: 7 mild cases"
    )
    spanned = head.replace("<tr><td>", "<tr><td rowspan='2'>", 1).format("Place", "")
    assert jats_table(spanned, 30) == jats_table(head.format("Place", "<td/>"), 30)
    assert jats_table(head.format("", "<td/>"), 30).startswith("Place 0 | Goats n: 0 | ")
    assert jats_table(spanned, 1) == "Place | Goats n | Goats Share | Sheep n\nPlace 0 | 0 | 0.0 | 0 mild cases"


def test_a_cell_over_several_rows_stands_in_each_of_them() -> None:
    table = (
        "<article><front><article-meta/></front><body><table-wrap><table><thead><tr><th>Village</th><th>Age</th><th>Cases</th></tr></thead><tbody>"
        "<tr><td rowspan='2'>Ada</td><td>child</td><td>3</td></tr><tr><td>adult</td><td>5</td></tr>"
        "<tr><td>Bo</td><td colspan='2'>not counted</td></tr></tbody></table></table-wrap></body></article>"
    )
    assert parse(table.encode()).elements[-1].text.splitlines() == [
        "Village | Age | Cases", "Ada | child | 3", "Ada | adult | 5", "Bo | not counted",
    ]  # fmt: skip


def test_a_flattened_table_of_signs_is_items_again() -> None:
    answer = (
        "Use a dictionary. Signs and Symptoms Approximate number of patients (when available) Short neck 50% "
        "Hand polydactyly 7.5% Late-onset form - Dry skin - The Human Phenotype Ontology (HPO) has collected it."
    )
    page = f"<Document><Focus>F</Focus><QAPairs><QAPair><Question>Q?</Question><Answer>{answer}</Answer></QAPair></QAPairs></Document>"
    assert [(e.kind, e.text) for e in parse(page.encode()).elements[2:]] == [
        ("text", "Use a dictionary. Signs and Symptoms Approximate number of patients (when available)"),
        ("item", "Short neck 50%"), ("item", "Hand polydactyly 7.5%"), ("item", "Late-onset form"), ("item", "Dry skin"),
        ("text", "The Human Phenotype Ontology (HPO) has collected it."),
    ]  # fmt: skip


def test_medquad() -> None:
    page = (
        '<?xml version="1.0"?><Document id="1" source="NIH" url="https://x.org"><Focus>Flu</Focus>'
        '<QAPairs><QAPair pid="1">'
        "<Question>What is Flu ?</Question><Answer>{}</Answer></QAPair></QAPairs></Document>"
    )
    parsed = parse(page.format("A virus.\n\nSigns:\n - fever\n - cough").encode())
    assert [(e.kind, e.text) for e in parsed.elements] == [
        ("title", "Flu"),
        ("title", "What is Flu?"),
        ("text", "A virus."),
        ("text", "Signs:"),
        ("item", "fever"),
        ("item", "cough"),
    ]
    with pytest.raises(Unreadable, match="no answer"):
        parse(page.format("").encode())


def test_cnxml() -> None:
    parsed = parse(
        b'<document xmlns="http://cnx.rice.edu/cnxml"><title>Blood</title><metadata>'
        b"<content-id>m1</content-id></metadata><content>"
        b'<section><title>Cells</title><para id="p">See <link target-id="f"/>. <link target-id="f"/> shows it.<list><item>Red</item>'
        b"<item>White</item></list></para>"
        b'<figure id="f"><caption>A smear.</caption></figure></section>'
        b'<section class="chapter-summary"><para>Blood is red.</para></section></content><glossary><definition>'
        b"<term>serum</term>"
        b"<meaning>what is left</meaning></definition></glossary></document>"
    )
    assert [(e.kind, e.level, e.text) for e in parsed.elements] == [
        ("title", 1, "Blood"),
        ("title", 2, "Cells"),
        ("text", 0, "See the figure. The figure shows it."),
        ("item", 0, "Red"),
        ("item", 0, "White"),
        ("text", 0, "A smear."),
        ("title", 2, "Chapter summary"),
        ("text", 0, "Blood is red."),
        ("title", 2, "Glossary"),
        ("item", 0, "serum: what is left"),
    ]
