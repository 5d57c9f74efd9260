"""Change lm-evaluation-harness and its libraries in this process: offline, one bar less, templates made once.

They read variables at their first import only; where a command has fetched the questions, tqdm and the hub's
library were imported then.
"""

from functools import cache, partial

from huggingface_hub import constants
from lm_eval import utils
from lm_eval.api import task

constants.HF_HUB_OFFLINE = True
# The bar over the questions of a subject.
task.tqdm = partial(task.tqdm, disable=True)
# The harness compiles the template of a question for each question anew, and for each solved one before it.
utils.env.from_string = cache(utils.env.from_string)
