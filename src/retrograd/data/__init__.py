"""From a file, or a built-in set's name, to arrays that a model can learn from, and back from its outputs to labels.

>>> from retrograd import data
>>> table = data.load("iris")
>>> ready = data.prepare(table, seed=0)
>>> ready.task.reason
"Task: classification, because target 'target' holds text, 3 different values."
>>> ready.x.shape, ready.x[ready.rows.train].shape
((150, 4), (105, 4))
>>> ready.preprocessor.decode_target(ready.y[:2]).tolist()
['setosa', 'setosa']

Importing this loads NumPy only; pandas and scikit-learn are loaded by what reads tables.
"""

from retrograd.data.builtin import BUILTIN as BUILTIN
from retrograd.data.prepared import Prepared as Prepared
from retrograd.data.prepared import prepare as prepare
from retrograd.data.preprocessor import Preprocessor as Preprocessor
from retrograd.data.report import ColumnReport as ColumnReport
from retrograd.data.scaling import Scaling as Scaling
from retrograd.data.scaling import one_hot as one_hot
from retrograd.data.scaling import rescale as rescale
from retrograd.data.scaling import scale_by_maximum as scale_by_maximum
from retrograd.data.scaling import standardize as standardize
from retrograd.data.splitting import Split as Split
from retrograd.data.splitting import split as split
from retrograd.data.table import Table as Table
from retrograd.data.table import load as load
from retrograd.data.task import Task as Task
from retrograd.data.task import infer_task as infer_task

__all__ = [
    "BUILTIN",
    "Table",
    "load",
    "Task",
    "infer_task",
    "Split",
    "split",
    "Preprocessor",
    "Prepared",
    "prepare",
    "ColumnReport",
    "Scaling",
    "standardize",
    "rescale",
    "scale_by_maximum",
    "one_hot",
]
