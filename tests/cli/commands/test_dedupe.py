"""Any table a user may have, through `dlcli dedupe`: it works and no cell is changed, or one line reports what is wrong."""

import csv
import gzip
import hashlib
import io
import os
import pickle
import re
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.test_contract import on_terminal
from tests.conftest import Run, Start

ADDED = {"group", "canonical", "duplicate_of"}
QUESTION = "What is the capital of France?"


def rows_of(data: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    csv.field_size_limit(20_000_000)
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline=""), delimiter=delimiter))
    assert all(ADDED <= set(row) for row in rows)
    return rows


def grouped(dlcli: Run, content: str | bytes, *options: str, delimiter: str = ",") -> list[dict[str, str]]:
    done = dlcli("dedupe", "-", *options, stdin=content if isinstance(content, bytes) else content.encode())
    assert done.returncode == 0, done.stderr
    return rows_of(done.stdout, delimiter)


def groups(rows: list[dict[str, str]]) -> list[str]:
    return [row["group"] for row in rows]


def together(rows: list[dict[str, str]]) -> bool:
    """Whether there are two rows, of one group."""
    first, second = rows
    return first["group"] == second["group"] != "" and sorted((first["canonical"], second["canonical"])) == ["false", "true"]


BAD = {
    "utf16-without-mark.csv": ("id,question\n1,caf\u00e9\n".encode("utf-16-be"), "is UTF-16 (pass --encoding utf-16-be)"),
    "cp1252.csv": ("id,question\n1,x\n2,it\u2019s\n".encode("cp1252"), "row 2, column 'question': byte 0x92"),
    "invalid.csv": (b"id,question\n1,\xc3(\n", "row 1, column 'question': byte 0xc3 is not UTF-8"),
    "nul.csv": (b"id,question\n1,a\n2,b\0\n", "row 2, column 'question': holds a NUL byte"),
    "quote.csv": (b'id,question\n1,a\n2,"b\n3,c\n', "row 2 (line 3), column 'question': a quote opens here and never closes"),
    "inner.csv": (b'id,question\n1,"a" b\n', "row 1 (line 2), column 'question': text follows a closing quote"),
    "short.csv": (
        b"id,question\n1,a\n2\n",
        "row 2 (line 3): 1 cell where the header has 2 columns: no cell for column 'question'",
    ),
    "long.csv": (b"id,question\n1,a,b\n", "row 1 (line 2): 3 cells where the header has 2 columns"),
    "twice.csv": (b"question,question\na,b\n", "2 columns are called 'question'"),
    "numbers.csv": (b"id,year\n1,2023\n2,2024\n", "no column reads like text; the columns are 'id', 'year' (name one with"),
    "empty.csv": (b"", "is empty (a table starts with a line of column names)"),
    "cell.csv": (b"id,question\n1," + b"x" * 10_000_000 + b"\n", "row 1, column 'question': a cell of 10,000,000 characters"),
    "cut.csv.gz": (gzip.compress(b"id,question\n" + os.urandom(999))[:-9], "broken gzip file"),
    "image.csv": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\xff", "is not a table but an image"),
    "pickle.csv": (pickle.dumps(["question"]), "is not a table but a Python pickle"),
    "array.json": (b'[{"question": "a"}, "b"]\n', "row 2: JSON, but not an object"),
    "blank.csv": (b"id,question\n1,\n2,  \n", "no column reads like text but 'question', which is blank in most rows"),
    "title.csv": (b"Report\nid;question\n1;a\n2;b\n", "would be a single column, but ';' stands in nearly every line (pass"),
    "added.csv": (b"group,question\n1,a\n", "has a column 'group', which dedupe adds (pass --prefix"),
}


@pytest.mark.parametrize("name", BAD)
def test_unusable_input_gives_one_line(name: str, dlcli: Run, tmp_path: Path):
    content, message = BAD[name]
    (tmp_path / name).write_bytes(content)
    done = dlcli("dedupe", name, "--quiet", "-o", "out.csv")
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (3, b"", 1)
    assert done.stderr.decode().startswith(f"dlcli dedupe: {name}: {message}")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == content


