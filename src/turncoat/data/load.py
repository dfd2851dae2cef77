"""Data sets by name, for the command line and study files; in Python call the readers themselves."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from turncoat.core.errors import UserError
from turncoat.tasks.samples import Samples


@dataclass(frozen=True)
class Reader:
    """A reader known by its module (under turncoat.data) and function, imported when it is first needed."""

    module: str
    function: str

    def resolve(self) -> Callable[..., Samples]:
        """The function itself."""
        module = importlib.import_module(f"turncoat.data.{self.module}")
        return cast("Callable[..., Samples]", getattr(module, self.function))

    def __call__(self, *arguments: object, **options: object) -> Samples:
        """The samples that the function returns."""
        return self.resolve()(*arguments, **options)


DATASETS: dict[str, Callable[..., Samples]] = {
    "street_classification": Reader("street.sets", "classification"),
    "street_attributes": Reader("street.sets", "attributes"),
    "street_retrieval": Reader("street.sets", "retrieval"),
    "street_verification": Reader("street.sets", "verification"),
    "cifar10": Reader("cifar10", "cifar10"),
    "mnist": Reader("idx", "mnist"),
    "fashion_mnist": Reader("idx", "fashion_mnist"),
    "imagefolder": Reader("imagefolder", "imagefolder"),
    "market1501": Reader("market", "market"),
    "duke": Reader("market", "duke"),
    "msmt17": Reader("msmt17", "msmt17"),
    "cuhk03": Reader("cuhk03", "cuhk03"),
    "cub200": Reader("cub200", "cub200"),
    "food256": Reader("food256", "food256"),
    "oxford5k": Reader("landmarks", "oxford5k"),
    "paris6k": Reader("landmarks", "paris6k"),
    "roxford5k": Reader("landmarks", "roxford5k"),
    "rparis6k": Reader("landmarks", "rparis6k"),
    "reid_csv": Reader("reid_csv", "reid_csv"),
    "lfw": Reader("lfw", "lfw"),
    "person_folders": Reader("pairs", "person_folders"),
}


def load_data(name: str, **options: object) -> Samples:
    """The data set `name`, read with the options of its reader.

    UserError for an unknown name, an unknown or missing option or one of the wrong type, or a folder that is not there.
    """
    if name not in DATASETS:
        known = f"known: {', '.join(DATASETS)}"
        raise UserError(f"no data set is called {name!r}{_suggestion(name, list(DATASETS))}; {known}")
    reader = DATASETS[name]
    function = reader.resolve() if isinstance(reader, Reader) else reader
    parameters = inspect.signature(function, eval_str=True).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for option in options:
        if option not in parameters and not open_ended:
            hint = _suggestion(option, list(parameters))
            raise UserError(f"{name} has no option {option!r}{hint}; it takes {', '.join(parameters)}")
    for option, parameter in parameters.items():
        needed = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        if needed and option not in options:
            raise UserError(f"{name} needs the option {option!r}; it takes {', '.join(parameters)}")
    return function(**{option: _typed(name, parameters.get(option), value) for option, value in options.items()})


def _typed(name: str, parameter: inspect.Parameter | None, value: object) -> object:
    """The value as the type that the option asks for, such as a tuple for a list; one of `**options` stays as it is."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    if parameter is None or parameter.annotation is parameter.empty:
        return value
    try:
        settings = ConfigDict(arbitrary_types_allowed=True)
        made: object = TypeAdapter(parameter.annotation, config=settings).validate_python(value)
    except ValidationError as error:
        why = error.errors()[0]["msg"].lower()
        raise UserError(f"{name}: {parameter.name}: {why} (given {value!r})") from None
    return made


def _suggestion(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
