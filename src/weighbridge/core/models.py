"""The base of all pydantic models, whose validation errors are single sentences."""

import json
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from weighbridge.core.errors import InputError

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Model(BaseModel):
    """Immutable data that refuses unknown keys: a misspelt key is an error, never a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def parse(cls, data: object, origin: str, context: dict[str, Any] | None = None) -> Self:
        """Validate plain data.

        Args:
            data: Dictionaries, lists and scalars.
            origin: Where the data come from, named in errors.
            context: Passed to validators.

        Raises:
            InputError: the message names the first wrong key, its value and what was expected.
        """
        try:
            return cls.model_validate(data, context=context)
        except ValidationError as error:
            raise InputError(_sentence(error, origin)) from None

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
        return cls.parse(read_data(path), str(path))


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        InputError: the file cannot be read, or is not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file.") from None


def read_data(path: Path) -> Any:
    """Read plain data from a YAML or JSON file.

    Raises:
        InputError: the file is missing, or is neither YAML nor JSON.
    """
    text = read_text(path)
    try:
        # YAML 1.1 reads JSON too, but slowly, and 1e-07 as a string.
        return read_json(text, str(path)) if path.suffix == ".json" else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({str(error).splitlines()[0]}).") from None


def read_json(text: str, origin: str) -> Any:
    """Read plain data from JSON text; `origin` is named in errors.

    Raises:
        InputError: the text is not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{origin}: not JSON (line {error.lineno}: {error.msg}).") from None
    except (ValueError, RecursionError) as error:
        # A number with more digits than Python reads, or brackets in thousands of brackets.
        raise InputError(f"{origin}: JSON that cannot be read ({error}).") from None


def _sentence(error: ValidationError, origin: str) -> str:
    """Return the first validation error as a sentence: origin, key, value, what is expected."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "the whole"
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{origin}: unknown key '{key}'{more}; check its spelling, or remove it."
    if first["type"] == "missing":
        return f"{origin}: '{key}' is missing{more}; add it."
    value = json.dumps(first["input"], default=str)
    message = first["msg"].removeprefix("Value error, ")
    return f"{origin}: '{key}' is {value}{more}: {message[:1].lower()}{message[1:]}."
