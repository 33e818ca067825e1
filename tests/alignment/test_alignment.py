"""Options and values of an alignment: wrong ones are refused, notes name frames."""

from dataclasses import replace

import numpy as np
import pytest

from allfocus.alignment import AlignOptions, notes_of
from allfocus.alignment.alignment import make_identity
from allfocus.core.notes import Note
from allfocus.errors import ConfigError


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"model": "perspective"}, "model 'perspective': expected one of none, translation, similarity"),
        ({"reference": "x"}, "reference 'x': expected the position of a frame, counted from 0, or None"),
        ({"reference": True}, "reference True: expected the position"),
        ({"reference": 1.0}, r"reference 1\.0: expected the position"),
        ({"exposure": "same"}, "exposure 'same': expected one of match, match-colour, keep"),
        ({"keep_all": "no"}, "keep_all 'no': expected True or False"),
        ({"refine": 1}, "refine 1: expected True or False"),
        ({"order": None}, "order None: expected True or False"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AlignOptions(**wrong)  # type: ignore[arg-type]


def test_notes_name_frames_that_were_left_out_and_then_what_else_happened() -> None:
    kept = Note(code="frame-kept-although", message="a.png was kept although it is blurred", frames=(0,))
    alignment = replace(make_identity(3, notes=(kept,)), left_out={2: "it is blurred everywhere"})
    left_out = Note(code="frame-left-out", message="c.png was left out: it is blurred everywhere", frames=(2,))
    assert notes_of(alignment, ["a.png", "b.png", "c.png"]) == [left_out, kept]
    assert alignment.used == [0, 1]


def test_alignments_compare_by_identity_and_their_repr_is_short() -> None:
    one, other = make_identity(3), make_identity(3)
    assert one == one
    assert one != other
    assert len({one, other}) == 2
    assert repr(one) == "Alignment(model='none', reference=1, used=3 of 3 frames)"


def test_old_names_warn_and_name_the_new_ones() -> None:
    alignment = make_identity(2)
    with pytest.warns(DeprecationWarning, match="called exposures"):
        assert alignment.tones is alignment.exposures
    with pytest.warns(DeprecationWarning, match="called flows"):
        assert alignment.fields is alignment.flows


def test_some_frames_of_an_alignment_keep_their_reference() -> None:
    alignment = make_identity(4, reference=1)
    alignment.matrices[3, 0, 2] = 5
    picked = alignment.pick([3, 2])
    assert picked.reference == 1
    np.testing.assert_array_equal(picked.matrices, alignment.matrices[[3, 2]])
    assert (len(picked.exposures), len(picked.residuals), picked.notes) == (2, 2, ())
