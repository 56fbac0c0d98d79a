"""OpenAI Responses, with a model that reasons and keeps nothing."""

import json
import re
from collections.abc import Iterator

from responses_kit import judge
from scripted.frames import frame
from scripted.replies import words

from faithful import model
from faithful.chat import IMAGE, NAME
from faithful.model import Answer, Body, Conversation, Refused, Turn, demand

CALL_ID = re.compile(r".{1,64}")


def read(body: Body) -> Conversation:
    items = body["input"]
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    judge(body | {"input": items})
    demand("previous_response_id" not in body or body["previous_response_id"] is None, "no response is kept here")
    turns = [Turn("system", texts=[body["instructions"]])] if body.get("instructions") else []
    waiting: list[str] = []
    thoughts: list[str] = []
    for item in items:
        match item.get("type", "message"):
            case "message":
                turns.append(_turn(item["role"], item["content"]))
            case "reasoning":
                text = "".join(part["text"] for part in item["summary"])
                good = model.seal("responses", model.thought(model.task(turns)))
                demand(item.get("encrypted_content") == good, "The encrypted content could not be verified.")
                demand(text in {"", model.thought(model.task(turns))}, "the summary of the reasoning was changed")
                thoughts.append(text)
            case "function_call":
                demand(CALL_ID.fullmatch(item["call_id"]) and item["call_id"] not in waiting, f"call_id of {item}")
                demand(NAME.fullmatch(item["name"]), f"bad name: {item['name']!r}")
                if item["call_id"].startswith("call_responses_") and _seals(body):
                    demand(thoughts, f"{item['call_id']} was provided without its required 'reasoning' item")
                json.loads(item["arguments"])
                waiting.append(item["call_id"])
                turns.append(Turn("assistant", calls=[item["call_id"]]))
            case "function_call_output":
                demand(item["call_id"] in waiting, f"No tool call found for function call output {item['call_id']!r}")
                waiting.remove(item["call_id"])
                said = _turn("user", item["output"])
                turns.append(Turn("tool", results=[" ".join(said.texts)], pictures=said.pictures))
            case kind:
                raise Refused(f"an item of type {kind!r} is not taken here")
    demand(not waiting, f"No tool output found for function call {waiting}")
    tools = [tool["name"] for tool in body.get("tools") or ()]
    demand(all(NAME.fullmatch(name) for name in tools), f"bad names of tools: {tools}")
    demand(body.get("max_output_tokens") is None or body["max_output_tokens"] >= 16, "max_output_tokens is too small")
    demand(body.get("temperature") in {None, 1}, "Unsupported parameter: 'temperature'")
    form = (body.get("text") or {}).get("format") or {}
    demand(form.get("type") != "json_schema" or NAME.fullmatch(form["name"]), "bad name of a format")
    return Conversation(turns, tools, form.get("schema"), _reasons(body))


def _reasons(body: Body) -> bool:
    return (body.get("reasoning") or {}).get("effort", "medium" if body.get("reasoning") else "none") != "none"


def _seals(body: Body) -> bool:
    return _reasons(body) and "reasoning.encrypted_content" in (body.get("include") or ())


def _turn(role: str, content: str | list[Body]) -> Turn:
    turn = Turn({"developer": "system"}.get(role, role))
    if isinstance(content, str):
        turn.texts.append(content)
        return turn
    for part in content:
        match part["type"]:
            case "input_text":
                demand(role != "assistant", "'input_text' is not what an assistant says")
                turn.texts.append(part["text"])
            case "output_text":
                demand(role == "assistant", "'output_text' is what an assistant says")
                turn.texts.append(part["text"])
            case "input_image":
                found = IMAGE.fullmatch(part["image_url"])
                turn.pictures.append(model.picture(*found.groups()) if found else part["image_url"])
    return turn


