"""One place for faults for all tests of this folder: a compiled library, a zygote, a world."""

from collections.abc import Iterator

import pytest
from injection.bench import Bench, bench
from injection.shim import compiled, compiler


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    if compiler() is None:
        pytest.skip("no C compiler here (cc, gcc): calls cannot be made to fail")
    folder = tmp_path_factory.mktemp("faults")
    with bench(compiled(folder), folder / "bench") as made:
        yield made
