"""No garbage is looked for while modules load, and it is looked for again after."""

import gc

import pytest

from allfocus.run.loading import loading


def test_garbage_is_looked_for_again_also_after_an_error_and_within_another() -> None:
    assert gc.isenabled()
    with pytest.raises(ImportError), loading():
        with loading():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