def test_a_folder_is_not_a_table(dlcli: Run, tmp_path: Path):
    (tmp_path / "questions.csv").write_text("question\nWhy?\n")
    done = dlcli("dedupe", ".")
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.startswith(b"dlcli dedupe: .: is a folder without images (name a table in it, ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252", "latin-1", "shift-jis"])
def test_an_encoding_that_is_named_is_read(encoding: str, dlcli: Run):
    text = "\u8cea\u554f" if encoding == "shift-jis" else "Caf\u00e9?"
    rows = grouped(dlcli, f"id,question\n1,{text}\n2,{text}!\n".encode(encoding), "--encoding", encoding)
    assert [row["question"] for row in rows] == [text, text + "!"]
    assert rows[0]["group"] == rows[1]["group"] != ""


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_is_written_as_it_was_read_but_for_what_is_added(mark: bytes, newline: str, delimiter: str, dlcli: Run):
    lines = [f"id{delimiter}question", f'1{delimiter}"Why, ""x"";{newline}so |\t?"', f"007{delimiter} NA ", f"{delimiter}=1+1"]
    done = dlcli("dedupe", "-", stdin=mark + newline.join([*lines, ""]).encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(mark + lines[0].encode() + delimiter.encode())
    for line in lines[1:]:
        assert newline.encode() + line.encode() + delimiter.encode() in done.stdout
    assert done.stdout.endswith(newline.encode())
    assert done.stdout.replace(b"\r\n", b"").count(b"\r") == 0


def test_a_tsv_called_csv_and_a_csv_called_tsv(dlcli: Run, tmp_path: Path):
    for name, delimiter in (("in.csv", "\t"), ("in.tsv", ",")):
        (tmp_path / name).write_text(f"id{delimiter}question\n1{delimiter}a b\n2{delimiter}A b!\n")
        rows = rows_of(dlcli("dedupe", name).stdout, delimiter)
        assert together(rows)


def test_prose_without_quotes_from_cut_is_one_column(dlcli: Run):
    rows = grouped(dlcli, "question\nWell, why?\nwell why\nNo; never | ever\n\nOne, two, three\n")
    assert [row["question"] for row in rows] == ["Well, why?", "well why", "No; never | ever", "", "One, two, three"]
    assert [row["duplicate_of"] for row in rows] == ["", "1", "", "", ""]


@pytest.mark.parametrize(("header", "column"), [(",question", "question"), (",", ""), ("id,", "")])
def test_names_may_be_empty(header: str, column: str, dlcli: Run):
    options = [] if column else ["--column", ""]
    if header == ",":
        done = dlcli("dedupe", "-", *options, stdin=b",\n1,a b\n")
        assert done.returncode == 3 and b"the header is blank (pass --skip 1" in done.stderr
        return
    done = dlcli("dedupe", "-", *options, stdin=f"{header}\n1,a b\n2,A b\n".encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(header.encode())
    assert together(rows_of(done.stdout))


def test_a_missing_header_shows_in_the_note(dlcli: Run):
    done = dlcli("dedupe", "-", stdin=b"1,What is it?\n2,How is it done?\n")
    assert done.returncode == 0
    assert b"comparing column 'What is it?' of standard input" in done.stderr


@pytest.mark.parametrize("content", ["question", "question\n", "id,question\r\n"])
@pytest.mark.parametrize("options", [[], ["--keep"], ["--pairs"]])
def test_a_header_alone_gives_a_header(content: str, options: list[str], dlcli: Run):
    done = dlcli("dedupe", "-", *options, stdin=content.encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"\n") == 1


def test_a_terminal_shows_the_pairs_to_label(dlcli: Run):
    shown = dlcli("dedupe", "questions", "--label", "12", "--format", "table", "-v").stdout.decode()
    pairs = list(csv.DictReader(io.StringIO(dlcli("dedupe", "questions", "--label", "12").stdout.decode())))
    found = re.findall(r"^ +(\d\.\d\d) +(\S.*\S) *\n +(\S.*\S) *$", shown, re.MULTILINE)
    assert len(found) == 10
    for (score, *texts), row in zip(found, pairs, strict=False):
        assert score == f"{float(row['score']):.2f}"
        written = (" ".join(row[name].split()) for name in ("question1", "question2"))
        assert all(one.startswith(text.removesuffix("\u2026")) for one, text in zip(written, texts, strict=True))
    assert "-o FILE, or a pipe: 12 pairs." in shown


def test_a_terminal_shows_the_pairs_that_were_asked_for(dlcli: Run):
    """Each with both row numbers and its probability, as the csv has them."""
    shown = dlcli("dedupe", "questions", "--pairs", "--format", "table", "-v").stdout.decode()
    found = re.findall(r"^ +(\d+) +(\d\.\d\d) .*\n +(\d+) {2,}\D", shown, re.MULTILINE)
    pairs = list(csv.DictReader(io.StringIO(dlcli("dedupe", "questions", "--pairs").stdout.decode())))
    assert len(found) == 10
    assert found == [(row["row_a"], f"{float(row['score']):.2f}", row["row_b"]) for row in pairs[:10]]
    assert f"Every pair: -o FILE, or a pipe: {len(pairs)} pairs." in shown


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("options", [[], ["--excel-safe"]])
def test_formulas_are_text_only_where_that_is_asked_for(options: list[str], dlcli: Run):
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("id", "question"), *((k, text) for k, text in enumerate([*FORMULAS, "a = b", "'"]))])
    rows = grouped(dlcli, stream.getvalue(), *options)
    before = "'" if options else ""
    assert [row["question"] for row in rows] == [*(before + text for text in FORMULAS), "a = b", "'"]
    json_lines = dlcli("dedupe", "-", "--format", "jsonl", stdin=stream.getvalue().encode()).stdout
    assert b'"question": "=1+1"' in json_lines


