"""Which option an argument sets, and which variable a server sees, in every spelling that is accepted.

Source of options: vLLM 0.12, `FlexibleArgumentParser` in vllm/utils/argparse_utils.py, and Python's argparse
below it and below SGLang: an option may be abbreviated, an underscore before the first dot is a dash,
`--a.b.c=1` and `--a.b+=1` set keys of the option's JSON value, and the value of a one-letter option may
follow it directly. Source of variables: "Environment and Metadata" of Apptainer's user guide.
"""

import re
from collections.abc import Iterable

_FOR_CONTAINER = re.compile("^(APPTAINER|SINGULARITY)ENV_")


def option_set_by(argument: str, options: Iterable[str]) -> str | None:
    """Return the option that an argument sets, if it is one of some options.

    Args:
        argument: One argument, such as `--mm_processor_kwargs.max_pixels=1000`.
        options: Full names; `NAME=VALUE` is the option with that value only, in capitals or not.

    Returns:
        The entry of `options`: the name that is written out, or else the first that the argument may
        abbreviate; None where the argument sets another option.
    """
    found = [option for option in options if _may_set(argument, option)]
    written_out = [option for option in found if option.partition("=")[0] == _name(argument)]
    return next(iter(written_out or found), None)


def variable_in_server(name: str) -> str:
    """Return a variable's name in the server; in a container, APPTAINERENV_NAME becomes NAME."""
    return _FOR_CONTAINER.sub("", name)


def _name(argument: str) -> str:
    name = argument.partition("=")[0].partition(".")[0].rstrip("+")
    return name.replace("_", "-") if name.startswith("--") else name


def _may_set(argument: str, option: str) -> bool:
    name, wanted = _name(argument), option.partition("=")
    if wanted[1] and argument.partition("=")[2].lower() != wanted[2].lower():
        return False
    one_letter = len(wanted[0]) == 2 and not name.startswith("--")
    return wanted[0].startswith(name) or (one_letter and name.startswith(wanted[0]))
