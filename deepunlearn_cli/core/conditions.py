"""Conditions on runs, such as `lr>0.05`: one parser for every command that takes `--where`.

Nothing is evaluated: a name, a comparison and a value of the type that the name is declared with.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deepunlearn_cli.core.errors import Failure, UsageFailure, unknown
from deepunlearn_cli.core.fields import Domain, Value

FORM = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(==|!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
EQUAL: dict[str, Callable[[Any, Any], bool]] = {"=": operator.eq, "==": operator.eq, "!=": operator.ne}
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
JOINED = re.compile(r"\b(and|or)\b|&&|\|\||,|;", re.IGNORECASE)
EXAMPLE = "--where 'lr>0.05', say"


@dataclass(frozen=True)
class Condition:
    """A name, one of `=`, `==`, `!=`, `<`, `<=`, `>`, `>=`, and a value as text; `text` is all of it."""

    text: str
    name: str
    operator: str
    value: str

    def typed(self, domain: Domain) -> Value:
        """The value as a field of this domain takes it; outside its range is fine for a comparison.

        Raises:
            UsageFailure: of another type, none of the choices, or an order where there is none.
        """
        if domain.type in (bool, str) and self.operator in ORDER:
            raise self._refused(f"{self.name} has no order", f"--where '{self.name}=...' or '!='")
        value = self._read(domain)
        if domain.choices and self.operator in EQUAL and value not in domain.choices:
            near = unknown(self.name, self.value, [str(one) for one in domain.choices], domain.describe())
            raise self._refused(f"{self.name} is {domain.describe()}", near.hint)
        return value

    def holds(self, known: object, domain: Domain) -> bool:
        """Whether it is true of a known value of a field of this domain."""
        try:
            wanted = self.typed(domain)
        except UsageFailure:
            return False
        return known is not None and (EQUAL | ORDER)[self.operator](known, wanted)

    def check(self, domains: Sequence[Domain]) -> None:
        """Refuse a value that no field of this name could have.

        Raises:
            UsageFailure: what the first of them says of it.
        """
        refused: list[UsageFailure] = []
        for domain in domains:
            try:
                self.typed(domain)
            except UsageFailure as failure:
                refused.append(failure)
        if len(refused) == len(domains):
            raise refused[0]

    def _read(self, domain: Domain) -> Value:
        if domain.type is bool:
            if self.value.lower() not in ("true", "false"):
                raise self._refused(f"{self.name} is true or false")
            return self.value.lower() == "true"
        if domain.type is str:
            return self.value
        try:
            number = float(self.value)
        except ValueError:
            raise self._refused(f"{self.value!r} is not a number") from None
        if not math.isfinite(number):
            raise self._refused(f"{self.value} is not a finite number")
        if domain.type is int and number != int(number):
            raise self._refused(f"{self.name} is a whole number")
        return number

    def _refused(self, why: str, hint: str = "") -> UsageFailure:
        both = f"for both of two conditions, give --where twice: {_twice(self.text)}"
        hint = both if JOINED.search(self.value) else hint
        return UsageFailure(f"--where {self.text!r}: {why}", hint or EXAMPLE)


def read_condition(text: str) -> Condition:
    """`lr>0.05` taken apart.

    Raises:
        UsageFailure: it is of another form.
    """
    match = FORM.fullmatch(text)
    if not match or not match[3]:
        raise _formless(text)
    value = match[3]
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return Condition(text.strip(), match[1].replace("-", "_"), match[2], value)


def _formless(text: str) -> Failure:
    return UsageFailure(
        f"--where {text!r} is no NAME, comparison and VALUE", f"{EXAMPLE}; comparisons: = != < <= > >="
    )


def _twice(text: str) -> str:
    first, _, rest = JOINED.sub("\0", text).partition("\0")
    return f"--where '{first.strip()}' --where '{rest.strip()}'"