def test_one_row(dlcli: Run):
    (row,) = grouped(dlcli, "question\nWhat is it?\n")
    assert (row["question"], row["canonical"], row["duplicate_of"]) == ("What is it?", "true", "")
    assert row["group"]


NOTHING = [
    "",
    " ",
    "\t ",
    "?",
    "???",
    "...",
    "\u2026",
    "\u3000",
    "\u200b",
    "\u00a0",
    "\uff1f",
    "\u2014",
    "\ufeff",
    '"',
    "\u202e",
    "\u061f",
]


def test_rows_without_a_word_are_in_no_group(dlcli: Run):
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("id", "question"), *((k, text) for k, text in enumerate([*NOTHING, *NOTHING]))])
    rows = grouped(dlcli, stream.getvalue())
    assert [row["question"] for row in rows] == [*NOTHING, *NOTHING]
    assert {(row["group"], row["canonical"], row["duplicate_of"]) for row in rows} == {("", "true", "")}


def test_na_null_and_none_are_words(dlcli: Run):
    cells = ["NA", "null", "None", "nan", "N/A", "NULL", "true", "0", "-1"]
    rows = grouped(dlcli, "id,question\n" + "".join(f"NA,{cell}\n" for cell in cells), "--column", "question")
    assert [(row["id"], row["question"]) for row in rows] == [("NA", cell) for cell in cells]
    assert [row["duplicate_of"] for row in rows] == ["5", "", "", "", "", "2", "", "", ""]  # NA is N/A
    assert "" not in groups(rows)


SAME = [
    ("caf\u00e9 na\u00efve", "cafe\u0301 nai\u0308ve"),
    ("\uff28\uff4f\uff57\u3000\uff4d\uff41\uff4e\uff59\uff1f", "How many?"),
    ("\ufb01nd the of\ufb01ce", "FIND THE OFFICE"),
    ("Stra\u00dfe", "STRASSE"),
    (
        "\u064a\u0643\u062a\u0628 \u0643\u062a\u0627\u0628\u0627\u061f",
        "\u202b\u064a\u0643\u062a\u0628 \u0643\u062a\u0627\u0628\u0627\u202c",
    ),
    ("\u4f60\u597d\u5417\uff1f", "\u4f60\u597d\u5417?"),
    ("\u2764\ufe0f", "\u2764"),
    ("\u1100\u1161\u11a8", "\uac01"),
]
DIFFERENT = [
    "\U0001f44d\U0001f3fd",
    "\U0001f44d\U0001f3fb",
    "\U0001f44d",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1e9\U0001f1ea",
    "\U0001f1eb\U0001f1f7",
    "\u5317\u4eac\u5728\u54ea\u91cc",
    "\u4e0a\u6d77\u6709\u591a\u5927",
    "\u05e9\u05dc\u05d5\u05dd",
    "5\u00b2",
    "52",
]


