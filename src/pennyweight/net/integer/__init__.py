"""A network in int8: its steps, its one arithmetic, and the reference that runs it."""
