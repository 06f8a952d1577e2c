"""From a composed config to a policy and its job."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from dltools.cfgutils.build import build
from dltools.cfgutils.consume import Consumer
from dltools.distutils import choose_device, world_size
from dltools.handlers import Chain
from dltools.losses import LossSum
from dltools.metrics import MetricSet
from dltools.policies.base import Policy
from dltools.policies.folder import RunFolder
from dltools.policies.job import Job
from dltools.policies.randomness import seed_everything
from dltools.policies.statistics import statistics_of
from dltools.writers import Hub


def assemble(
    config: DictConfig, folder: RunFolder, overrides: list[str], resolved: dict[str, Any], in_sweep: bool = False
) -> tuple[Policy, Job]:
    """Build every part of a run, in the order in which one needs the other.

    Args:
        config: composed config, without the `hydra` node.
        folder: the run's own.
        overrides: what was typed, kept with the run.
        resolved: the config as plain values, kept with the run.
        in_sweep: other runs of its kind may share this node.

    Raises:
        ConfigError: something is missing, refused, or set and not consumed; the message names the key.
        DataError: the data is missing or unusable.
    """
    root = Consumer(config)
    seed_everything(root.take("seed"), root.take("deterministic"))
    device = choose_device(root.take("device"))
    data = build(root.take("data"), "data")
    policy = build(root.take("policy"), "policy")
    facts = policy.facts(data)
    augs = build(root.take("augs"), "augs", **facts)
    sampler = build(root.take("sampler"), "sampler")
    loader = build(root.take("loader"), "loader", shared=in_sweep or world_size() > 1)
    model = build(root.take("model"), "model", **facts).to(device)
    loss = LossSum(build(root.take("loss"), "loss", **facts), policy.balance).to(device)
    metrics = MetricSet(build(root.take("metric"), "metric", **facts)).to(device)
    param_groups = build(root.take("param_groups"), "param_groups")
    job = Job(
        folder=folder,
        device=device,
        data=data,
        augs=augs,
        sampler=sampler,
        classes_of=statistics_of(config).classes_of,
        loader=loader,
        model=model,
        loss=loss,
        metrics=metrics,
        objective=build(root.take("objective"), "objective"),
        optimizer=build(root.take("optim"), "optim", params=[*param_groups(model), *_learned_by(loss)]),
        schedule=build(root.take("scheduler"), "scheduler"),
        chain=Chain(build(root.take("handler"), "handler"), device, folder.path),
        hub=Hub(build(root.take("writer"), "writer")),
        visualizers=build(root.take("visualizer"), "visualizer"),
        name=root.take("name"),
        data_seed=root.take("data_seed"),
        resume=root.take("resume"),
        config=resolved,
        overrides=overrides,
    )
    for informative in ("imports", "tags", "hint"):
        root.take(informative)
    root.finish()
    return policy, job


def _learned_by(loss: LossSum) -> list[dict[str, Any]]:
    """Return the param group of what losses learn themselves, which does not decay; none where they learn nothing."""
    parameters = list(loss.named_parameters(prefix="loss"))
    return [{"name": "loss", "params": parameters, "weight_decay": 0.0}] if parameters else []
