import gc

import pytest

from dlcli.support.garbage import gc_disabled


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was_before_even_after_an_error(enabled):
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(KeyError), gc_disabled():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was else gc.disable)()
