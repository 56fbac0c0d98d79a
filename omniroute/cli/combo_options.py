"""Command line options for the strategy and the retry settings of a combo."""

from collections.abc import Callable

import click

from omniroute.config.deadlines import PHASES
from omniroute.config.settings import COMBO_STRATEGIES, MAX_RETRIES, RetrySettings

WEIGHT = "Its share under the strategy weighted, 1 if nothing is said; may be repeated."
WAIT = "How long to wait "
HEDGE = "Whether the next target is asked too, when one is later than it mostly is."
RESUME = "Whether the next target goes on with a streamed text that has broken off."
RETRIES = "How often a target is asked again before the next one."


def _weights(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
    """Parse MODEL=N options into model -> weight; the model's name may contain an equals sign."""
    weights: dict[str, float] = {}
    for text in given:
        model, equals, number = text.rpartition("=")
        try:
            weights[model] = float(number)
        except ValueError:
            equals = ""
        if not equals or not model:
            raise click.BadParameter(f"{text!r} is no weight: say MODEL=N, as in openai/gpt-4o=3")
    return weights


def its_own(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for a combo's strategy and retry settings to a command."""
    options = (
        click.option("--strategy", type=click.Choice(COMBO_STRATEGIES), help="Else the setting combo.strategy."),
        click.option("--weight", "weights", multiple=True, callback=_weights, metavar="MODEL=N", help=WEIGHT),
        click.option("--retries", type=click.IntRange(0, MAX_RETRIES), help=RETRIES),
        click.option("--retry-delay", type=float, metavar="SECONDS", help="How long to wait before each of these."),
        click.option("--hedge/--no-hedge", default=None, help=HEDGE),
        click.option("--resume/--no-resume", default=None, help=RESUME),
        *(
            click.option(
                f"--{phase.replace('_', '-')}-timeout",
                phase,
                type=float,
                metavar="SECONDS",
                help=f"How long to wait {what}.",
            )
            for phase, what in PHASES.items()
        ),
    )
    for option in reversed(options):  # the option added last is shown first
        command = option(command)
    return command


def tries_of(
    before: RetrySettings,
    retries: int | None,
    retry_delay: float | None,
    hedge: bool | None,
    resume: bool | None,
    deadlines: dict[str, float | None],
) -> RetrySettings:
    """Merge the options of the command line into a combo's previous retry settings."""
    said = {phase: seconds for phase, seconds in deadlines.items() if seconds is not None}
    return RetrySettings(
        before.retries if retries is None else retries,
        before.retry_delay if retry_delay is None else retry_delay,
        before.hedge if hedge is None else hedge,
        before.resume if resume is None else resume,
        {**before.deadlines, **said},
    )
