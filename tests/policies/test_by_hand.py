"""A run put together in Python, without any config."""

import torch

from dltools.augs.pipeline import Augmentations
from dltools.data.digit_scenes import DigitScenes
from dltools.handlers import Chain, Clip
from dltools.loaders import TorchLoader
from dltools.losses import CrossEntropyLoss, DiceLoss, LossSum
from dltools.metrics import MeanIoU, MetricSet
from dltools.metrics.objective import Objective
from dltools.models.unet import UNet
from dltools.optim.schedulers.cosine import Cosine
from dltools.policies.folder import RunFolder
from dltools.policies.job import Job
from dltools.policies.segmentation import SegmentationPolicy
from dltools.writers import Hub


def test_a_notebook_needs_no_config(tmp_path):
    folder = RunFolder(tmp_path)
    data = DigitScenes(train_scenes=8, val_scenes=4, test_scenes=5)
    model = UNet(in_channels=3, num_classes=11, width=8)
    job = Job(
        folder=folder,
        device=torch.device("cpu"),
        data=data,
        augs=Augmentations(),
        loader=TorchLoader(batch_size=4),
        model=model,
        loss=LossSum({"ce": CrossEntropyLoss(), "dice": DiceLoss(weight=0.5)}),
        metrics=MetricSet({"iou": MeanIoU(num_classes=11)}),
        objective=Objective(expr="val/iou"),
        optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3),
        schedule=Cosine(),
        chain=Chain({"clip": Clip()}, torch.device("cpu"), folder.path),
        hub=Hub({}),
    )
    policy = SegmentationPolicy(epochs=2, log_every="1ep")
    objective = policy.run(job)
    assert objective == folder.read_summary()["objective"]["value"]
    predictions = list(policy.predict(policy.loaders["test"]))
    assert len(predictions) == 5
    assert all(prediction["mask"].shape == (64, 64) and prediction["mask"].max() < 11 for prediction in predictions)
