"""Data providers: where samples come from."""
