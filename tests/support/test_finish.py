"""Last steps of a run: at once, or once everything before them has succeeded."""

import pytest

from dlcli.support.finish import finish, finishing


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
