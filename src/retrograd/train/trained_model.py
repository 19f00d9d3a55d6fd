"""`TrainedModel`: a network with everything that stands between a table and its labels, and its folder on disk.

A model folder has two files: `model.safetensors`, the weights, and `model.json`, everything else. There is no pickle in
it; loading one runs no code that the folder brings.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.data import Preprocessor
from retrograd.data._wording import nearest
from retrograd.errors import ModelError
from retrograd.train.architecture import build, describe, widths
from retrograd.train.door import dtype_of_model
from retrograd.train.files import is_taken, new_folder
from retrograd.train.forward import outputs_of
from retrograd.train.history import History
from retrograd.train.metrics import predicted_classes
from retrograd.train.threads import threads_for

if TYPE_CHECKING:
    import pandas as pd

    from retrograd.nn import Sequential

FORMAT, VERSION = "retrograd.model", 1
DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network, the preprocessor that feeds it, and how it came about.

    Attributes:
        network: a Sequential in evaluation mode.
        preprocessor: makes inputs of a table, and labels or amounts of outputs.
        training: a record of the run (data, seed, settings, test results), for people.
        history: the run's losses and metrics, epoch by epoch.
    """

    network: "Sequential"
    preprocessor: Preprocessor
    training: Mapping[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """The network's outputs for what `Preprocessor.transform` gives; see `Trainer.predict`."""
        with threads_for(self.widths):  # as in training: with other threads BLAS rounds otherwise
            return outputs_of(self.network, inputs.astype(dtype_of_model(self.network)))

    def predict(self, features: "pd.DataFrame") -> np.ndarray:
        """Labels in their own type, or amounts in their own unit, one for each row of a table."""
        return self.decoded(self.outputs(self.preprocessor.transform(features)))

    def probabilities(self, features: "pd.DataFrame") -> np.ndarray:
        """The probability of each class of `preprocessor.classes` for each row of a table."""
        if self.preprocessor.task != "classification":
            raise ModelError("a regression model gives amounts, not probabilities")
        return shares(self.outputs(self.preprocessor.transform(features)))

    def decoded(self, outputs: np.ndarray) -> np.ndarray:
        """Labels or amounts from outputs."""
        chosen = predicted_classes(outputs) if self.preprocessor.task == "classification" else outputs[:, 0]
        return self.preprocessor.decode_target(chosen)

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the inputs, the hidden layers and the outputs."""
        linear = [record for record in describe(self.network) if record["layer"] == "Linear"]
        return (len(self.preprocessor.input_names), *(record["out_features"] for record in linear))

    # The folder -------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, replace: bool = False) -> None:
        """Write the model's folder: it is there whole afterwards, or as it was before.

        Args:
            folder: its name.
            replace: exchange a model folder of that name for the new one. Anything else is never replaced.

        Raises:
            ModelError: there is something of that name already; nothing is changed.
        """
        from safetensors.numpy import save

        path = Path(folder)
        refuse_to_replace(path, replace=replace)
        weights = save(self.network.state_dict())
        description = json.dumps(self._description(hashlib.sha256(weights).hexdigest()), indent=2, allow_nan=False)
        try:
            with new_folder(path, replace=replace) as temporary:
                (temporary / WEIGHTS).write_bytes(weights)
                (temporary / DESCRIPTION).write_text(description + "\n", encoding="utf-8")
        except FileExistsError as error:
            raise ModelError(f"{str(path)!r} is there already: choose another name") from error

    def _description(self, digest: str) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "layers": describe(self.network),
            "weights_sha256": digest,
            "preprocessor": self.preprocessor.to_json(),
            "training": dict(self.training),
            "history": self.history.to_json(),
        }

    @classmethod
    def load(cls, folder: str | Path) -> "TrainedModel":
        """Read a model's folder.

        Raises:
            ModelError: there is none, or it is damaged; one line.
        """
        path = Path(folder)
        description = _read_description(path)
        weights = _read_weights(path, description.get("weights_sha256"))
        preprocessor = Preprocessor.from_json(description.get("preprocessor"))
        records = description.get("layers")
        network = build(records, weights)
        ends = widths(records)  # type: ignore[arg-type] # build has checked them
        wanted = len(preprocessor.input_names), len(preprocessor.classes) or 1
        if ends != wanted:
            raise ModelError(f"{str(path)!r} is damaged: the network is {ends}, the preprocessor wants {wanted}")
        training = description.get("training")
        if not isinstance(training, dict):
            raise ModelError(f"{str(path / DESCRIPTION)!r} is damaged: its record of the training is gone")
        return cls(network, preprocessor, training, History.from_json(description.get("history")))


def shares(outputs: np.ndarray) -> np.ndarray:
    """The softmax of each row of scores, in their dtype."""
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def digest(array: np.ndarray) -> str:
    """A name for an array: the same dtype, shape and bits, the same name."""
    hashed = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
    hashed.update(np.ascontiguousarray(array).data)
    return hashed.hexdigest()


def is_model_folder(path: Path) -> bool:
    """Whether a folder holds a model's files and nothing else."""
    if path.is_symlink() or not path.is_dir():
        return False
    return {entry.name for entry in path.iterdir()} == {DESCRIPTION, WEIGHTS}


def refuse_to_replace(path: Path, *, replace: bool) -> None:
    """Raise if a model cannot be written there.

    Raises:
        ModelError: something is there that is no model folder, or `replace` is not set.
    """
    if not is_taken(path):
        return
    if not is_model_folder(path):
        raise ModelError(f"{str(path)!r} is there and is no model folder: choose another name; it is left as it is")
    if not replace:
        raise ModelError(f"{str(path)!r} holds a model already: choose another name, or replace it with --force")


def _read_description(path: Path) -> dict[str, Any]:
    """The JSON of a folder, its format checked."""
    file = path / DESCRIPTION
    if not path.exists():
        beside = path.parent.glob(f"*/{DESCRIPTION}") if path.parent.is_dir() else ()
        near = nearest(path.name, [found.parent.name for found in beside])
        hint = f"; did you mean {str(path.parent / near)!r}?" if near else ""
        raise ModelError(f"there is no model folder {str(path)!r}{hint}")
    if not file.exists():
        raise ModelError(f"{str(path)!r} is no model folder: it has no {DESCRIPTION}")
    try:
        found = json.loads(file.read_bytes(), parse_constant=_no_constant)
    except OSError as error:
        raise ModelError(f"{str(file)!r} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{str(file)!r} is damaged: it is no JSON") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ModelError(f"{str(file)!r} describes no model: its format is not {FORMAT!r}")
    if found.get("version") != VERSION:
        raise ModelError(f"{str(file)!r} is of version {str(found.get('version'))[:20]}; version {VERSION} can be read")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _read_weights(path: Path, wanted: object) -> dict[str, np.ndarray]:
    """The weights of a folder, if they are those that the description names."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = path / WEIGHTS
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{str(file)!r} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != wanted:
        raise ModelError(f"{str(file)!r} is damaged, or of another model: its SHA-256 is not the one in {DESCRIPTION}")
    try:
        return load(content)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{str(file)!r} is damaged, or no safetensors file") from error
