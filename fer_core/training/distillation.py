"""A network learns from the answers of another one, to the very pictures that it sees itself.

Source: Hinton, Vinyals & Dean 2015, arXiv:1503.02531; that both see the same random changes, for long:
Beyer et al. 2022, A good teacher is patient and consistent, arXiv:2106.05237. Runs in worker processes only.
"""

import keras
from keras import ops

from fer_core import labels
from fer_core.errors import BadInput
from fer_core.training.config import TrainingConfig
from fer_core.zoo import library


class BesideTeacher(keras.layers.Layer):
    """Passes a network's answer on, and adds `share` of its cross-entropy with the teacher's to the loss."""

    def __init__(self, teacher: keras.Model, share: float):
        super().__init__(dtype="float32")
        self.teacher, self.share = teacher, share
        teacher.trainable = False

    def call(self, answer, images):
        """(N, K) as it was given; images (N, H, W, C) 0..255."""
        # Said here, as a model that is trained tells all its layers that this is training.
        teachers = self.teacher(images, training=False)
        likelihood = ops.sum(teachers * ops.log(ops.maximum(answer, 1e-7)), axis=-1)
        self.add_loss(-self.share * ops.mean(likelihood))
        return answer


def answer(network: keras.Model, config: TrainingConfig) -> keras.KerasTensor:
    """The network's answer, beside that of the config's teacher while it learns.

    Raises:
        NotFound: there is no such model.
        BadInput: the teacher sees or answers something else than the network.
    """
    entry = library.find(str(config.teacher))
    card = entry.card
    if (
        card is None
        or card.labels.names != labels.get(config.label_set).names
        or card.input != config.input
        or card.input.landmarks
        or not (entry.folder / "model.keras").exists()
    ):
        raise BadInput(
            "A teacher is a trained network that is fed the same pictures as its pupil and answers the same "
            f"classes in the same order. Received: {config.teacher}. Choose another, or none."
        )
    teacher = keras.saving.load_model(entry.folder / "model.keras", compile=False, safe_mode=True)
    return BesideTeacher(teacher, config.teacher_share)(network.output, network.inputs[0])