def test_other_forms_of_the_same_text_are_one_group_and_other_text_is_not(dlcli: Run):
    texts = [text for pair in SAME for text in pair] + DIFFERENT
    rows = grouped(dlcli, "question\n" + "".join(text + "\n" for text in texts))
    assert [row["question"] for row in rows] == texts
    found = groups(rows)
    assert [found[k] == found[k + 1] != "" for k in range(0, 2 * len(SAME), 2)] == [True] * len(SAME)
    assert len(set(found)) == len(SAME) + len(DIFFERENT)


def test_a_cell_of_ten_megabytes_passes_where_it_is_allowed(dlcli: Run):
    long = "word " * 2_000_000
    rows = grouped(dlcli, f"id,question\n1,{long}\n2,{long}\n3,a b\n", "--max-cell", "10000000")
    assert [len(row["question"]) for row in rows] == [10_000_000, 10_000_000, 3]
    assert rows[0]["group"] == rows[1]["group"] != rows[2]["group"]


def test_a_hundred_thousand_equal_rows(dlcli: Run):
    rows = grouped(dlcli, "question\n" + f"{QUESTION}\n" * 100_000)
    assert (len(rows), len(set(groups(rows)))) == (100_000, 1)
    assert sum(row["canonical"] == "true" for row in rows) == 1


def test_twenty_thousand_different_rows(dlcli: Run):
    letters = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
    texts = [hashlib.sha256(str(k).encode()).hexdigest()[:16].translate(letters) for k in range(20_000)]
    rows = grouped(dlcli, "question\n" + "\n".join(texts) + "\n")
    assert len(set(groups(rows))) == 20_000
    assert {row["duplicate_of"] for row in rows} == {""}


def test_thousands_of_columns(dlcli: Run):
    names = ["question", *(f"c{k}" for k in range(5_000))]
    rows = grouped(dlcli, ",".join(names) + "\n" + "\n".join(",".join(["a b", *"x" * 5_000]) for _ in range(2)) + "\n")
    assert [row["duplicate_of"] for row in rows] == ["", "1"]
    assert list(rows[0])[: len(names)] == names


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "link.csv"])
def test_one_file_may_be_read_and_written(name: str, dlcli: Run, tmp_path: Path):
    content = b"id,question\r\n007,What is it?\r\n8,what is it\r\n"
    (tmp_path / "t.csv").write_bytes(content)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(content))
    (tmp_path / "link.csv").symlink_to("t.csv")
    done = dlcli("dedupe", name, "-o", name)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / name).read_bytes()
    rows = rows_of(gzip.decompress(written) if name.endswith(".gz") else written)
    assert [(row["id"], row["question"], row["duplicate_of"]) for row in rows] == [
        ("007", "What is it?", ""),
        ("8", "what is it", "1"),
    ]
    assert (tmp_path / "link.csv").is_symlink()
    assert len(list(tmp_path.iterdir())) == 3
    assert dlcli("dedupe", name, "-o", name).returncode == 0
    assert (tmp_path / name).read_bytes() == written


def test_a_disk_that_is_full_leaves_the_input_that_was_to_be_replaced(dlcli: Run, tmp_path: Path):
    content = b"id,question\n" + b"".join(b"%d,What is the number %d?\n" % (k, k * k) for k in range(200))
    (tmp_path / "t.csv").write_bytes(content)
    done = dlcli("dedupe", "t.csv", "-o", "t.csv", "--quiet", file_size=512)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (5, b"", 1)
    assert b"make room, or name another place" in done.stderr
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("t.csv", content)]


