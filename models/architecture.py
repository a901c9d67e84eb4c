"""What every architecture is, and all of them by name.

Every architecture takes a dict of `features` (B, T_in, F) float32 and `num_frames`
(B,) int32, and answers a dict:
  `clip_probs` (B, C)         which: y_hat;
  `segment_probs` (B, T, C)   when: X^a, 0 in padded segments;
  `attention` (B, T, C)       A, summing to 1 over a clip's valid segments;
  `attention_logits` (B, T, C)  where there is attention to train: X^b = sigmoid of it;
  `mask` (B, T) bool          True where a segment is valid;
and, where the system has them,
  `global_attention` (B, T)   Z_att (Xu et al. 2017);
  `localization` (B, T, C)    Z_loc, summing to 1 over classes (Xu et al. 2017), whose
                              `attention` sums to less than 1 where Z_loc of a class is
                              around 1e-9 or less throughout;
  `head_probs` (B, H, C)      what each of several heads says of the clip, whose mean
                              `clip_probs` is; L_pred is then the mean of theirs;
  `present_cost`, `absent_cost` (B, C)  what a class costs that is in the clip, and what
                              one costs that is not (Chou et al. 2018): a model that
                              answers them is trained by `losses.micro_loss` too.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tfweak.data.input_spec import InputSpec
from tfweak.errors import InputError
from tfweak.labels import SegmentGrid
from tfweak.learning.precision import POLICIES, resolve_precision
from tfweak.payload import Payload
from tfweak.registry import Registry
from tfweak.settings import REQUIRED, check, from_text, option
from tfweak.typing import StrPath

if TYPE_CHECKING:  # the models are listed without loading TensorFlow
    import keras


@dataclasses.dataclass(frozen=True)
class Architecture(abc.ABC):
    """A system with its settings, ready to be built.

    A new one is a frozen dataclass that derives from this; its fields are its settings,
    best made by `settings.option` with their bounds. What cannot be is an `InputError`
    of its `__post_init__`.

    Attributes:
      name: what `create` and `--model` take.
      earlier: settings that runs lack which were made before there was a choice, and
        what they were then.
      unseen_in_weights: settings that change what its layers compute and no weight's
        shape; a run's weights are taken over by none with others.
    """

    kind: ClassVar[str] = "model"
    name: ClassVar[str]
    earlier: ClassVar[Mapping[str, Any]] = {}
    unseen_in_weights: ClassVar[tuple[str, ...]] = ()

    num_classes: int = option(REQUIRED, "C", lower=1)

    def __post_init__(self) -> None:
        check(self)

    @property
    @abc.abstractmethod
    def class_layers(self) -> tuple[str, ...]:
        """The layers whose sigmoids are class probabilities, of segments or clips.

        They start at the classes' frequencies. The first one's are X^a.
        """

    @property
    @abc.abstractmethod
    def input(self) -> InputSpec:
        """What it reads."""

    @abc.abstractmethod
    def network(self) -> keras.Model:
        """The Keras model; the module's docstring says what it takes and answers.

        A padded clip must get the answer of the clip alone: hand the mask on, and set
        what is padded to zero before anything that mixes time.
        """

    @property
    @abc.abstractmethod
    def grid(self) -> SegmentGrid:
        """Where its segments lie in time, best from `networks.time_grid`."""

    def num_segments(self, num_rows: Any) -> Any:
        """Segments of so many rows of input, for ints and tensors; one a row here."""
        return num_rows

    @property
    def per_class_layers(self) -> tuple[str, ...]:
        """Other layers with an output for each class.

        They start anew where other layers are taken over from a run of other classes.
        """
        return ()

    @property
    def attention_is_trainable(self) -> bool:
        """Whether there is attention that a loss can supervise."""
        return False

    @property
    def has_background(self) -> bool:
        """Whether its localisation has a share for no class."""
        return False

    @property
    def vggish_layers(self) -> Mapping[str, str]:
        """Layers that can start as VGGish's convolutions: their names -> its names."""
        return {}

    @classmethod
    def settings_for(cls, payload: Payload) -> dict[str, Any]:
        """Settings that follow from the data; what a user sets comes before them."""
        del payload
        return {}

    def check_payload(self, payload: Payload, folder: StrPath) -> None:
        """Refuses data that this model cannot read.

        Raises:
          InputError: saying what differs.
        """
        self.input.check(payload, folder)

    def pretrain(self, network: keras.Model, batches: Iterable[Any], seed: int) -> None:
        """What a new run trains before it uses the labels; nothing for most.

        Args:
          network: with the statistics of its training data; weights are changed in
            place.
          batches: (x, y) of the training data, which can be gone through again.
          seed: the same one gives the same weights.
        """
        del network, batches, seed

    def build(self, precision: str = "float32") -> keras.Model:
        """The network, computing in a precision; see `precision.resolve_precision`.

        Raises:
          InputError: a network that does not read the input, or without a layer that
            the class declares.
        """
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(POLICIES[resolve_precision(precision)])
        try:
            network = self.network()
        finally:
            keras.config.set_dtype_policy(before)
        size = network.input["features"].shape[-1]
        if size != self.input.size:
            raise InputError(
                f"model {self.name}: its network reads {size} values a row, its input"
                f" has {self.input.size}"
            )
        layers = {layer.name for layer in network.layers}
        missing = {*self.class_layers, *self.per_class_layers} - layers
        if missing:
            raise InputError(
                f"model {self.name}: its network has no layer {sorted(missing)[0]!r}"
            )
        return network

    def to_dict(self) -> dict[str, Any]:
        """Name and settings as JSON types; `create(name, **config)` makes it again."""
        return {"name": self.name, "config": dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True)
class ScaledArchitecture(Architecture):
    """An architecture whose layers can be made narrower, for small machines."""

    width: float = option(
        1.0, "factor on the filters and units of all layers but the last", lower=0.001
    )


def scaled(filters: int, width: float) -> int:
    """A layer's filters or units at a width, 1 at least."""
    return max(1, round(filters * width))


ARCHITECTURES: Registry[type[Architecture]] = Registry(
    Architecture, "tfweak.models.architectures"
)


def complete(model: Mapping[str, Any]) -> dict[str, Any]:
    """What `to_dict` gave, with the settings that it lacks as an earlier version's.

    What is no such thing stays as it is.
    """
    name, config = model.get("name"), model.get("config")
    if name not in ARCHITECTURES.names() or not isinstance(config, Mapping):
        return dict(model)
    return {**model, "config": {**ARCHITECTURES.get(name).earlier, **config}}


def create(name: str, num_classes: int, **settings: Any) -> Architecture:
    """An architecture by name.

    Args:
      name: one of `ARCHITECTURES.names()`.
      num_classes: C.
      **settings: its fields; strings are converted to the field's type.

    Raises:
      InputError: an unknown name or setting, or a value that does not fit.
    """
    cls = ARCHITECTURES.get(name)
    return cls(num_classes=num_classes, **from_text(cls, settings, f"model {name}"))
