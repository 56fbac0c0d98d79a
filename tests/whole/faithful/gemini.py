"""Google's Gemini API, with a model of the third generation: it takes no call back that it has not signed."""

from collections.abc import Iterator
from typing import Any

from gemini_kit import judge
from scripted.frames import frame
from scripted.replies import words

from faithful import model
from faithful.model import Answer, Body, Conversation, Refused, Turn, demand

UNCHECKED = "skip_thought_signature_validator"
ENDS = {"stop": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY", "filter": "SAFETY"}


def read(body: Body) -> Conversation:
    judge(body)
    system = body.get("systemInstruction", {"parts": []})
    turns = [Turn("system", texts=[part["text"]]) for part in system["parts"]]
    demand(body["contents"][0].get("role", "user") == "user", "contents must begin with a turn of the user")
    calls = 0
    for content in body["contents"]:
        role = content.get("role", "user")
        answered = sum("functionResponse" in part for part in content["parts"])
        demand(
            answered == calls,
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            f"of the function call turn: {calls} calls, {answered} responses",
        )
        calls = sum("functionCall" in part for part in content["parts"])
        demand(not calls or role == "model", "only the model calls functions")
        _check_seals(content["parts"])
        turns.append(_turn({"model": "assistant"}.get(role, role), content["parts"]))
    demand(not calls, "a function call without its function response")
    declared = [one for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]
    config = body.get("generationConfig", {})
    thinking = config.get("thinkingConfig", {})
    demand(not {"thinkingBudget", "thinkingLevel"} <= thinking.keys(), "you can only set one of budget and level")
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    demand(not schema or config.get("responseMimeType") == "application/json", "a schema needs the type of JSON")
    return Conversation(turns, [one["name"] for one in declared], schema, bool(thinking.get("includeThoughts")))


def _check_seals(parts: list[Body]) -> None:
    first = True
    for part in parts:
        given = part.get("thoughtSignature")
        if "functionCall" in part:
            call = part["functionCall"]
            good = model.seal("gemini", call["args"].get("city", ""))
            ours = str(call.get("id", "gemini")).startswith("gemini")
            if first:
                demand(given, "Function call is missing a thought_signature in functionCall parts")
                demand(given == (good if ours else UNCHECKED), f"Thought signature is not valid: {given!r}")
            first = False
        elif part.get("thought") and given:
            demand(given == model.seal("gemini", part["text"]), f"Thought signature is not valid: {given!r}")


def _turn(role: str, parts: list[Body]) -> Turn:
    turn = Turn(role)
    for part in parts:
        demand(part, "a part must hold something")
        if "functionResponse" in part:
            (turn.results).append(_result(part["functionResponse"]["response"]))
        elif "inlineData" in part:
            turn.pictures.append(model.picture(part["inlineData"]["mimeType"], _standard(part["inlineData"]["data"])))
        elif "fileData" in part:
            turn.pictures.append(part["fileData"]["fileUri"])
        elif "text" in part and not part.get("thought"):
            turn.texts.append(part["text"])
    return turn


def _standard(data: str) -> str:
    """Google's client says bytes in the alphabet for URLs, which the service takes as well."""
    return data.replace("-", "+").replace("_", "/")


def _result(response: dict[str, Any]) -> str:
    if "error" in response:
        return f"failed: {response['error']}"
    return str(response.get("output", response.get("result", response)))


def _usage(answer: Answer) -> Body:
    counted = model.REASONED if answer.thought else 0
    body: Body = {
        "promptTokenCount": model.INPUT,
        "cachedContentTokenCount": model.CACHED,
        "candidatesTokenCount": model.OUTPUT - counted,
        "totalTokenCount": model.INPUT + model.OUTPUT,
    }
    return body | ({"thoughtsTokenCount": counted} if counted else {})


def _piece(body: Body, parts: list[Body], answer: Answer, end: str | None) -> Body:
    candidate: Body = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if end:
        candidate["finishReason"] = end
    head = {"modelVersion": "gemini-3-pro-preview", "responseId": "faithful"}
    return {"candidates": [candidate], "usageMetadata": _usage(answer), **head}


def _calls(answer: Answer) -> list[Body]:
    """Only the first of several calls is signed."""
    calls: list[Body] = [
        {"functionCall": {"id": f"gemini_{number}", "name": "get_weather", "args": {"city": city}}}
        for number, city in enumerate(answer.cities)
    ]
    if calls:
        calls[0]["thoughtSignature"] = model.seal("gemini", answer.cities[0])
    return calls


def whole(body: Body, answer: Answer) -> Body:
    thought = [{"text": answer.thought, "thought": True}] if answer.thought else []
    return _piece(body, [*thought, {"text": answer.text}, *_calls(answer)], answer, ENDS[answer.end])


def stream(body: Body, answer: Answer) -> Iterator[bytes]:
    for word in words(answer.thought) if answer.thought else ():
        yield frame(_piece(body, [{"text": word, "thought": True}], answer, None))
    for number, word in enumerate(words(answer.text)):
        if answer.breaks and number == 2:
            raise Refused("broke off in the middle", 503)
        yield frame(_piece(body, [{"text": word}], answer, None))
    for call in _calls(answer):
        yield frame(_piece(body, [call], answer, None))
    yield frame(_piece(body, [{"text": ""}], answer, ENDS[answer.end]))
