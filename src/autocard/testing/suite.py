"""What all conformance suites have in common: they run where they are subclassed, and say what is exempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class Suite:
    """Tests that run in a subclass whose name begins with `Test`."""

    __test__: ClassVar[bool] = False
    exempt: ClassVar[Mapping[str, str]] = {}
    """Names of tests that cannot hold here, each with its reason."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # True would have pytest collect a class of any name, helpers between base and test too.
        cls.__test__ = cls.__name__.startswith("Test")
        for name, reason in cls.exempt.items():
            if not name.startswith("test_") or not hasattr(cls, name) or not reason.strip():
                raise TypeError(f"{cls.__name__}.exempt: {name!r} needs to be a test with a reason")
