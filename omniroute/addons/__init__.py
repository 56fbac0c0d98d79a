"""The hooks, one job a file, in the order in which `suite` lists them."""
