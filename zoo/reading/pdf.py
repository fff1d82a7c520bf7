"""PDF by pdfium: lines with their fonts and places, in reading order; a scan is told apart from an empty file."""

from __future__ import annotations

from collections import Counter
from typing import Any

from zoo.api import Parsed, Unreadable
from zoo.reading.pdf_layout import elements_of, without_running_heads
from zoo.reading.pdf_line import Line, Word
from zoo.reading.text import one_line

_ERRORS = {
    2: "corrupt: pdfium finds no PDF in it",
    3: "corrupt: it is no PDF that pdfium can open, or it is cut short",
    4: "encrypted: a password protects this PDF; save it without one",
    5: "encrypted: its protection is of an unknown kind",
    6: "corrupt: a page cannot be loaded",
}
_OCR = (
    "install an OCR tool (for example `pip install ocrmypdf` and Tesseract), run `ocrmypdf IN.pdf OUT.pdf`, "
    "and ingest OUT.pdf"
)


def parse_pdf(data: bytes) -> Parsed:
    """Raises `Unreadable` for what is encrypted, corrupt, scanned or empty."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        document = pypdfium2.PdfDocument(data)
        count = len(document)
    except pypdfium2.PdfiumError as e:
        raise Unreadable(_ERRORS.get(pdfium.FPDF_GetLastError(), f"corrupt: {e}")) from e
    if count == 0:
        raise Unreadable("empty: the PDF has no pages")
    pages: list[list[Line]] = []
    pictures, broken = 0, []
    for number in range(count):
        try:
            page = document[number]
            lines = page_lines(page, number + 1)
        except pypdfium2.PdfiumError:
            broken.append(number + 1)
            pages.append([])
            continue
        pictures += sum(len(x.text) for x in lines) < 20 and _has_pictures(page)
        pages.append(lines)
        page.close()
    _refuse_textless(pages, pictures, broken)
    elements = elements_of(without_running_heads(pages))
    title = _title(document.get_metadata_value("Title"), [e.text for e in elements if e.kind == "title"])
    meta: dict[str, Any] = {"pages": count}
    if textless := [n for n, lines in enumerate(pages, 1) if not lines]:
        meta["pages_without_text"] = textless
    return Parsed(title, elements, meta)


def _refuse_textless(pages: list[list[Line]], pictures: int, broken: list[int]) -> None:
    """A page number stamped on every picture of a page does not make a scan into text."""
    if sum(len(line.text) for lines in pages for line in lines) >= min(20 * len(pages), 40) or any(
        len(line.text) > 20 for lines in pages for line in lines
    ):
        return
    if pictures:
        raise Unreadable(f"scanned: {pictures} of {len(pages)} pages are pictures without text; {_OCR}")
    if broken:
        raise Unreadable("corrupt: no page can be loaded")
    if not any(pages):
        raise Unreadable("empty: the PDF's pages hold neither text nor pictures")


def _has_pictures(page: Any) -> bool:
    import pypdfium2.raw as pdfium

    return any(True for _ in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3))


def _title(metadata: str, headings: list[str]) -> str:
    """The metadata's title where the text has it too (many are the name of a template or of a file), else the first
    heading."""
    stated = one_line(metadata or "")
    if stated and (
        not headings or any(stated.lower() in h.lower() or h.lower() in stated.lower() for h in headings[:5])
    ):
        return stated
    return headings[0] if headings else stated


# --- characters to lines ---------------------------------------------------------------------------------------------

_HYPHENS = {0x02: "-", 0xFFFE: "-", 0xAD: "-"}  # what pdfium makes of a hyphen at a line's end


def page_lines(page: Any, number: int) -> list[Line]:
    """The lines of a page in the order the file has them; a wide gap within a line parts it in two."""
    import ctypes

    import pypdfium2.raw as pdfium

    textpage = page.get_textpage()
    raw = textpage.raw
    box = pdfium.FS_RECTF()
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    lines: list[Line] = []
    builder = _Builder(number)
    for i in range(pdfium.FPDFText_CountChars(raw)):
        code = pdfium.FPDFText_GetUnicode(raw, i)
        if code in (10, 13):
            builder.flush(lines)
            continue
        if pdfium.FPDFText_IsGenerated(raw, i) == 1:
            builder.space()
            continue
        if not pdfium.FPDFText_GetLooseCharBox(raw, i, box):
            continue
        size = abs(box.top - box.bottom)
        if code == 32 or code == 0xA0:
            builder.space()
            continue
        if not pdfium.FPDFText_GetCharBox(raw, i, left, right, bottom, top):
            continue
        weight = pdfium.FPDFText_GetFontWeight(raw, i)
        bold = weight >= 600 or _bold_name(raw, i, pdfium)
        char = _HYPHENS.get(code) or chr(code if not 0xD800 <= code <= 0xDFFF and code < 0x110000 else 0xFFFD)
        builder.add(char, box.left, box.right, box.bottom, box.top, size, bold, lines)
    builder.flush(lines)
    textpage.close()
    return lines


def _bold_name(raw: Any, i: int, pdfium: Any) -> bool:
    import ctypes

    buffer = ctypes.create_string_buffer(64)
    flags = ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(raw, i, buffer, 64, flags)
    return any(word in buffer.value.lower() for word in (b"bold", b"black", b"heavy"))


class _Builder:
    """Gathers the characters of one line."""

    def __init__(self, page: int) -> None:
        self.page = page
        self._reset()

    def _reset(self) -> None:
        self.text: list[str] = []
        self.words: list[Word] = []
        self.sizes: Counter[float] = Counter()
        self.bold = 0
        self.x0 = self.x1 = self.y0 = self.y1 = 0.0
        self.pending = False

    def space(self) -> None:
        self.pending = bool(self.text)

    def add(
        self, char: str, x0: float, x1: float, y0: float, y1: float, size: float, bold: bool, out: list[Line]
    ) -> None:
        if self.text:
            gap, height = x0 - self.x1, max(self.y1 - self.y0, 1.0)
            apart = y0 > self.y1 - 0.2 * height or y1 < self.y0 + 0.2 * height
            if gap > 1.6 * size or gap < -2.5 * size or apart:
                self.flush(out)
        if not self.text:
            self.x0, self.y0, self.y1 = x0, y0, y1
        if self.text and not self.pending:
            last = self.words[-1]
            self.words[-1] = Word(last.x0, x1, last.text + char)
        else:
            self.words.append(Word(x0, x1, char))
        if self.pending:
            self.text.append(" ")
        self.pending = False
        self.text.append(char)
        self.sizes[round(size * 2) / 2] += 1
        self.bold += bold
        self.x1 = x1
        self.y0, self.y1 = min(self.y0, y0), max(self.y1, y1)

    def flush(self, out: list[Line]) -> None:
        text = one_line("".join(self.text))
        if text:
            visible = sum(self.sizes.values())
            size = self.sizes.most_common(1)[0][0]
            out.append(
                Line(
                    text,
                    self.page,
                    self.x0,
                    self.x1,
                    self.y0,
                    self.y1,
                    size,
                    self.bold > 0.8 * visible,
                    tuple(self.words),
                )
            )
        self._reset()
