"""scikit-learn writes into the environment when it is first imported: do that before any test is watched."""

import sklearn  # noqa: F401
