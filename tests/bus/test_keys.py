"""The names of keys."""

from agentsvc.bus import keys


def test_the_keys_of_a_session_are_made_once() -> None:
    assert keys.of_session("01a2109a48cb70498aec19231053c680") is keys.of_session("01a2109a48cb70498aec19231053c680")


def test_what_is_too_long_for_an_id_is_not_remembered() -> None:
    """Whoever asks for sessions that are not there fills no memory."""
    long = "s" * 100_000

    assert keys.of_session(long) is not keys.of_session(long)
    assert keys.of_session(long).head == "{s:" + long + "}:run"


def test_an_id_cannot_leave_its_slot() -> None:
    assert keys.of_session("a}b{c:d/e").head == "{s:a%7Db%7Bc%3Ad%2Fe}:run"
