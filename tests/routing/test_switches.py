"""Who says whether something is done for a target."""

from cases import every

from omniroute.catalog.providers import node
from omniroute.config.model import Account, Combo
from omniroute.config.settings import ComboDefaults, HedgeSettings, ResumeSettings, RetrySettings, Settings
from omniroute.routing.attempt_policy import Switch, feature_flag
from omniroute.routing.target import RoutePath, Target


def target(tries: RetrySettings | None) -> Target:
    up = node("up", "openai", "http://127.0.0.1:1")
    way = RoutePath("asked for by name", None if tries is None else Combo("c", ("up/m",), tries=tries))
    return Target(Account("a", "up", "a"), up, "m", "openai", way, "")


@every("what", ["hedge", "resume"])
@every("everybody", [True, False])
@every("combos", [True, False, None])
@every("own", [True, False, None])
def test_the_combo_says_so_else_all_combos_else_all_requests(
    what: Switch, own: bool | None, combos: bool | None, everybody: bool
) -> None:
    others = {"hedge": "resume", "resume": "hedge"}[what]
    all_combos = ComboDefaults(**{what: combos, others: not everybody})
    rules = Settings(
        hedge=HedgeSettings(everybody if what == "hedge" else not everybody),
        resume=ResumeSettings(everybody if what == "resume" else not everybody),
        combo=all_combos,
    )
    said = {"the combo c": own, "all combos": combos, "all": everybody}
    found = feature_flag(what, target(RetrySettings(**{what: own, others: not everybody})), rules)
    assert (found.by, found.enabled) == next((by, value) for by, value in said.items() if value is not None)
    assert feature_flag(what, target(None), rules).enabled is everybody
