"""Parameters that a command takes as one value, unfolded into options of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from deepunlearn_cli.cli.parameter import option

if TYPE_CHECKING:
    from deepunlearn_cli.core.fields import Declared, Domain


class Bundle:
    """Base of classes whose fields are options (`Annotated[type, option(...)]`) that belong together.

    A field without a default is a required option. No dataclass: each costs every help a millisecond.
    """

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


@dataclass(frozen=True)
class Folded:
    """A parameter of a command's body that stands for several options.

    Attributes:
        name: the body's name for it.
        options: the parameters that it unfolds into.
        build: makes its value from theirs.
    """

    name: str
    options: list[inspect.Parameter]
    build: Callable[..., Any]

    def take(self, values: dict[str, Any]) -> Any:
        """Its value; what it is made of leaves `values`."""
        return self.build(**{one.name: values.pop(one.name) for one in self.options})


def unfolded(
    body: Callable[..., Any], declared: type[Declared] | None = None
) -> tuple[list[inspect.Parameter], list[Folded]]:
    """The parameters of a body but its first, bundles unfolded, and what was folded.

    Every field of `declared` that the body does not take itself becomes an option too, behind the others;
    the body gets them as the mapping `params`.
    """
    hints = get_type_hints(body, include_extras=True)
    taken = inspect.signature(body).parameters
    parameters: list[inspect.Parameter] = []
    folded: list[Folded] = []
    for one in list(taken.values())[1:]:
        kind = hints[one.name]
        if isinstance(kind, type) and issubclass(kind, Bundle):
            folded.append(Folded(one.name, _fields(kind), kind))
            parameters += folded[-1].options
        elif not (declared and one.name == "params"):
            parameters.append(parameter(one.name, kind, one.default))
    if declared:
        domains = {name: domain for name, domain in declared.domains().items() if name not in taken}
        folded.append(Folded("params", _hyperparameters(domains), dict))
        parameters += folded[-1].options
    return parameters, folded


def parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """A parameter as Typer reads it."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _fields(bundle: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(bundle, include_extras=True)
    return [
        parameter(name, kind, getattr(bundle, name, inspect.Parameter.empty)) for name, kind in hints.items()
    ]


def _hyperparameters(domains: Mapping[str, Domain]) -> list[inspect.Parameter]:
    return [_hyperparameter(name, domain) for name, domain in domains.items()]


def _hyperparameter(name: str, domain: Domain) -> inspect.Parameter:
    kind: Any = Literal[domain.choices] if domain.choices else domain.type
    described = option(f"--{name.replace('_', '-')}", help=f"{domain.help[0].upper()}{domain.help[1:]}.")
    return parameter(name, Annotated[kind, described], domain.default)
