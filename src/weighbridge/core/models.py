"""The base of all pydantic models, whose validation errors are single sentences."""

import json
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema

from weighbridge.core.errors import InputError
from weighbridge.core.files import open_regular, stays_inside
from weighbridge.core.plain_data import UnreadableError, check_plain, check_yaml, parse_json, parse_yaml
from weighbridge.core.secrets import MASKED, is_secret, mask
from weighbridge.core.strict_numbers import with_strict_numbers
from weighbridge.core.yaml_place import Sources, place_of_value

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]


def without_nulls(value: object) -> object:
    """Return a mapping without the keys whose value is null: a file on top takes them out so."""
    if not isinstance(value, dict):
        return value
    return {key: each for key, each in value.items() if each is not None}


def _inside(path: str) -> str:
    if not stays_inside(path):
        raise ValueError("a path leads from its folder to a file inside it")
    return path


InsidePath = Annotated[str, AfterValidator(_inside)]

_LARGEST_BYTES = 64 << 20
_SHOWN_CHARACTERS = 300
_READ_CHARACTERS = 4000  # of a wrong value, for secrets in it


class Model(BaseModel):
    """Immutable data that refuses unknown keys: a misspelt key is an error, never a silent default.

    Numbers are finite, and neither true nor 2.0 is a whole number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema with strict numbers."""
        return with_strict_numbers(handler(source))

    @classmethod
    def parse(
        cls,
        data: object,
        origin: str,
        context: dict[str, Any] | None = None,
        sources: Sources | None = None,
    ) -> Self:
        """Validate plain data.

        Args:
            data: Dictionaries, lists and scalars.
            origin: Where the data come from, named in errors.
            context: Passed to validators.
            sources: What the data were merged from; errors say where in it, in place of `origin`.

        Raises:
            InputError: the message names the first wrong key, its value and what was expected.
        """
        try:
            return cls.model_validate(data, context=context)
        except ValidationError as error:
            keys = error.errors(include_url=False)[0]["loc"]
            place = place_of_value(sources or Sources(), keys)
            raise InputError(_sentence(error, place or origin)) from None

    @classmethod
    def parse_json(cls, text: str, origin: str) -> Self:
        """Validate JSON text; otherwise as `parse`."""
        return cls.parse(read_json(text, origin), origin)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate a YAML or JSON file.

        Raises:
            InputError: the file is missing, is not YAML or JSON, or holds a wrong value.
        """
        return cls.parse(read_data(path), str(path), sources=Sources((path,)))


class ForeignModel(Model):
    """Part of a file that another program wrote: keys that nobody reads here are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


def read_text(path: Path) -> str:
    """Read a text file of a user or of an earlier job.

    Raises:
        InputError: it cannot be read, is no ordinary file, is too large, or is not UTF-8 text.
    """
    try:
        with open_regular(path) as stream:
            content = stream.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:  # a path with a NUL character
        raise InputError(f"{str(path)!r}: cannot be read ({error}).") from None
    if len(content) > _LARGEST_BYTES:
        raise InputError(f"{path}: cannot be read (it is larger than {_LARGEST_BYTES >> 20} MiB).")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file.") from None


def read_data(path: Path) -> Any:
    """Read plain data from a YAML or JSON file.

    Raises:
        InputError: the file is missing, is neither YAML nor JSON, or holds what `plain_data` refuses.
    """
    text = read_text(path)
    # YAML 1.1 reads JSON too, but slowly, and 1e-07 as a string.
    return read_json(text, str(path)) if path.suffix == ".json" else read_yaml(text, str(path))


def read_json(text: str, origin: str) -> Any:
    """Read plain data from JSON text; `origin` is named in errors.

    Raises:
        InputError: the text is not JSON, or holds what `plain_data` refuses.
    """
    try:
        return parse_json(text)
    except UnreadableError as error:
        raise InputError(f"{origin}: cannot be used ({error}).") from None


def read_yaml(text: str, origin: str) -> Any:
    """Read plain data from YAML text; otherwise as `read_json`."""
    try:
        return parse_yaml(text)
    except UnreadableError as error:
        raise InputError(f"{origin}: cannot be used ({error}).") from None


def check_syntax(path: Path) -> None:
    """Check that a file is YAML, whatever it holds; otherwise as `read_data`."""
    try:
        check_yaml(read_text(path))
    except UnreadableError as error:
        raise InputError(f"{path}: cannot be used ({error}).") from None


def check_data(data: object, origin: str) -> None:
    """Check data that another program has read, such as Snakemake; otherwise as `read_json`."""
    try:
        check_plain(data)
    except UnreadableError as error:
        raise InputError(f"{origin}: cannot be used ({error}).") from None


def _sentence(error: ValidationError, origin: str) -> str:
    """Return the first validation error as a sentence: origin, key, value, what is expected."""
    first = error.errors(include_url=False)[0]
    # Of an alternative, pydantic names the function that checks it too.
    named = (str(part) for part in first["loc"] if not str(part).startswith("function-"))
    parts = [mask(part[:_SHOWN_CHARACTERS]) for part in named]
    key = ".".join(parts) or "the whole"
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{origin}: unknown key '{key}'{more}; check its spelling, or remove it."
    if first["type"] == "missing":
        return f"{origin}: '{key}' is missing{more}; add it."
    message = mask(_shortened(first["msg"].removeprefix("Value error, ")))
    value = json.dumps(first["input"], default=str)[:_READ_CHARACTERS]
    # A value may be a key that was put into the wrong place, or megabytes.
    value = MASKED if any(is_secret(part, value) for part in parts[-1:]) else mask(value)
    return f"{origin}: '{key}' is {_shortened(value)}{more}: {message[:1].lower()}{message[1:]}."


def _shortened(text: str) -> str:
    """Return a text on one line, and of a long one its beginning and its end, which says what to do."""
    line = " ".join(text.split("\n"))
    half = _SHOWN_CHARACTERS // 2
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:half]} ... {line[-half:]}"
