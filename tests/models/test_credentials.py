"""Kinds of credentials: forms, secrets, and what is said of mistakes."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest
from msgspec import Meta

from agentsvc.domain.errors import Invalid
from agentsvc.models.catalog import BUILTIN
from agentsvc.models.credentials import CredentialBase, CredentialFactory, Secret
from agentsvc.models.demo import DemoChatModel, DemoCredential
from agentsvc.models.openai import OpenAICredential

CANARY = "sk-canary-123"
OPENAI = {"type": "openai_credential", "id": "1", "name": "Mine", "api_key": CANARY, "base_url": "https://x.example/v1"}


class Acme(CredentialBase, frozen=True, kw_only=True, tag="acme_credential"):
    title: ClassVar[str] = "Acme"

    token: Annotated[Secret, Meta(min_length=20)]
    second: Secret | None = None
    region: Literal["eu", "us"] = "eu"

    def __post_init__(self) -> None:
        if self.second == self.token:
            raise ValueError(f"both are {self.token}")

    def chat_model(self, card: Any, parameters: Any, context: Any) -> DemoChatModel:
        return DemoChatModel()


def test_a_credential_is_of_the_kind_that_its_type_names(factory):
    assert factory.parse(OPENAI) == OpenAICredential(
        id="1", name="Mine", api_key=CANARY, base_url="https://x.example/v1"
    )
    assert isinstance(factory.parse({"type": "demo_credential"}), DemoCredential)


def test_both_halves_of_a_credential_make_it_whole(factory):
    credential = factory.parse(OPENAI)

    public, secret = factory.split(credential)

    assert secret == {"api_key": CANARY}
    assert CANARY not in str(public)
    assert public["type"] == "openai_credential"
    assert factory.parse(public | secret) == credential


def test_a_secret_that_is_not_set_is_in_neither_half():
    factory = CredentialFactory(Acme)

    public, secret = factory.split(Acme(token="t" * 20))

    assert secret == {"token": "t" * 20}
    assert "second" not in public
    assert factory.secrets("acme_credential") == {"token", "second"}
    assert factory.secrets("unheard_of") == frozenset()


def test_a_secret_is_not_shown(factory):
    credential = factory.parse(OPENAI)

    assert CANARY not in repr(credential)
    assert CANARY not in str(credential)
    assert CANARY not in str(credential.__rich_repr__())
    assert CANARY not in repr([credential])


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"type": "unheard_of"}, ["data.type"]),
        ({"type": None}, ["data.type"]),
        ({"type": ["openai_credential"]}, ["data.type"]),
        ({"api_key": ""}, ["data.api_key"]),
        ({"api_key": f"{CANARY} {CANARY}"}, ["data.api_key"]),
        ({"api_key": f"{CANARY}\r\nhost: x"}, ["data.api_key"]),
        ({"api_key": [CANARY]}, ["data.api_key"]),
        ({"base_url": f"ftp://{CANARY}"}, ["data.base_url"]),
        ({"base_url": f"https://user:{CANARY}@x.example"}, ["data.base_url"]),
        ({"organization": 3, "name": None, "extra": CANARY}, ["data.name", "data.organization", "data.extra"]),
    ],
)
def test_each_wrong_field_is_named_and_no_value_repeated(factory, changes, paths):
    with pytest.raises(Invalid) as caught:
        factory.parse(OPENAI | changes)

    assert [problem.path for problem in caught.value.problems] == paths
    assert CANARY not in str(caught.value) + str(caught.value.problems)
    assert caught.value.__cause__ is None


def test_a_missing_field_is_named(factory):
    with pytest.raises(Invalid) as caught:
        factory.parse({"type": "openai_credential"}, at="credential")

    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        ("credential.api_key", "is required")
    ]


@pytest.mark.parametrize("changes", [{"region": CANARY + "x" * 9}, {"token": CANARY}, {"second": CANARY + "x" * 9}])
def test_other_kinds_keep_their_values_to_themselves(changes):
    with pytest.raises(Invalid) as caught:
        CredentialFactory(Acme).parse({"type": "acme_credential", "token": CANARY + "x" * 9, **changes})

    assert CANARY not in str(caught.value) + str(caught.value.problems)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("base_url", [None, "", " ", "http://127.0.0.1:11434/v1", "https://x.example/v1?version=1"])
def test_a_base_url_may_be_left_out_or_lead_anywhere(factory, base_url):
    assert factory.parse(OPENAI | {"base_url": base_url})


def test_the_forms_are_what_front_ends_know(factory):
    openai, demo = factory.schemas()

    assert openai["title"] == "OpenAI API"
    assert openai["properties"]["type"]["const"] == "openai_credential"
    assert openai["required"] == ["api_key"]
    key = openai["properties"]["api_key"]
    assert (key["type"], key["format"], key["writeOnly"], key["title"]) == ("string", "password", True, "API Key")
    assert openai["properties"]["base_url"]["default"] is None
    assert "Demo" in demo["title"]
    assert msgspec.json.encode(openai)


def test_an_optional_secret_is_marked_where_forms_look():
    (schema,) = CredentialFactory(Acme).schemas()

    assert schema["properties"]["second"]["writeOnly"] is True


def test_a_type_is_registered_once():
    with pytest.raises(ValueError, match="registered already"):
        CredentialFactory(*BUILTIN, OpenAICredential)


def test_a_kind_that_lacks_a_part_is_not_registered():
    class Nameless(CredentialBase, frozen=True, kw_only=True, tag="nameless_credential"):
        pass

    with pytest.raises(ValueError, match="needs a title and a chat_model"):
        CredentialFactory(Nameless)
