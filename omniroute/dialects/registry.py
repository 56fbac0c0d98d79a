"""Every dialect there is."""

from omniroute.dialects.claude import errors as claude_errors
from omniroute.dialects.claude import observer as claude
from omniroute.dialects.dialect import Dialect
from omniroute.dialects.gemini import errors as gemini_errors
from omniroute.dialects.gemini import observer as gemini
from omniroute.dialects.openai import errors as openai_errors
from omniroute.dialects.openai import observer as openai
from omniroute.dialects.responses import errors as responses_errors
from omniroute.dialects.responses import observer as responses
from omniroute.dialects.upstream_errors import read_error

COMMENT = b": keep-alive\n\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'

DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            "openai",
            openai.observe,
            openai.read_whole,
            read_error,
            openai_errors.write_error,
            openai_errors.write_fault,
            COMMENT,
        ),
        Dialect(
            "responses",
            responses.observe,
            responses.read_whole,
            read_error,
            openai_errors.write_error,
            responses_errors.write_fault,
            COMMENT,
        ),
        Dialect(
            "claude",
            claude.observe,
            claude.read_whole,
            read_error,
            claude_errors.write_error,
            claude_errors.write_fault,
            PING,
        ),
        # Gemini clients take a comment for a broken stream.
        Dialect(
            "gemini",
            gemini.observe,
            gemini.read_whole,
            read_error,
            gemini_errors.write_error,
            gemini_errors.write_fault,
            b"",
        ),
    )
}
