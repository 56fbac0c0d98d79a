"""Which request is what."""

from urllib.parse import quote

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import GatewayError, NotFound
from omniroute.routing.endpoints import CHAT, Claim, claim, dialect_of


@every(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", "openai"),
        ("/chat/completions", "openai"),
        ("/v1/v1/chat/completions", "openai"),
        ("/v1/chat/completions/", "openai"),
        ("/v1/responses", "responses"),
        ("/responses", "responses"),
        ("/v1/v1/responses", "responses"),
        ("/v1/messages", "claude"),
        ("/v1/v1/messages", "claude"),
        ("/v1/messages//", "claude"),
    ],
)
def test_chat(path: str, dialect: str) -> None:
    assert claim("POST", path) == Claim("chat", dialect)  # type: ignore[arg-type]


@every("version", ["v1", "v1beta", "v1alpha"])
@every("model", ["gemini-3-pro", "my/box/m", "a:b", "models/x"])
@every(("verb", "stream"), [("generateContent", False), ("streamGenerateContent", True)])
def test_gemini_says_model_and_stream_in_its_path(version: str, model: str, verb: str, stream: bool) -> None:
    assert claim("POST", f"/{version}/models/{model}:{verb}") == Claim("chat", "gemini", model, stream)


def test_a_model_may_be_quoted() -> None:
    assert claim("POST", "/v1beta/models/box%2Fllama%203:generateContent").model == "box/llama 3"
    assert claim("GET", "/v1/models/box%2Fllama").model == "box/llama"


@every(
    ("path", "found"),
    [
        ("/v1/models", Claim("models", "openai")),
        ("/models", Claim("models", "openai")),
        ("/v1/v1/models", Claim("models", "openai")),
        ("/v1/models/", Claim("models", "openai")),
        ("/v1beta/models", Claim("models", "gemini")),
        ("/v1alpha/models", Claim("models", "gemini")),
        ("/v1/models/gpt-4o", Claim("model", "openai", "gpt-4o")),
        ("/v1/models/openai/gpt-4o", Claim("model", "openai", "openai/gpt-4o")),
        ("/v1beta/models/gemini-3-pro", Claim("model", "gemini", "gemini-3-pro")),
        ("/api/hello", Claim("hello", "claude")),
    ],
)
@every("method", ["GET", "HEAD"])
def test_lists(method: str, path: str, found: Claim) -> None:
    assert claim(method, path) == found


@every("path", [*CHAT, "/v1beta/models/m:generateContent"])
@every("method", ["GET", "HEAD", "PUT", "OPTIONS", "X" * 100])
def test_chat_takes_nothing_but_post(method: str, path: str) -> None:
    with pytest.raises(GatewayError, match="takes POST") as said:
        claim(method, path)
    assert said.value.status == 405


@pytest.mark.parametrize("path", ["/v1/models", "/v1beta/models/m"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_lists_take_nothing_but_get(method: str, path: str) -> None:
    with pytest.raises(GatewayError, match="takes GET") as said:
        claim(method, path)
    assert said.value.status == 405


@every(
    "path",
    ["/", "", "/v1", "/v1/", "/v2/chat/completions", "/v1/chat", "/v1/chat/completions/x", "/v1/embeddings", "/api",
     "/V1/messages", "//v1/messages", "/v1/v1/v1/messages", "/v1beta/models/m:countToken",
     "/v1beta/models/:generateContent", "/v1beta/models/m:generateContentX", "/v1/models/a:b", "/v1/models\n"],
)  # fmt: skip
def test_what_is_not_served(path: str) -> None:
    with pytest.raises(NotFound) as said:
        claim("POST", path)
    assert said.value.status == 404


@given(st.sampled_from(["GET", "POST", "HEAD", "PATCH"]), st.text(max_size=60))
def test_any_path_is_claimed_or_refused_in_words(method: str, rest: str) -> None:
    refused: list[GatewayError] = []
    for path in (rest, f"/{rest}", f"/v1/{rest}", f"/v1beta/models/{rest}", f"/v1beta/models/{rest}:generateContent"):
        try:
            found = claim(method, path)
        except GatewayError as error:
            refused.append(error)
        else:
            says_model = found.kind == "model" or (found.kind, found.dialect) == ("chat", "gemini")
            assert (found.model is not None) == says_model
            assert (found.stream is not None) == ((found.kind, found.dialect) == ("chat", "gemini"))
    assert all(error.status in (404, 405) and len(error.message) < 300 for error in refused)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_a_gemini_model_is_told_as_it_is_written(model: str) -> None:
    found = claim("POST", f"/v1beta/models/{quote(model, safe='')}:streamGenerateContent")
    assert found == Claim("chat", "gemini", model, True)


@every(
    ("path", "dialect"),
    [
        ("/v1/messages/count_tokens", "claude"),
        ("/api/hello/you", "claude"),
        ("/v1beta/files", "gemini"),
        ("/v1alpha/x", "gemini"),
        ("/v1/models/m:generateContent/x", "gemini"),
        ("/v1/models/m:streamGenerateContent/x", "gemini"),
        ("/v1/responses/resp_1", "responses"),
        ("/v1/embeddings", "openai"),
        ("/", "openai"),
        ("", "openai"),
    ],
)
def test_in_whose_words_a_path_is_refused(path: str, dialect: str) -> None:
    assert dialect_of(path) == dialect


@pytest.mark.parametrize("path", CHAT)
def test_a_path_that_is_served_is_refused_in_its_own_words(path: str) -> None:
    assert dialect_of(path) == CHAT[path]


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("/v1/messages/count_tokens", Claim("count", "claude")),
        ("/v1/v1/messages/count_tokens/", Claim("count", "claude")),
        ("/v1beta/models/a/b:countTokens", Claim("count", "gemini", "a/b")),
        ("/v1/models/m:countTokens", Claim("count", "gemini", "m")),
    ],
)
def test_what_is_counted(path: str, claimed: Claim) -> None:
    assert claim("POST", path) == claimed


@pytest.mark.parametrize("start", ["/v1/responses", "/responses", "/v1/v1/responses"])
def test_kept_replies_have_paths_of_their_own(start: str) -> None:
    for method, end, kind in (
        ("GET", "/resp_1", "reply"),
        ("DELETE", "/resp_1/", "forget"),
        ("GET", "/resp_1/input_items", "reply_input"),
        ("POST", "/resp_1/cancel", "cancel"),
    ):
        assert claim(method, start + end) == Claim(kind, "responses", reply="resp_1")
    assert claim("GET", start + "/a%2Fb").reply == "a/b"
    for method, end, status in (
        ("PUT", "/resp_1", 405),
        ("POST", "/resp_1/input_items", 405),
        ("GET", "/resp_1/cancel", 405),
        ("POST", "/compact", 404),
        ("GET", "/resp_1/else", 404),
    ):
        with pytest.raises(GatewayError) as caught:
            claim(method, start + end)
        assert caught.value.status == status
