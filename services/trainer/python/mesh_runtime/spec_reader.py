"""Reads typed fields out of parsed JSON and collects every problem instead of stopping at the first."""

from __future__ import annotations

import difflib
import math
import re
from typing import Any
from urllib.parse import unquote, urlparse

_MISSING: Any = object()
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class SpecReader:
    """A field that is absent or null takes its default, and is a problem when it has none. After a problem a stand-in value is returned;
    it never leaves `parse_spec`, which raises."""

    def __init__(self, document: dict[str, Any], path: str = "", problems: list[tuple[str, str]] | None = None) -> None:
        self._document = document
        self._path = path
        self._seen: set[str] = set()
        self.problems: list[tuple[str, str]] = [] if problems is None else problems

    def report(self, name: str, problem: str) -> None:
        self.problems.append((self._path + name, problem))

    def has(self, name: str) -> bool:
        self._seen.add(name)
        return self._document.get(name) is not None

    def refuse_unknown(self) -> None:
        for name in self._document:
            if name in self._seen:
                continue
            near = difflib.get_close_matches(name, self._seen, n=1)
            self.report(name, f"unknown field{f'; did you mean {near[0]}' if near else ''}")

    def section(self, name: str) -> SpecReader:
        return SpecReader(self.mapping(name), f"{self._path}{name}.", self.problems)

    def mapping(self, name: str) -> dict[str, Any]:
        return self._typed(name, dict, "an object", {}, {})

    def text(self, name: str, default: Any = _MISSING) -> str:
        value = self._typed(name, str, "a string", default, "")
        if value == "" and default is _MISSING and self.has(name):
            self.report(name, "is empty")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: Any = _MISSING) -> str:
        value = self._typed(name, str, f"one of {', '.join(allowed)}", default, allowed[0])
        if value not in allowed:
            self.report(name, f"{value!r} is not one of {', '.join(allowed)}")
            return allowed[0]
        return value

    def choices(self, name: str, allowed: tuple[str, ...]) -> list[str]:
        values = self._typed(name, list, "a list", [], [])
        for value in values:
            if value not in allowed:
                self.report(name, f"{value!r} is not one of {', '.join(allowed)}")
        return [value for value in values if value in allowed]

    def integer(self, name: str, minimum: int, default: Any = _MISSING) -> int:
        value = self._get(name, default)
        if value is _MISSING:
            return minimum
        if isinstance(value, bool) or not isinstance(value, int):
            self.report(name, f"expected an integer, found {value!r}")
            return minimum
        if value < minimum:
            self.report(name, f"{value} is less than {minimum}")
        return value

    def number(self, name: str, minimum: float, default: Any = _MISSING) -> float:
        value = self._get(name, default)
        if value is _MISSING:
            return minimum
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            self.report(name, f"expected a number, found {value!r}")
            return minimum
        if self.has(name) and value < minimum:
            self.report(name, f"{value} is less than {minimum}")
        return float(value)

    def sha256(self, name: str, default: Any = _MISSING) -> str:
        value = self.text(name, default)
        if value and not _SHA256.match(value):
            self.report(name, "expected 64 hexadecimal digits in lower case")
        return value

    def file_path(self, name: str) -> str:
        """A path, or a file: URI."""
        value = self.text(name)
        parsed = urlparse(value)
        if parsed.scheme in ("", "file"):
            return unquote(parsed.path) if parsed.scheme == "file" else value
        self.report(name, f"scheme {parsed.scheme!r} is not readable here; expected a path or file:")
        return value

    def names(self, name: str) -> list[str]:
        values = self._typed(name, list, "a list of names", _MISSING, [])
        if values == [] and self.has(name):
            self.report(name, "is empty")
        if any(not isinstance(value, str) or value == "" for value in values):
            self.report(name, "expected names (strings, not empty)")
            return []
        repeated = sorted({value for value in values if values.count(value) > 1})
        if repeated:
            self.report(name, f"repeats {', '.join(repeated)}")
        return values

    def search_space(self, name: str) -> dict[str, dict[str, Any]]:
        space = self.mapping(name)
        if space == {}:
            self.report(name, "missing or empty; nothing to search")
        for key, dimension in space.items():
            problem = dimension_problem(dimension)
            if problem is not None:
                self.report(f"{name}.{key}", problem)
        return space

    def _typed(self, name: str, kind: type, expected: str, default: Any, stand_in: Any) -> Any:
        value = self._get(name, default)
        if value is _MISSING:
            return stand_in
        if not isinstance(value, kind):
            self.report(name, f"expected {expected}, found {value!r}")
            return stand_in
        return value

    def _get(self, name: str, default: Any) -> Any:
        if self.has(name):
            return self._document[name]
        if default is _MISSING:
            self.report(name, "missing")
        return default


def dimension_problem(dimension: Any) -> str | None:
    """A dimension is {int: [low, high]}, {float: [low, high]}, either with log: true, or {choice: [value, ...]}; None when it is right."""
    expected = "expected {int: [low, high]}, {float: [low, high]} or {choice: [value, ...]}"
    if not isinstance(dimension, dict) or len(dimension.keys() & {"int", "float", "choice"}) != 1:
        return expected
    if dimension.keys() - {"int", "float", "choice", "log"} or not isinstance(dimension.get("log", False), bool):
        return expected
    if "choice" in dimension:
        values = dimension["choice"]
        return None if isinstance(values, list) and values and "log" not in dimension else expected
    kind, bounds = ("int", dimension["int"]) if "int" in dimension else ("float", dimension["float"])
    types = (int,) if kind == "int" else (int, float)
    if not isinstance(bounds, list) or len(bounds) != 2 or any(isinstance(b, bool) or not isinstance(b, types) for b in bounds):
        return expected
    if bounds[0] > bounds[1]:
        return f"low {bounds[0]} is greater than high {bounds[1]}"
    return "log: true needs low > 0" if dimension.get("log") and bounds[0] <= 0 else None
