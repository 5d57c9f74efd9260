"""The errors that end the program with one sentence, each with its exit code.

WeighbridgeError  (1)     base of all
  InputError      (2)     a setting, path or file is wrong, and the user can correct it
  SetupError      (3)     the environment is wrong: an executable, a server, a library, a download
  InvalidRunError (4)     a measurement took place, and its result does not count
"""

import errno
import os


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


# Remedies for system errors that no command has handled itself.
_REMEDIES = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there, or ask for a larger quota",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.EACCES: "give permission, or use another folder",
    errno.EPERM: "give permission, or use another folder",
    errno.EROFS: "use a folder that can be written",
    errno.EIO: "check the disk",
    errno.ESTALE: "check the network file system",
    errno.ENOTDIR: "use a path whose parents are folders",
    errno.EISDIR: "use a path that is not a folder",
    errno.EEXIST: "use another path",
    errno.ENOENT: "make it, or correct the path",
    errno.ENOTEMPTY: "use another folder",
    errno.ENAMETOOLONG: "use a shorter path",
    errno.ELOOP: "remove the link that leads to itself",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs on this machine",
    errno.EAGAIN: "raise the limit of processes (ulimit -u), or end other programs",
    errno.ENOMEM: "give the job more memory",
}


def machine_trouble(error: BaseException) -> str | None:
    """Return the sentence for an error of a disk, of memory, or of a limit of the system; None for others."""
    if isinstance(error, MemoryError):
        return "there is not enough memory; give the job more memory, or end other programs."
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return f"the system refuses another thread; {_REMEDIES[errno.EAGAIN]}."
    if not isinstance(error, OSError) or error.errno not in _REMEDIES:
        return None
    # Of a file that takes another's place, the place is what a person knows.
    where = error.filename if error.filename2 is None else error.filename2
    what = os.strerror(error.errno)
    sentence = f"{os.fsdecode(where)}: {what}" if where is not None else f"the system refuses: {what}"
    return f"{sentence}; {_REMEDIES[error.errno]}."
