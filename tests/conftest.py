"""What all tests share: laws are held on whatever machine, however busy it is."""

import os

from hypothesis import settings

# The first example of a law pays for what is made once, such as an SDK's types; the clock on the wall is no law.
settings.register_profile("without a clock", deadline=None, max_examples=int(os.environ.get("EXAMPLES", "20")))
settings.load_profile("without a clock")

# A browser is driven from a loop of its own, which no other test of the process may have: `scripts/browser` runs these.
collect_ignore = [] if os.environ.get("BROWSER_TESTS") else ["browser"]
