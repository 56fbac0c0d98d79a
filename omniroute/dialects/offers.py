"""The tools of a request as every provider takes them: each name once, and none chosen that is not offered."""

from dataclasses import replace

from omniroute.dialects.ir import Native, Request, Tool
from omniroute.dialects.read import refuse
from omniroute.dialects.written import Losses


def settle(request: Request, losses: Losses) -> Request:
    """Give the request with each tool once, as it was offered last. BadRequest for a choice of what is not offered."""
    offered: dict[str, Tool] = {}
    for tool in request.tools:
        if isinstance(tool, Tool):
            if tool.name in offered and offered[tool.name] != tool:
                losses.add("tools.duplicate")
            offered[tool.name] = tool
    if (choice := request.tool_choice) and request.tools and not any(isinstance(t, Native) for t in request.tools):
        for name in (*choice.allowed, *([choice.name] if choice.name is not None else [])):
            if name not in offered:
                raise refuse("tool_choice", f"names {name!r}, which is not among the tools that are offered")
    if len(offered) == sum(isinstance(tool, Tool) for tool in request.tools):
        return request
    once: dict[str | int, Tool | Native] = {}
    for place, tool in enumerate(request.tools):
        if isinstance(tool, Tool):
            once[tool.name] = offered[tool.name]
        else:
            once[place] = tool
    return replace(request, tools=tuple(once.values()))