def test_interrupted_while_it_compares_it_leaves_nothing(start_dlcli: Start, tmp_path: Path):
    text = "question\n" + "".join(f"What is the number {k} beside {k * k} and {k % 97}?\n" for k in range(60_000))
    (tmp_path / "t.csv").write_text(text)
    with start_dlcli("dedupe", "t.csv", "-o", "t.csv", "--candidates", "0.3") as process:
        process.stderr.readline()  # the column is printed when the table has been read
        process.send_signal(signal.SIGINT)
        message = process.communicate()[1].decode()
    assert (process.returncode, message) == (130, "dlcli dedupe: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert (tmp_path / "t.csv").read_text() == text


def test_head_closes_the_pipe_in_silence(start_dlcli: Start, tmp_path: Path):
    (tmp_path / "t.csv").write_text("question\n" + "".join(f"{k} {k * k}\n" for k in range(20_000)))
    with start_dlcli("dedupe", "t.csv", "--quiet") as process:
        assert process.stdout.readline().startswith(b"question,")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_named_pipe_is_read(dlcli: Run, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("question\na b\nA b\n",))
    writer.start()
    assert together(rows_of(dlcli("dedupe", "pipe").stdout))
    writer.join()


def test_eighty_columns_hold_every_line_and_no_escape_of_a_cell(
    environment: dict[str, str], start_dlcli: Start, tmp_path: Path
):
    cell = "\x1b[31mred\x1b[0m \u4f60\u597d \U0001f44d\U0001f3fd [bold]brackets[/bold] " + "word " * 40
    (tmp_path / "t.csv").write_text(f"question\n{cell}\n{cell}!\n{QUESTION}\n{QUESTION}\n")
    seen = on_terminal(start_dlcli, "dedupe", "t.csv", env={**environment, "NO_COLOR": "1"}).decode()
    assert "\x1b[31m" not in seen and "\\x1b[31mred" in seen and "[bold]" in seen
    assert "capital" in seen


def test_forgetting_reads_no_table(dlcli: Run, tmp_path: Path):
    (tmp_path / "old.csv").write_text("id,question\n1,How do I exit Vim?\n2,What is C++?\n")
    assert dlcli("dedupe", "old.csv", "--index", "seen", "--key", "id", cwd=tmp_path).returncode == 0
    (tmp_path / "gone.csv").write_text("id\n2\n")
    rows = b"question\nhow do I exit vim\n"
    done = dlcli("dedupe", "--index", "seen", "--forget-keys", "gone.csv", stdin=rows, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"table,rows_removed,rows_left\nold.csv,1,1\n"), done.stderr
    done = dlcli("dedupe", "--index", "seen", "--forget", "older.csv", stdin=rows, cwd=tmp_path)
    assert done.returncode == 3 and b"--forget: seen has no table 'older.csv'; it has 'old.csv'" in done.stderr
    done = dlcli("dedupe", "--index", "seen", "--forget", "old.csv", stdin=b"", cwd=tmp_path)
    assert done.returncode == 0 and b"2 rows" not in done.stdout and b"1 row with text removed, 0 left" in done.stderr


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("questions", ()),
        ("questions", ("--keep-rule", "longest", "--prefix", "my_")),
        ("-", ("--mask", "numbers")),
        ("-", ("--within", "kind")),
        ("-", ("--threshold", "1")),
    ],
)
def test_the_answer_counts_as_the_columns_do(table: str, options: tuple[str, ...], dlcli: Run):
    texts = [
        "Job 17 failed",
        "Job 17 failed",
        "job 17 FAILED!",
        "Job 18 failed",
        "",
        "What is a GPU?",
        "What is a GPU good for?",
    ]
    content = "kind,text\n" + "".join(f"{'' if k == 1 else 'a'},{text}\n" for k, text in enumerate(texts * 2))
    done = dlcli("dedupe", table, *options, stdin=content.encode() if table == "-" else b"")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
    prefix = "my_" if "my_" in options else ""
    match = Counter(row[f"{prefix}match"] for row in rows if row[f"{prefix}match"])
    answer = done.stderr.decode().splitlines()[-1]
    parts = re.search(r"(\d+) duplicates? among (\d+) rows(?: \((.*)\) in (\d+) groups?)?; (\d+) canonical", answer)
    assert parts, answer
    shown = {kind: int(number) for number, kind in (part.split() for part in (parts[3] or "").split(", ") if part)}
    assert shown == match
    assert (int(parts[1]), int(parts[2])) == (match.total(), len(rows))
    assert int(parts[4]) == len({row[f"{prefix}group"] for row in rows if row[f"{prefix}match"]})
    assert int(parts[5]) == sum(row[f"{prefix}canonical"] == "true" for row in rows)
