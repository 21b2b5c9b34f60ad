"""FIFOs, devices and folders are refused at once, where reading them would wait for ever."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcli.core.data import open_data
from dlcli.core.data.base import Sampling
from dlcli.core.model_io.checkpoint import load_weights, read_metadata
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.text.index_dir import read_index
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import read_json_metadata
from dlcli.support.regular_file import kind_of


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def test_kinds(tmp_path: Path, fifo: Path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s"))
        assert kind_of(tmp_path / "s") == "a socket"
    assert (kind_of(fifo), kind_of(tmp_path), kind_of(Path("/dev/null"))) == ("a FIFO", "a folder", "a device")
    (tmp_path / "file").touch()
    assert kind_of(tmp_path / "file") == kind_of(tmp_path / "nothing") == ""


@pytest.mark.parametrize("read", [read_json_metadata, load_weights, read_metadata])
def test_readers_of_metadata_and_weights(fifo: Path, read):
    with pytest.raises(InputError, match="is a FIFO, not a file"):
        read(fifo)


def test_run_directories_and_indexes(tmp_path: Path):
    os.mkfifo(tmp_path / "model.json")
    with pytest.raises(InputError, match=r"model.json: is a FIFO"):
        load_model(tmp_path, None)
    os.mkfifo(tmp_path / "index.safetensors")
    with pytest.raises(InputError, match=r"index.safetensors: is a FIFO"):
        read_index(tmp_path, {})


def test_among_pictures_it_is_a_file_that_cannot_be_read(tmp_path: Path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for k in range(5):
            Image.fromarray(np.full((8, 8), 40 * k, np.uint8)).save(tmp_path / name / f"{k}.png")
    os.mkfifo(tmp_path / "a" / "9.png")
    assert len(open_data(str(tmp_path)).x_train) + len(open_data(str(tmp_path)).x_test) == 10
    with pytest.raises(InputError, match="is a FIFO"):
        open_data(str(tmp_path), strict=True)


def test_among_videos_too(tmp_path: Path):
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "1.mp4")
    with pytest.raises(InputError):
        open_data(str(tmp_path), sampling=Sampling(2, 1, None))


@pytest.mark.parametrize("folder", ["/", "/proc", "/dev"])
def test_folders_of_the_system_are_refused_before_they_are_listed(folder: str):
    with pytest.raises(InputError, match="is a folder of the system"):
        open_data(folder)
