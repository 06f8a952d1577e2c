import pickle
from copy import deepcopy

import pytest
import torch

from dltools.cfgutils import FieldError
from dltools.models.detector import FCOS
from dltools.models.heatmap import HeatmapNet
from dltools.models.resnet import ResNet
from dltools.models.unet import UNet

SMALL = {
    ResNet: {"in_channels": 1, "num_classes": 10, "width": 8},
    UNet: {"in_channels": 3, "num_classes": 4, "width": 8},
    FCOS: {"in_channels": 3, "num_classes": 5, "width": 8, "head_width": 8},
    HeatmapNet: {"in_channels": 3, "num_keypoints": 6, "width": 8},
}
MODELS = list(SMALL)


def make(model, **fields):
    torch.manual_seed(0)
    return model(**{**SMALL[model], **fields})


def image(model, height=64, width=64, batch=2):
    return torch.randn(batch, SMALL[model]["in_channels"], height, width, generator=torch.Generator().manual_seed(0))


def tensors(output):
    return list(output.values()) if isinstance(output, dict) else [output]


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (33, 17)])
def test_resnet_gives_a_logit_for_each_class(size):
    assert make(ResNet)(image(ResNet, *size)).shape == (2, 10)


@pytest.mark.parametrize("stem_stride", [1, 2, 4])
@pytest.mark.parametrize("size", [(64, 64), (50, 37), (9, 70)])
def test_unet_gives_logits_at_the_resolution_of_the_image(size, stem_stride):
    assert make(UNet, stem_stride=stem_stride)(image(UNet, *size)).shape == (2, 4, *size)


@pytest.mark.parametrize("size", [(64, 64), (50, 37)])
def test_fcos_gives_an_answer_for_each_cell_of_its_levels(size):
    output = make(FCOS)(image(FCOS, *size))
    cells = [(-(-size[0] // stride), -(-size[1] // stride), stride) for stride in (4, 8, 16)]
    count = sum(rows * columns for rows, columns, _ in cells)
    assert output["logits"].shape == (2, count, 5) and output["boxes"].shape == (2, count, 4)
    expected = [
        [(c + 0.5) * s, (r + 0.5) * s, s] for rows, columns, s in cells for r in range(rows) for c in range(columns)
    ]
    assert torch.equal(output["points"], torch.tensor(expected))


def test_fcos_boxes_surround_their_points_and_nothing_is_likely_at_first():
    output = make(FCOS)(image(FCOS))
    x, y = output["points"][:, 0], output["points"][:, 1]
    x1, y1, x2, y2 = output["boxes"].unbind(2)
    assert (x1 < x).all() and (x < x2).all() and (y1 < y).all() and (y < y2).all()
    assert output["logits"].sigmoid().mean().item() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(("stem_stride", "finest", "stride"), [(2, 1, 4), (1, 0, 1), (4, 0, 4)])
def test_heatmaps_are_stride_times_smaller(stem_stride, finest, stride):
    model = make(HeatmapNet, stem_stride=stem_stride, finest=finest)
    assert model.stride == stride
    assert model(image(HeatmapNet, 48, 40)).shape == (2, 6, 48 // stride, 40 // stride)


@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_gets_a_finite_gradient_once_training_has_begun(model):
    network = make(model)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):  # at first, blocks are identities and answers constants, so that some gradients are zero
        optimizer.zero_grad()
        generator = torch.Generator().manual_seed(1)
        parts = [part for part in tensors(network(image(model))) if part.requires_grad]
        sum((part * torch.randn(part.shape, generator=generator)).mean() for part in parts).backward()
        optimizer.step()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize("model", MODELS)
def test_residual_blocks_start_as_their_shortcuts(model):
    assert all(
        not block.norm.weight.any() for block in make(model).modules() if type(block).__name__ == "ResidualBlock"
    )


@pytest.mark.parametrize("model", MODELS)
def test_same_seed_gives_the_same_weights(model):
    first, second = make(model).state_dict(), make(model).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("model", MODELS)
def test_copies_and_pickles_answer_alike(model):
    network = make(model).eval()
    expected = tensors(network(image(model)))
    for other in (deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert all(torch.equal(*pair) for pair in zip(tensors(other(image(model))), expected, strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_group_normalisation_makes_samples_independent(model):
    network = make(model, norm="group")
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())
    both, alone = tensors(network(image(model)))[0], tensors(network(image(model)[:1]))[0]
    assert torch.allclose(both[:1], alone, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("field", ["in_channels", "num_classes", "num_keypoints"])
def test_counts_that_nobody_gives_are_named(model, field):
    if field in SMALL[model]:
        with pytest.raises(FieldError, match=f"^{field} must be given"):
            make(model, **{field: None})


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (ResNet, {"blocks": []}),
        (UNet, {"blocks": [1, 0]}),
        (FCOS, {"levels": 4}),
        (HeatmapNet, {"finest": 4}),
        (HeatmapNet, {"finest": -1}),
        (ResNet, {"dropout": 1.5}),
        (ResNet, {"norm": "layer"}),
        (UNet, {"stem_stride": 0}),
    ],
)
def test_impossible_values_are_refused(model, fields):
    with pytest.raises(FieldError, match=f"^{next(iter(fields))} must"):
        make(model, **fields)


@pytest.mark.parametrize("model", [ResNet, UNet, FCOS])
def test_a_bias_is_what_the_classes_start_with(model):
    classes = SMALL[model]["num_classes"]
    bias = [-3.0 + 0.5 * place for place in range(classes)]
    output = make(model, bias=bias).eval()(image(model))
    logits = output["logits"].transpose(1, 2) if isinstance(output, dict) else output
    found = logits.transpose(0, 1).flatten(1).mean(1)
    torch.testing.assert_close(found, torch.tensor(bias), atol=0.3, rtol=0)
    with pytest.raises(FieldError, match=f"bias must have {classes} values, one for each class, got 1"):
        make(model, bias=[0.0])
