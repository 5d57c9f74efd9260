"""The errors that end the program with one sentence, each with its exit code.

WeighbridgeError  (1)     base of all
  InputError      (2)     a setting, path or file is wrong, and the user can correct it
  SetupError      (3)     the environment is wrong: an executable, a server, a library, a download
  InvalidRunError (4)     a measurement took place, and its result does not count
"""


class WeighbridgeError(Exception):
    """Base of all errors raised on purpose. The message says what is wrong, where, and what to do next."""

    exit_code = 1


class InputError(WeighbridgeError):
    """A setting, path or file of the user cannot be used."""

    exit_code = 2


class SetupError(WeighbridgeError):
    """The machine, an environment or a server is not ready for the task."""

    exit_code = 3


class InvalidRunError(WeighbridgeError):
    """The run took place, and its numbers must not be used."""

    exit_code = 4
