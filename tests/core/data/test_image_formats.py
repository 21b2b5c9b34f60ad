"""Pictures are opened by the formats that dlcli lists, whatever a file holds and is called."""

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import dlcli
from dlcli.core.data.file_kinds import PICTURES
from dlcli.core.data.image_file import open_image

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(MARK) (w) file closefile\nshowpage\n"


def test_pillow_opens_files_in_one_place_and_always_with_a_list_of_formats():
    """digital.py reads what it has just compressed itself."""
    calls = []
    for path in Path(dlcli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "open":
                if isinstance(node.func.value, ast.Name) and node.func.value.id == "Image":
                    calls.append((path.name, [keyword.arg for keyword in node.keywords]))
    assert sorted(calls) == [("digital.py", ["formats"]), ("image_file.py", ["formats"])]


def test_every_ending_has_its_format():
    Image.init()
    listed = {Image.registered_extensions()[ending] for ending in PICTURES.suffixes}
    from dlcli.core.data.image_file import _FORMATS

    assert listed == set(_FORMATS)


@pytest.mark.parametrize("ending", sorted(PICTURES.suffixes))
def test_other_formats_are_refused_under_every_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *args, **options: pytest.fail("a program was run"))
    path = tmp_path / f"picture{ending}"
    path.write_bytes(POSTSCRIPT)
    with pytest.raises(UnidentifiedImageError):
        open_image(path).load()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path, format="TGA")
    with pytest.raises(UnidentifiedImageError):
        open_image(path)
    assert not Path("MARK").exists()
