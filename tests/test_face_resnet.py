"""The face network: dlib's own descriptor comes out of its weights, and training can begin with them."""

import dlib
import numpy as np
import pytest
from skimage import data

from fer_core.errors import BadModel
from fer_core.zoo import pretrained, specs
from fer_core.zoo.networks import face_resnet

keras = pytest.importorskip("keras")

WEIGHTS = pretrained.source(specs.FACE_RESNET).path


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return data.lfw_subset()[:40, :, :, None].repeat(2, axis=1).repeat(2, axis=2).astype(np.float32) * 255


def embeddings(network, images: np.ndarray) -> np.ndarray:
    part = keras.Model(network.input, network.get_layer("embedding").output)
    return np.asarray(part(images, training=False))


def test_it_computes_what_dlib_computes(monkeypatch):
    # dlib's network whole: its side, its last block, and its metric, the last array of the file.
    monkeypatch.setattr(face_resnet, "SIDE", 150)
    monkeypatch.setattr(face_resnet, "LEVELS", (*face_resnet.LEVELS, (256, 1, True)))
    chip = data.astronaut()[20:170, 150:300].mean(axis=2).astype(np.uint8)
    network = face_resnet.build((150, 150, 1), 7)
    face_resnet.load_pretrained(network, WEIGHTS, chip[None, :, :, None].astype(np.float32))
    content = WEIGHTS.read_bytes()
    metric, _ = face_resnet._array(content, content.rindex(b"fc_2"), (256, 128), WEIGHTS)
    got = embeddings(network, chip[None, :, :, None].astype(np.float32)) @ metric.reshape(256, 128)
    dlibs = dlib.face_recognition_model_v1(str(WEIGHTS))
    expected = np.array(dlibs.compute_face_descriptor(np.stack([chip] * 3, axis=-1)))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(got[0], expected, atol=1e-4)


def test_its_features_are_the_same_whatever_faces_settle_it(faces):
    network = face_resnet.build((50, 50, 1), 7)
    face_resnet.load_pretrained(network, WEIGHTS, faces[:20])
    first = embeddings(network, faces)
    face_resnet.load_pretrained(network, WEIGHTS, faces[20:])
    np.testing.assert_allclose(embeddings(network, faces), first, atol=1e-3)
    assert first.std(axis=0).max() > 0.05
    # In training the batch's own statistics hold, which is why the faces matter: about the same comes out.
    part = keras.Model(network.input, network.get_layer("embedding").output)
    trained = np.asarray(part(faces[20:], training=True))
    assert np.corrcoef(trained.ravel(), first[20:].ravel())[0, 1] > 0.9


def test_another_file_is_refused(tmp_path, faces):
    (tmp_path / "other.dat").write_bytes(WEIGHTS.read_bytes()[:100_000])
    with pytest.raises(BadModel, match="other.dat"):
        face_resnet.load_pretrained(face_resnet.build((50, 50, 1), 7), tmp_path / "other.dat", faces)
