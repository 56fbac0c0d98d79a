"""Writer for OpenAI Responses streams: events of the form -> events of the wire."""

from dataclasses import replace
from typing import assert_never

from omniroute.dialects.ir import (
    Begin,
    Body,
    Citation,
    Event,
    Fault,
    Finish,
    Native,
    PartCite,
    PartDelta,
    PartStart,
    PartStop,
    Reasoning,
    Refusal,
    Text,
    TokenLogprob,
    ToolCall,
)
from omniroute.dialects.json_edit import dump
from omniroute.dialects.openai.reply import write_token_logprobs
from omniroute.dialects.responses.errors import write_failure
from omniroute.dialects.responses.reply import write_annotation, write_end, write_head, write_item
from omniroute.dialects.tool_names import derive_id, read_own_name

NO_CONTENT = {"content_index": 0}
NO_SUMMARY = {"summary_index": 0}


class Writer:
    """Converter from events to frames. The order of the events is not checked."""

    def __init__(self, *, model: str, include_usage: bool = False, created: int = 0) -> None:
        self._model = model
        self._head = write_head("", model=model, created=created)
        self._number = 0
        self._output: list[Body] = []
        self._passed: list[Body] = []
        """Complete items that this writer did not write."""
        self._part: Text | Refusal | Reasoning | ToolCall | Native = Text()
        self._custom = False
        self._where: Body = {}
        self._pieces: list[str] = []
        self._citations: list[Citation] = []
        self._odds: list[TokenLogprob] = []
        self._refused = False

    def write(self, event: Event) -> bytes:
        match event:
            case Begin(id=reply_id):
                self._head["id"] = reply_id or derive_id("resp_", self._model)
                return self._frame("created", {"response": self._head}) + self._frame(
                    "in_progress", {"response": self._head}
                )
            case PartStart(part=part):
                return self._start(part)
            case PartDelta(text=text, odds=odds):
                return self._delta(text, odds)
            case PartCite(citation=citation):
                return self._cite(citation)
            case PartStop(signature=signature, origin=origin):
                return self._stop(signature, origin)
            case Finish():
                return self._finish(event)
            case _:
                assert_never(event)

    def fail(self, fault: Fault) -> bytes:
        """End the stream with a fault. Leave an open call out: a client would run one that looks complete."""
        self._head["id"] = self._head["id"] or derive_id("resp_", self._model)
        said = [*self._output]
        if isinstance(self._part, Text | Refusal) and self._pieces:
            part = replace(self._part, text="".join(self._pieces))
            said.append(self._named(write_item(part, self._head["id"], len(said), "incomplete")))
        return write_failure(fault, self._head | {"output": said}, self._number)

    def follow(self, said: Body) -> None:
        """Continue after an event that this writer did not write: take over its sequence number, head and items.

        Raise ValueError for a second text in one item.
        """
        if isinstance(number := said.get("sequence_number"), int):
            self._number = number + 1
        match said.get("type"):
            case "response.created":
                self._head = {**said["response"]}
            case "response.output_text.delta":
                if said.get("content_index", 0) != 0:
                    raise ValueError("a second text in one item")
                self._where = {"item_id": said["item_id"], "output_index": said["output_index"]}
            case "response.output_item.done":
                self._passed.append(said["item"])
        self._output = [*self._passed]

    def _named(self, item: Body) -> Body:
        """Return the item with the id that it was started with."""
        return item | {"id": self._where["item_id"]} if "id" in item and self._where.get("item_id") else item

    def _start(self, part: Text | Refusal | Reasoning | ToolCall | Native) -> bytes:
        self._part, self._pieces, self._citations, self._odds = part, [], [], []
        item = write_item(part, self._head["id"], len(self._output), "in_progress")
        self._where = {"item_id": item.get("id") or "", "output_index": len(self._output)}
        match part:
            case Text() | Refusal():
                self._refused = self._refused or isinstance(part, Refusal)
                [content], item["content"] = item["content"], []
                added = self._frame("output_item.added", self._place(item))
                return added + self._at("content_part.added", NO_CONTENT | {"part": content})
            case ToolCall(name=name):
                self._custom = read_own_name(name).kind == "custom"
                item["input" if self._custom else "arguments"] = ""
            case Reasoning() | Native():
                pass
            case _:
                assert_never(part)
        return self._frame("output_item.added", self._place(item))

    def _delta(self, text: str, odds: tuple[TokenLogprob, ...] = ()) -> bytes:
        first = not self._pieces
        self._odds += odds
        self._pieces.append(text)
        match self._part:
            case Text():
                logprobs = write_token_logprobs(odds, known=False)
                return self._at("output_text.delta", NO_CONTENT | {"delta": text, "logprobs": logprobs})
            case Refusal():
                return self._at("refusal.delta", NO_CONTENT | {"delta": text})
            case Reasoning():
                part = {"part": {"type": "summary_text", "text": ""}}
                added = self._at("reasoning_summary_part.added", NO_SUMMARY | part) if first else b""
                return added + self._at("reasoning_summary_text.delta", NO_SUMMARY | {"delta": text})
            case ToolCall() if not self._custom:
                return self._at("function_call_arguments.delta", {"delta": text})
            case ToolCall() | Native():
                return b""  # the input of a custom tool is inside JSON, so it is written once that is complete
            case _:
                assert_never(self._part)

    def _cite(self, citation: Citation) -> bytes:
        note = write_annotation(citation, sum(map(len, self._pieces)))
        self._citations.append(citation)
        place = NO_CONTENT | {"annotation_index": len(self._citations) - 1, "annotation": note}
        return self._at("output_text.annotation.added", place)

    def _stop(self, signature: str | None, origin: str | None) -> bytes:
        text = "".join(self._pieces)
        match self._part:
            case Text() as part:
                whole: Text | Refusal | Reasoning | ToolCall | Native = replace(
                    part, text=text, citations=tuple(self._citations), odds=tuple(self._odds)
                )
            case Refusal():
                whole = Refusal(text)
            case Reasoning() as thought:
                whole = replace(thought, text=text, signature=signature, origin=origin or thought.origin)
            case ToolCall() as call:
                whole = replace(call, arguments=text)
            case Native() as native:
                whole = native
            case _:
                assert_never(self._part)
        item = self._named(write_item(whole, self._head["id"], len(self._output)))
        out = self._say_whole(item) + self._frame("output_item.done", self._place(item))
        self._output.append(item)
        self._pieces = []
        return out

    def _say_whole(self, item: Body) -> bytes:
        match self._part:
            case Text():
                [content] = item["content"]
                done = self._at(
                    "output_text.done", NO_CONTENT | {"text": content["text"], "logprobs": content["logprobs"]}
                )
                return done + self._at("content_part.done", NO_CONTENT | {"part": content})
            case Refusal():
                [content] = item["content"]
                done = self._at("refusal.done", NO_CONTENT | {"refusal": content["refusal"]})
                return done + self._at("content_part.done", NO_CONTENT | {"part": content})
            case Reasoning() if item["summary"]:
                [part] = item["summary"]
                done = self._at("reasoning_summary_text.done", NO_SUMMARY | {"text": part["text"]})
                return done + self._at("reasoning_summary_part.done", NO_SUMMARY | {"part": part})
            case ToolCall() if self._custom:
                given = self._at("custom_tool_call_input.delta", {"delta": item["input"]}) if item["input"] else b""
                return given + self._at("custom_tool_call_input.done", {"input": item["input"]})
            case ToolCall():
                text = item["arguments"]
                missed = b"" if self._pieces else self._at("function_call_arguments.delta", {"delta": text})
                named = {"name": item["name"], "arguments": text}
                return missed + self._at("function_call_arguments.done", named)
            case _:
                return b""

    def _finish(self, finish: Finish) -> bytes:
        out = b""
        if finish.note and not self._refused:
            out = self._start(Refusal()) + self._delta(finish.note) + self._stop(None, None)
        end = write_end(finish.reason, self._output, finish.usage, refused=self._refused)
        return out + self._frame(end["status"], {"response": self._head | end})

    def _place(self, item: Body) -> Body:
        return {"output_index": len(self._output), "item": item}

    def _at(self, kind: str, fields: Body) -> bytes:
        return self._frame(kind, self._where | fields)

    def _frame(self, kind: str, fields: Body) -> bytes:
        event = f"response.{kind}"
        body = {"type": event, "sequence_number": self._number} | fields
        self._number += 1
        return b"event: " + event.encode() + b"\ndata: " + dump(body) + b"\n\n"
