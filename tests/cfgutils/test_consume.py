"""Values that nothing consumes."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from dltools.cfgutils import ConfigError
from dltools.cfgutils.consume import Consumer, drop_unchosen


def test_what_is_taken_is_returned_and_all_taken_is_fine() -> None:
    root = Consumer(OmegaConf.create({"seed": 3, "writer": {}, "resume": None, "unused": "???"}))
    assert root.take("seed") == 3
    assert root.take("resume") is None
    assert root.take("writer") == {}
    root.finish()


def test_a_key_that_nothing_consumes_is_an_error_with_the_nearest_that_something_does() -> None:
    root = Consumer(OmegaConf.create({"seed": 3, "sed": 0}))
    root.take("seed")
    with pytest.raises(ConfigError, match=r"sed is set and nothing consumes it. Did you mean 'seed'"):
        root.finish()


def test_a_missing_value_is_told_by_its_key() -> None:
    with pytest.raises(ConfigError, match=r"model is missing: .*model=\.\.\."):
        Consumer(OmegaConf.create({"model": "???"})).take("model")


LEFT_OVER = {"loss": {"dice": {"_target_": "x.Dice", "smooth": 1}, "focal": {"gamma": 3}}}


def test_a_presets_value_of_a_term_that_is_not_chosen_any_more_is_left_out_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = OmegaConf.create(LEFT_OVER)
    drop_unchosen(config, ["loss=dice"])
    assert list(config.loss) == ["dice"]
    assert "loss.focal is set by a preset, but loss=dice; left out." in caplog.text


def test_the_same_typed_by_the_user_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"loss\.focal is set and nothing consumes it.*loss=dice\+focal"):
        drop_unchosen(OmegaConf.create(LEFT_OVER), ["loss=dice", "loss.focal.gamma=3"])
