"""A network learns from the answers of another one, to the very pictures that it sees itself.

Cross-entropy is a straight line in its targets: to learn the answers beside the targets is to learn a blend
of both. So the teacher answers while a batch is made, on LiteRT and beside the training step.

Source: Hinton, Vinyals & Dean 2015, arXiv:1503.02531; that both see the same random changes, for long:
Beyer et al. 2022, A good teacher is patient and consistent, arXiv:2106.05237.
"""

import numpy as np

from fer_core import labels
from fer_core.errors import BadInput
from fer_core.inference.predictor import Predictor
from fer_core.training.config import TrainingConfig
from fer_core.zoo import library


class Teacher:
    """The model that a config names as its teacher."""

    def __init__(self, config: TrainingConfig):
        """Load it.

        Raises:
            NotFound: there is no such model.
            BadInput: it sees or answers something else than the network that is trained.
        """
        entry = library.find(str(config.teacher))
        card = entry.card
        if (
            card is None
            or card.labels.names != labels.get(config.label_set).names
            or card.input != config.input
            or card.input.landmarks
        ):
            raise BadInput(
                "A teacher is a trained network that is fed the same pictures as its pupil and answers the "
                f"same classes in the same order. Received: {config.teacher}. Choose another, or none."
            )
        self._predictor = Predictor.load(entry.folder)
        self._share = config.teacher_share

    def blend(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Targets that are the teacher's answers by its share.

        Args:
            images: (N, H, W, C) float32 0..255, as the pupil sees them.
            targets: (N, K) float32.
        """
        # One way only: a mirror image is another picture, which it is asked about another time.
        answers = self._predictor.one_way(np.rint(images).astype(np.uint8))
        return (1 - self._share) * targets + self._share * answers
