"""Change lm-evaluation-harness and its libraries in this process: offline, and one bar less.

They read variables at their first import only; where a command has fetched the questions, tqdm and the hub's
library were imported then.
"""

from functools import partial

from huggingface_hub import constants
from lm_eval.api import task

constants.HF_HUB_OFFLINE = True
# The bar over the questions of a subject.
task.tqdm = partial(task.tqdm, disable=True)
