"""The built-in data sets: five real ones that scikit-learn carries, read without a network."""

from typing import TYPE_CHECKING, Any

from retrograd.data._wording import meant
from retrograd.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

BUILTIN: dict[str, str] = {
    "digits": "1797 handwritten digits, 8x8 pixels: which digit is it?",
    "iris": "150 iris flowers, 4 measures: which species?",
    "wine": "178 Italian wines, 13 chemical measures: which cultivar?",
    "breast_cancer": "569 tumours, 30 measures of cell nuclei: malignant or benign?",
    "diabetes": "442 patients, 10 measures: how far has the disease gone a year later?",
}
"""Name of each built-in set, with what it is about."""

TARGET = "target"
"""The name of the target column in every built-in set, as in scikit-learn."""


def load_builtin(name: str) -> "pd.DataFrame":
    """A built-in set as a table: float64 features in their original units, and the column `target`.

    Classes that have names (iris, wine, breast_cancer) are named in `target`; digits keep their integers.
    Every call yields the same table.

    Raises:
        DataError: there is no such set.
    """
    if name not in BUILTIN:
        raise DataError(f"there is no built-in data set {name!r}{meant(name, BUILTIN)} Built-in: {', '.join(BUILTIN)}")
    from sklearn import datasets

    options: dict[str, Any] = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(as_frame=True, **options)
    frame: pd.DataFrame = bunch.frame.copy()
    names = [str(label) for label in getattr(bunch, "target_names", [])]
    if name not in {"digits", "diabetes"}:
        frame[TARGET] = [names[code] for code in frame[TARGET]]
    return frame
