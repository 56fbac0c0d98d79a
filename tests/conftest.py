"""What all tests share: laws are held on whatever machine, however busy it is."""

from hypothesis import settings

# The first example of a law pays for what is made once, such as an SDK's types; the clock on the wall is no law.
settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")
