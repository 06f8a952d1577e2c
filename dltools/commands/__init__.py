"""Commands beside training, each a module with `add`, which declares its words, and `run`."""
