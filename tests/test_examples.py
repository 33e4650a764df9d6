"""The example handbook holds what `examples/README.md` says, and its script makes its binary files."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import docx
import pypdfium2
import pytest
from selectolax.lexbor import LexborHTMLParser

EXAMPLES = Path(__file__).parents[1] / "examples"
HANDBOOK = EXAMPLES / "handbook"
MADE = (
    "people/parental-leave.docx",
    "security/information-security.pdf",
    "work/equipment.docx",
    "work/travel-and-expenses.pdf",
)
ANSWER = re.compile(
    r"\| (?P<question>[^|]+\?) \| “(?P<words>[^”]+)” \| `(?P<file>[^`]+)` \| (?P<place>[^|]+) \|"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A row of the README's table. `page` is 1-based, or None for a format without pages."""

    question: str
    words: str
    file: str
    page: int | None
    heading: str


def answers() -> list[Answer]:
    rows = ANSWER.finditer((EXAMPLES / "README.md").read_text(encoding="utf-8"))
    return [read_answer(row) for row in rows]


def read_answer(row: re.Match[str]) -> Answer:
    page, _, heading = row["place"].rpartition(", ")
    number = int(page.removeprefix("page ")) if page else None
    return Answer(
        question=row["question"], words=row["words"], file=row["file"], page=number, heading=heading
    )


def pages_of(path: Path) -> list[str]:
    """The text of each page, or of the whole file for a format without pages; white space is single spaces."""
    content = path.read_bytes()
    match path.suffix:
        case ".pdf":
            texts = pdf_pages(content)
        case ".docx":
            texts = [docx_text(content)]
        case ".html":
            body = LexborHTMLParser(content).body
            assert body is not None
            texts = [body.text(separator=" ")]
        case _:
            encoding = "cp1252" if path.name == "office-guide.txt" else "utf-8"
            texts = [content.decode(encoding)]
    return [" ".join(text.split()) for text in texts]


def pdf_pages(content: bytes) -> list[str]:
    with pypdfium2.PdfDocument(content) as document:
        return [page.get_textpage().get_text_bounded() for page in document]


def docx_text(content: bytes) -> str:
    document = docx.Document(BytesIO(content))
    paragraphs = [paragraph.text for paragraph in document.paragraphs]
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join(paragraphs + cells)


def handbook_files() -> list[Path]:
    return sorted(path for path in HANDBOOK.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def made_anew(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the script has just written its files, run as its user runs it."""
    folder = tmp_path_factory.mktemp("handbook")
    command = [sys.executable, "-W", "error", str(EXAMPLES / "make_handbook.py"), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder


def test_the_handbook_is_twelve_files_in_five_formats() -> None:
    formats = Counter(path.suffix for path in handbook_files())
    assert formats == {".md": 4, ".html": 2, ".pdf": 2, ".docx": 2, ".txt": 2}


@pytest.mark.parametrize("path", handbook_files(), ids=lambda path: path.name)
def test_a_file_of_the_handbook_has_300_to_1200_words(path: Path) -> None:
    assert 300 <= len(" ".join(pages_of(path)).split()) <= 1200


def test_the_office_guide_is_windows_1252_and_not_utf_8() -> None:
    content = (HANDBOOK / "office-guide.txt").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")
    assert "Hélène Courvoisier" in content.decode("cp1252")
    assert "€4.50" in content.decode("cp1252")


def test_the_script_writes_exactly_the_binary_files(made_anew: Path) -> None:
    written = sorted(str(path.relative_to(made_anew)) for path in made_anew.rglob("*") if path.is_file())
    assert written == sorted(MADE)


@pytest.mark.parametrize("name", MADE)
def test_the_script_reproduces_the_text_of_the_committed_file(name: str, made_anew: Path) -> None:
    assert pages_of(made_anew / name) == pages_of(HANDBOOK / name)


@pytest.mark.parametrize("name", [name for name in MADE if name.endswith(".pdf")])
def test_a_pdf_has_several_numbered_pages_and_an_outline(name: str) -> None:
    pages = pages_of(HANDBOOK / name)
    assert len(pages) > 1
    assert all(f"Page {number}" in page for number, page in enumerate(pages, start=1))
    with pypdfium2.PdfDocument(HANDBOOK / name) as document:
        assert len(list(document.get_toc())) > 5


@pytest.mark.parametrize("name", [name for name in MADE if name.endswith(".docx")])
def test_a_docx_has_headings_lists_and_a_table(name: str) -> None:
    document = docx.Document(str(HANDBOOK / name))
    styles = {paragraph.style.name for paragraph in document.paragraphs}
    assert {"Title", "Heading 1", "List Bullet", "List Number"} <= styles
    assert len(document.tables) == 1


def test_the_readme_names_four_questions_with_their_answers() -> None:
    assert len(answers()) == 4


@pytest.mark.parametrize("answer", answers(), ids=lambda answer: answer.question)
def test_an_answer_of_the_readme_stands_in_the_place_it_names(answer: Answer) -> None:
    pages = pages_of(HANDBOOK / answer.file)
    text = pages[answer.page - 1] if answer.page else pages[0]
    assert text.index(answer.heading) < text.index(answer.words)


@pytest.mark.parametrize("answer", answers(), ids=lambda answer: answer.question)
def test_an_answer_of_the_readme_stands_in_no_other_file(answer: Answer) -> None:
    holders = [path for path in handbook_files() if answer.words in " ".join(pages_of(path))]
    assert holders == [HANDBOOK / answer.file]


@pytest.mark.parametrize("word", ["charit", "donat", "resign", "notice period"])
def test_no_file_speaks_of_what_the_readme_calls_unanswered(word: str) -> None:
    assert not [path for path in handbook_files() if word in " ".join(pages_of(path)).lower()]


@pytest.mark.parametrize(
    "path", [*HANDBOOK.rglob("*.md"), *HANDBOOK.rglob("*.html")], ids=lambda path: path.name
)
def test_links_between_the_files_lead_somewhere(path: Path) -> None:
    targets = re.findall(r'(?:\]\(|href=")([^)"]+)', path.read_text(encoding="utf-8"))
    missing = [t for t in targets if not t.startswith("mailto:") and not (path.parent / t).is_file()]
    assert not missing
