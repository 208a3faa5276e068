"""The models that can be chosen."""

import httpx


async def test_the_models_of_a_provider_need_no_user(client: httpx.AsyncClient):
    del client.headers["x-user-id"]

    answer = (await client.get("/model/", params={"provider": "openai_credential"})).json()

    assert answer["total"] == len(answer["models"]) > 0
    assert answer["models"][0]["type"] == "chat_model"
    assert answer["models"][0]["parameter_schema"]["type"] == "object"


async def test_an_unknown_provider_is_not_found(client: httpx.AsyncClient):
    assert (await client.get("/model/", params={"provider": "nobody"})).status_code == 404
    assert (await client.get("/model/")).status_code == 422
