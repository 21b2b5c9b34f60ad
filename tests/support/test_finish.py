"""Last steps of a run: at once, or once everything before them has succeeded."""

import pytest

from dlcli.support.finish import finish, finishing, last_steps


def test_outside_of_a_run_a_step_is_taken_at_once():
    taken = []
    finish(lambda: taken.append(1))
    assert taken == [1]


def test_inside_steps_wait_for_the_end_in_their_order():
    taken = []
    with finishing():
        finish(lambda: taken.append(1))
        finish(lambda: taken.append(2))
        assert taken == []
    assert taken == [1, 2]


def test_a_run_that_fails_is_not_finished():
    taken = []
    with pytest.raises(OSError), finishing():
        finish(lambda: taken.append(1))
        raise OSError
    finish(lambda: taken.append(2))
    assert taken == [2]


def test_files_that_come_and_go_are_known_before_they_do(tmp_path):
    here, coming = tmp_path / "state", tmp_path / "list.json"
    here.write_text("x")
    with finishing():
        finish(here.unlink, removes=[here])
        finish(lambda: coming.write_text("{}"), writes={coming: "{}"})
        assert here.exists() and not coming.exists()
        assert [(step.removes, dict(step.writes)) for step in last_steps()] == [((here,), {}), ((), {coming: "{}"})]
    assert not here.exists() and coming.read_text() == "{}"
    assert last_steps() == ()