def _output(body: Body, answer: Answer) -> list[Body]:
    items: list[Body] = []
    if answer.thought:
        reasoning: Body = {"id": "rs_faithful", "type": "reasoning", "summary": []}
        if body["reasoning"].get("summary"):
            reasoning["summary"] = [{"type": "summary_text", "text": answer.thought}]
        if "reasoning.encrypted_content" in (body.get("include") or ()):
            reasoning["encrypted_content"] = model.seal("responses", answer.thought)
        items.append(reasoning)
    if answer.end == "refusal":
        content: Body = {"type": "refusal", "refusal": answer.text}
    else:
        content = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
    head = {"type": "message", "role": "assistant", "status": "completed"}
    items.append({"id": "msg_faithful", **head, "content": [content]})
    items += [
        {
            "id": f"fc_faithful_{number}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_responses_{number}",
            "name": "get_weather",
            "arguments": json.dumps({"city": city}),
        }
        for number, city in enumerate(answer.cities)
    ]
    return items


def _response(body: Body, output: list[Body], answer: Answer, status: str) -> Body:
    usage = {
        "input_tokens": model.INPUT,
        "input_tokens_details": {"cached_tokens": model.CACHED, "cache_write_tokens": 0},
        "output_tokens": model.OUTPUT,
        "output_tokens_details": {"reasoning_tokens": model.REASONED if answer.thought else 0},
        "total_tokens": model.INPUT + model.OUTPUT,
    }
    causes = {"length": "max_output_tokens", "filter": "content_filter"}
    cause = causes.get(answer.end) if status == "completed" else None
    head: Body = {"id": "resp_faithful", "object": "response", "created_at": 1, "model": body["model"]}
    return head | {
        "status": "incomplete" if cause else status,
        "output": output,
        "error": None,
        "incomplete_details": {"reason": cause} if cause else None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if status == "completed" else None,
    }


def whole(body: Body, answer: Answer) -> Body:
    return _response(body, _output(body, answer), answer, "completed")


def stream(body: Body, answer: Answer) -> Iterator[bytes]:
    number = -1

    def event(kind: str, **rest: object) -> bytes:
        nonlocal number
        number += 1
        return frame({"type": f"response.{kind}", "sequence_number": number, **rest}, f"response.{kind}")

    begun = _response(body, [], answer, "in_progress")
    yield event("created", response=begun)
    yield event("in_progress", response=begun)
    output = _output(body, answer)
    for index, item in enumerate(output):
        where = {"output_index": index, "item_id": item["id"]}
        match item["type"]:
            case "reasoning":
                yield event("output_item.added", output_index=index, item={**item, "summary": []})
                for part in item["summary"]:
                    place = where | {"summary_index": 0}
                    yield event("reasoning_summary_part.added", **place, part={**part, "text": ""})
                    for word in words(part["text"]):
                        yield event("reasoning_summary_text.delta", **place, delta=word)
                    yield event("reasoning_summary_text.done", **place, text=part["text"])
                    yield event("reasoning_summary_part.done", **place, part=part)
            case "message":
                (part,) = item["content"]
                key, kind = ("refusal", "refusal") if part["type"] == "refusal" else ("text", "output_text")
                more = {} if kind == "refusal" else {"logprobs": []}
                place = where | {"content_index": 0}
                yield event(
                    "output_item.added", output_index=index, item=item | {"status": "in_progress", "content": []}
                )
                yield event("content_part.added", **place, part={**part, key: ""})
                for count, word in enumerate(words(part[key])):
                    if answer.breaks and count == 2:
                        raise Refused("broke off in the middle", 503)
                    yield event(f"{kind}.delta", **place, delta=word, **more)
                yield event(f"{kind}.done", **place, **{key: part[key]}, **more)
                yield event("content_part.done", **place, part=part)
            case _:
                given = item["arguments"]
                yield event(
                    "output_item.added", output_index=index, item=item | {"status": "in_progress", "arguments": ""}
                )
                for i in range(0, len(given), 6):
                    yield event("function_call_arguments.delta", **where, delta=given[i : i + 6])
                yield event("function_call_arguments.done", **where, name=item["name"], arguments=given)
        yield event("output_item.done", output_index=index, item=item)
    done = _response(body, output, answer, "completed")
    yield event(done["status"], response=done)
