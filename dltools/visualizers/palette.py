"""Colours for class ids: the same id has the same colour in every image of every run."""

from __future__ import annotations

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

OKABE_ITO: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Colours that people with any colour vision tell apart (Okabe and Ito 2008); their black is left to backgrounds."""

RIGHT: Colour = (0, 158, 115)
WRONG: Colour = (213, 94, 0)
INK: Colour = (225, 225, 225)
FAINT: Colour = (150, 150, 150)
PAPER: Colour = (24, 24, 24)


def colour_of(index: int) -> Colour:
    """Return the colour of a class id: the seven of Okabe and Ito, then lighter, then darker ones, then again."""
    round_, position = divmod(index, len(OKABE_ITO))
    towards, share = ((0, 0.0), (255, 0.5), (0, 0.45))[round_ % 3]
    red, green, blue = (round(value + (towards - value) * share) for value in OKABE_ITO[position])
    return red, green, blue


def ink_on(colour: Colour) -> Colour:
    """Return black or white, whichever is read better on a colour (ITU-R BT.601 luma)."""
    red, green, blue = colour
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 125 else (255, 255, 255)
