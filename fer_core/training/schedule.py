"""The learning rate at any moment of a run, and the stretches that a run is made of."""

import math

from fer_core.training.config import TrainingConfig


def frozen(config: TrainingConfig, epoch: float) -> bool:
    """Whether at that moment the features stay as they are and the answer alone is learned."""
    return epoch < config.frozen_epochs


def rate(config: TrainingConfig, epoch: float, drops: int = 0) -> float:
    """The learning rate.

    Args:
        epoch: epochs since the start of the run, with the part of the one at work.
        drops: how often a plateau has lowered it.
    """
    start, end = _stretch(config, epoch)
    peak = (
        config.fine_tune_rate
        if config.frozen_epochs and epoch >= config.frozen_epochs
        else config.learning_rate
    )
    warmup = min(config.warmup_epochs, (end - start) / 2)
    since = epoch - start
    if since < warmup:
        return peak * max(since / warmup, 1e-3)
    if config.schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (since - warmup) / (end - start - warmup))))
    if config.schedule == "step":
        return peak * config.factor ** int(since // config.every)
    if config.schedule == "plateau":
        return peak * config.factor**drops
    return peak


def _stretch(config: TrainingConfig, epoch: float) -> tuple[int, int]:
    """First and last moment of the schedule at work, in epochs.

    The frozen epochs have one of their own. More epochs for a finished run go on as if they had been
    asked for from the start: the rate returns to where a longer schedule would be.
    """
    if frozen(config, epoch):
        return 0, min(config.frozen_epochs, config.epochs)
    ends = [end for end in (*config.continued_at, config.epochs) if end > epoch]
    return min(config.frozen_epochs, config.epochs), ends[0] if ends else config.epochs
