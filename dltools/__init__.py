"""Everything that training a vision model needs except the model."""

__version__ = "0.1.0"
