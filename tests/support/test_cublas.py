import os

import pytest

from dlcli.support.cublas import fix_workspace

NAME = "CUBLAS_WORKSPACE_CONFIG"


@pytest.mark.parametrize(("before", "after"), [(None, ":4096:8"), (":16:8", ":16:8"), ("", "")])
def test_the_setting_is_made_unless_there_is_one(before, after, monkeypatch):
    monkeypatch.setenv(NAME, "put back afterwards")
    if before is None:
        monkeypatch.delenv(NAME)
    else:
        monkeypatch.setenv(NAME, before)
    fix_workspace()
    assert os.environ[NAME] == after
