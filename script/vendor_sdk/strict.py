"""Drives every operation of the Python SDK against the simulator, and stops at the first response that is not of its
documented type.

Usage: strict.py BASE_URL TOKEN
"""

import inspect
import sys
from typing import Any, Callable, Iterator

from metronome import Metronome
from metronome._resource import SyncAPIResource
from metronome._response import BinaryAPIResponse

from shapes import mismatches
from steps import EMPTY, STEPS, Step


class Mismatch(Exception):
    pass


def operations(client: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all operations, found in the SDK itself so that none can be forgotten."""
    for name, member in inspect.getmembers_static(type(client)):
        if name.startswith("_") or name.startswith("with_"):
            continue
        if inspect.isfunction(member) and path:
            yield ".".join((*path, name))
        elif not inspect.isfunction(member):
            resource = getattr(client, name)
            if isinstance(resource, SyncAPIResource):
                yield from operations(resource, (*path, name))


def method(client: Metronome, operation: str) -> tuple[Callable[..., Any], Any]:
    """The method that returns the raw response, and the documented type."""
    *resources, name = operation.split(".")
    resource: Any = client
    for part in resources:
        resource = getattr(resource, part)
    returned = inspect.signature(getattr(resource, name)).return_annotation
    kind = eval(returned, vars(sys.modules[type(resource).__module__])) if isinstance(returned, str) else returned
    return getattr(resource.with_raw_response, name), kind


def filled(value: Any, ids: dict[str, str]) -> Any:
    """The arguments with the ids of earlier responses."""
    match value:
        case str() if value.startswith("$"):
            return ids[value[1:]]
        case list():
            return [filled(item, ids) for item in value]
        case dict():
            return {key: filled(item, ids) for key, item in value.items()}
        case _:
            return value


def at(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return value


def run(client: Metronome, step: Step, ids: dict[str, str]) -> None:
    send, kind = method(client, step.operation)
    response = send(**filled(step.arguments, ids))
    if kind is BinaryAPIResponse:
        require(response.http_response.content.startswith(b"%PDF"), "not a PDF")
        return
    if kind is None or kind is type(None):
        require(response.http_response.content in (b"", b"null"), "a body where none is documented")
        return
    body = response.http_response.json()
    found = list(mismatches(kind, body, "body"))
    require(not found, "; ".join(found))
    # The SDK's own check: it raises where a type does not fit.
    response.parse()
    data = body.get("data") if isinstance(body, dict) else body
    require((data == []) == (step.operation in EMPTY), "an empty list proves nothing" if data == [] else "not empty")
    ids.update({name: at(body, path) for name, path in step.saves.items()})


def check_pages(client: Metronome) -> None:
    """Lists that the SDK reads page by page show everything, and nothing twice."""
    made = [client.v1.customers.create(name=name).data.id for name in "abc"]
    contract = {"customer_id": made[0], "starting_at": "2026-01-01T00:00:00Z"}
    contracts = [client.v1.contracts.create(**contract).data.id for _ in range(2)]
    lists = [
        (client.v1.customers.list(limit=1), made),
        (client.v2.contracts.list(customer_id=made[0], limit=1), contracts),
    ]
    for pages, wanted in lists:
        seen = [item.id for item in pages]
        require(set(wanted) <= set(seen) and len(seen) == len(set(seen)), f"listed {seen}, made {wanted}")


def require(holds: bool, problem: str) -> None:
    if not holds:
        raise Mismatch(problem)


def main(base_url: str, token: str) -> int:
    client = Metronome(
        base_url=base_url, bearer_token=token, max_retries=0, _strict_response_validation=True, webhook_secret="unused"
    )
    every, driven = set(operations(client)), {step.operation for step in STEPS}
    if every != driven:
        print(f"not driven: {sorted(every - driven)}; not in the SDK: {sorted(driven - every)}")
        return 1
    ids: dict[str, str] = {}
    for step in STEPS:
        try:
            run(client, step, ids)
        except Exception as error:
            print(f"{step.operation}: {type(error).__name__}: {error}")
            return 1
    check_pages(client)
    print(f"Python: {len(driven)} of {len(every)} strict")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
