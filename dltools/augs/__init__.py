"""What happens to a sample between its file and the batch."""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing albumentations asks the network for a newer one
