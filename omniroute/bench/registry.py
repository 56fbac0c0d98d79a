"""The four dialects, as the bench speaks them itself."""

from types import ModuleType

from omniroute.bench import claude, gemini, openai, responses
from omniroute.catalog.provider import DialectName

BENCH_DIALECTS: dict[DialectName, ModuleType] = {
    "openai": openai,
    "responses": responses,
    "claude": claude,
    "gemini": gemini,
}
