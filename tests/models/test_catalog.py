"""Cards, parameters and the models that come out of them."""

import pytest

from agentsvc.domain.errors import Invalid, NotFound
from agentsvc.domain.models import ModelCard
from agentsvc.domain.sessions import ChatModelConfig
from agentsvc.models.demo import DemoChatModel, DemoCredential
from agentsvc.models.openai import OpenAICredential, Parameters
from tests.models.conftest import answer

CARD = """
name: m
context_size: 1000
output_size: 100
"""


def config(parameters=None, model="gpt-4o", kind="openai_credential"):
    return ChatModelConfig(type=kind, credential_id="1", model=model, parameters=parameters or {})


def card(tmp_path, overrides="", outputs=""):
    path = tmp_path / "m.yaml"
    path.write_text(CARD + outputs + overrides)
    return ModelCard.from_yaml(path, Parameters, "openai_credential")


async def test_the_cards_that_come_with_the_service_can_be_read(catalog):
    cards = catalog.cards("openai_credential")

    assert len(cards) == 13
    assert all(each.context_size >= each.output_size > 0 and each.label for each in cards)
    assert [each.name for each in catalog.cards("demo_credential")] == ["demo"]


async def test_cards_are_read_once(catalog):
    assert catalog.cards("openai_credential") is catalog.cards("openai_credential")


async def test_an_unknown_provider_has_no_cards(catalog):
    with pytest.raises(NotFound):
        catalog.cards("unheard_of")


def test_a_card_shows_only_what_its_model_takes(tmp_path):
    shown = card(tmp_path).parameter_schema

    assert set(shown["properties"]) == {"max_tokens", "reasoning_effort", "temperature", "top_p", "parallel_tool_calls"}
    assert shown["properties"]["max_tokens"]["maximum"] == 100
    assert shown["required"] == []


def test_a_model_that_thinks_and_speaks_shows_that(tmp_path):
    shown = card(tmp_path, outputs="output_types: [text/plain, application/x-thinking, audio/wav]\n")

    assert {"thinking_enable", "voice"} <= set(shown.parameter_schema["properties"])


def test_overrides_hide_or_change(tmp_path):
    shown = card(
        tmp_path,
        "parameter_overrides:\n"
        "  {top_p: null, temperature: {hidden: true}, max_tokens: {default: 50, maximum: 60}, other: {a: 1}}\n",
    )

    properties = shown.parameter_schema["properties"]
    assert set(properties) == {"max_tokens", "reasoning_effort", "parallel_tool_calls"}
    assert (properties["max_tokens"]["default"], properties["max_tokens"]["maximum"]) == (50, 60)
    assert properties["max_tokens"]["title"] == "Max Tokens"
    assert shown.parameters_overrides["top_p"] is None


@pytest.mark.parametrize("broken", ["name: [", "name: m\n", CARD + "size: 3\n", CARD + "status: old\n", "\xff"])
def test_a_broken_card_is_named(tmp_path, broken):
    path = tmp_path / "broken.yaml"
    path.write_bytes(broken.encode("latin-1"))

    with pytest.raises(ValueError, match=r"broken\.yaml"):
        ModelCard.from_yaml(path, Parameters)


@pytest.mark.parametrize(
    ("parameters", "paths"),
    [
        ({"max_tokens": 16_385}, ["max_tokens"]),
        ({"max_tokens": 0}, ["max_tokens"]),
        ({"max_tokens": "many"}, ["max_tokens"]),
        ({"temperature": 2.1, "top_p": -1}, ["temperature", "top_p"]),
        ({"tempreature": 1}, ["tempreature"]),
        ({"parallel_tool_calls": "yes"}, ["parallel_tool_calls"]),
    ],
)
async def test_parameters_that_do_not_fit_are_named(catalog, parameters, paths):
    with pytest.raises(Invalid) as caught:
        catalog.check(config(parameters), at="config")

    assert [problem.path for problem in caught.value.problems] == [f"config.parameters.{path}" for path in paths]


@pytest.mark.parametrize(
    "parameters", [{}, {"max_tokens": 16_384}, {"max_tokens": None, "voice": None}, {"voice": "alloy"}]
)
async def test_parameters_that_fit_or_are_hidden_pass(catalog, parameters):
    catalog.check(config(parameters))


async def test_a_choice_of_the_card_is_checked(catalog):
    catalog.check(config({"voice": "echo"}, "gpt-audio-mini"))

    with pytest.raises(Invalid):
        catalog.check(config({"voice": "growl"}, "gpt-audio-mini"))


async def test_a_type_that_nobody_knows_is_named(catalog):
    with pytest.raises(Invalid) as caught:
        catalog.check(config(kind="unheard_of"))

    assert caught.value.problems[0].path == "chat_model_config.type"


async def test_the_defaults_that_are_shown_are_sent(catalog, server):
    credential = OpenAICredential(api_key="k", base_url=server.url)
    shown = catalog.card("openai_credential", "gpt-audio-mini").parameter_schema["properties"]["voice"]["default"]

    await answer(catalog.chat_model(credential, config(model="gpt-audio-mini")))

    assert server.requests[0].body["audio"]["voice"] == shown


async def test_a_hidden_parameter_is_not_sent(catalog, server):
    credential = OpenAICredential(api_key="k", base_url=server.url)

    await answer(catalog.chat_model(credential, config({"reasoning_effort": "high", "temperature": 1.0})))

    assert "reasoning_effort" not in server.requests[0].body
    assert server.requests[0].body["temperature"] == 1.0


async def test_a_model_without_a_card_can_be_used(catalog, server):
    credential = OpenAICredential(api_key="k", base_url=server.url)

    model = catalog.chat_model(credential, config({"max_tokens": 50_000, "reasoning_effort": "high"}, "qwen3:14b"))
    await answer(model)

    assert model.name == "qwen3:14b"
    assert model.context_size == 128_000
    assert server.requests[0].body["max_completion_tokens"] == 50_000
    assert server.requests[0].body["reasoning_effort"] == "high"


async def test_a_credential_of_another_type_is_refused(catalog):
    with pytest.raises(Invalid):
        catalog.chat_model(DemoCredential(), config())


async def test_the_demo_needs_nothing(catalog):
    demo = catalog.demo()

    assert isinstance(demo, DemoChatModel)
    assert demo.name == "demo"
