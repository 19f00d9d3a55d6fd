"""Files that commands write: refused before the work that would go into them."""

import os
from pathlib import Path

from retrograd.errors import DataError


def check_file(option: str, name: str, source: str, what: str = "data") -> Path:
    """Refuse to write over what is read, or where nothing can be written.

    Args:
        option: which names the file, for messages.
        name: the file.
        source: what is read; it need not be a file.
        what: that is, for messages.

    Raises:
        DataError: the file cannot be written there; one line.
    """
    path, said = Path(name), f"{option} {name!r}"
    try:
        folder, above = path.is_dir(), path.absolute().parent.is_dir()
        same = path.exists() and Path(source).exists() and path.samefile(source)
    except (OSError, ValueError) as error:  # of the path alone: our own errors are ValueErrors too
        raise DataError(f"{said} cannot be a path: {error}") from error
    if folder:
        raise DataError(f"{said} is a folder: give the name of a file")
    if not above:
        raise DataError(f"{said}: there is no folder {str(path.parent)!r}")
    if same:
        raise DataError(f"{said} is the {what} itself: choose another name")
    if not os.access(path.absolute().parent, os.W_OK):
        raise DataError(f"{said} cannot be written: there is no permission to write in {str(path.absolute().parent)!r}")
    return path


def check_report(name: str, source: str, folder: str | None = None) -> Path:
    """As `check_file`, for a report; and matplotlib has to be there.

    Args:
        name: the file.
        source: the data.
        folder: a model's that is going to be written as well.

    Raises:
        DataError: the file cannot be written there, or is not called `.html`.
        RetrogradError: matplotlib is not installed.
    """
    from retrograd.plots.plot import figure_class

    figure_class()
    path = check_file("--report", name, source)
    if path.suffix.lower() not in {".html", ".htm"}:
        raise DataError(f"--report {name!r} is going to be a web page: give a name that ends in .html")
    if folder is not None:
        page, model = path.absolute(), Path(folder).absolute()
        if page == model or page in model.parents or model in page.parents:
            raise DataError(
                f"--report {name!r} and the model's folder {folder!r} are in each other's way: choose others"
            )
    return path
