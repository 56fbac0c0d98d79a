"""Makes the pretend providers known to the gateway, and takes them out again."""

from omniroute.demo import claude, openai
from omniroute.demo.server import Demo
from omniroute.store.config import combos, nodes, snapshot
from omniroute.store.db.database import Store

OPENAI, CLAUDE = "demo-openai", "demo-claude"
COMBO = "demo"
MODELS = (f"{OPENAI}/{openai.MODEL}", f"{CLAUDE}/{claude.MODEL}")


def install(store: Store, demo: Demo) -> None:
    """Add both nodes at the ports that they have now, and the combo over them; an earlier run's are replaced.

    StoreError, with nothing changed, when the user has a combo of the same name or uses the nodes elsewhere.
    """
    with store.change():
        uninstall(store)
        nodes.add(store, OPENAI, "openai", demo.openai_url, "Pretend OpenAI")
        nodes.add(store, CLAUDE, "claude", demo.claude_url, "Pretend Anthropic")
        combos.add(store, COMBO, MODELS)


def uninstall(store: Store) -> None:
    """Remove what `install` added, where it is there; a combo `demo` of the user's own stays."""
    with store.change():
        config = snapshot.load(store)
        if (combo := config.combos.get(COMBO)) and combo.models == MODELS:
            combos.remove(store, COMBO)
        for prefix in {node.prefix for node in config.nodes} & {OPENAI, CLAUDE}:
            nodes.remove(store, prefix)
