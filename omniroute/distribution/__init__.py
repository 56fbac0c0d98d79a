"""The installed product: its dependencies, and the files that come with it. Standard library only."""
