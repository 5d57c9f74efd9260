"""The errors a person can meet, and the exit code each one ends the program with.

WeighbridgeError          something went wrong that a sentence can explain
  InputError      (2)     the input is at fault: a setting, a path, a file that someone can correct
  SetupError      (3)     the surroundings are at fault: an executable, a server, a library, a download
  InvalidRunError (4)     a measurement took place and does not count
"""


class WeighbridgeError(Exception):
    """Base of all errors raised on purpose. Its message says what, where, and what to do next."""

    exit_code = 1


class InputError(WeighbridgeError):
    """A setting or file given by the user cannot be used."""

    exit_code = 2


class SetupError(WeighbridgeError):
    """The machine, an environment or a server is not ready for what was asked."""

    exit_code = 3


class InvalidRunError(WeighbridgeError):
    """The run happened, and its numbers may not be used."""

    exit_code = 4
