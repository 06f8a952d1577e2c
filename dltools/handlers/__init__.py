"""What stands around the optimizer's step."""

from dltools.handlers.amp import Amp
from dltools.handlers.base import Handler
from dltools.handlers.chain import Chain
from dltools.handlers.clip import Clip
from dltools.handlers.profile import Profile

__all__ = ["Amp", "Chain", "Clip", "Handler", "Profile"]
