import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.client_state import ClientStateKeys

KEY = "k" * 43
OLD = "o" * 43


@pytest.mark.slow
@given(st.integers(1, 2**63 - 1))
def test_every_account_comes_back_and_fits_graphs_limit(account: int) -> None:
    keys = ClientStateKeys(KEY)
    state = keys.sign(account)
    assert keys.verify(state) == account
    assert keys.sign(account) == state
    assert len(state) <= 128
    assert state.isascii()
    assert not set(state) & set("/+=?&# ")


@given(st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.lists(st.text()), st.floats()))
def test_anything_else_is_refused_without_raising(state: object) -> None:
    assert ClientStateKeys(KEY).verify(state) is None


@pytest.mark.parametrize("position", range(0, 50, 3))
def test_a_changed_character_is_noticed(position: int) -> None:
    keys = ClientStateKeys(KEY)
    state = keys.sign(4711)
    changed = state[:position] + ("A" if state[position : position + 1] != "A" else "B") + state[position + 1 :]
    assert keys.verify(changed) is None


@pytest.mark.parametrize("number", ["0", "01", "-1", "٣", str(2**63), "9" * 19, "1 ", ""])
def test_the_number_has_one_spelling(number: str) -> None:
    proof = ClientStateKeys(KEY).sign(1).rpartition(".")[2]
    assert ClientStateKeys(KEY).verify(f"mi1.{number}.{proof}") is None


def test_surrogates_and_long_texts_are_refused() -> None:
    keys = ClientStateKeys(KEY)
    assert keys.verify("mi1.1.\ud83d" + "A" * 42) is None
    assert keys.verify(keys.sign(1) + "A" * 200) is None


def test_the_previous_key_still_verifies_but_does_not_sign() -> None:
    before, now = ClientStateKeys(OLD), ClientStateKeys(KEY, OLD)
    assert now.verify(before.sign(7)) == 7
    assert now.sign(7) != before.sign(7)
    assert not now.is_current(before.sign(7))
    assert now.is_current(now.sign(7))
    assert ClientStateKeys(KEY).verify(before.sign(7)) is None


@pytest.mark.parametrize(
    ("current", "previous", "setting"),
    [("short", None, "client_state_secret "), (KEY, b"short", "client_state_secret_previous")],
)
def test_a_short_key_is_refused_by_the_name_of_its_setting(current: str, previous: bytes | None, setting: str) -> None:
    with pytest.raises(ValueError, match=setting) as caught:
        ClientStateKeys(current, previous)
    assert "short" not in str(caught.value)


def test_no_repr_or_fingerprint_shows_the_key() -> None:
    keys = ClientStateKeys(KEY)
    assert KEY not in repr(keys)
    assert keys.fingerprint() == ClientStateKeys(KEY.encode()).fingerprint() != ClientStateKeys(OLD).fingerprint()
    assert not hashlib.sha256(KEY.encode()).hexdigest().startswith(keys.fingerprint())


def test_memory_stays_bounded() -> None:
    keys = ClientStateKeys(KEY, remembered=3)
    for account in range(1, 10):
        assert keys.verify(keys.sign(account)) == account
    assert len(keys._verified) == 3
