"""The chaos example with the vendor's clients: their defaults, its writes and its faults.

    chaos.py prepare BASE_URL TOKEN FAULTS WRITES   create accounts, then inject the faults; prints the load
    chaos.py send BASE_URL TOKEN LOAD               send the load with the Python SDK; prints what callers were told
    chaos.py audit BASE_URL TOKEN LOAD TOLD NAME    compare that with the ledger; prints a row
"""

import asyncio
import json
import sys
import urllib.request
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import metronome
from metronome import AsyncMetronome, Metronome

ACCOUNTS = 16
AT_ONCE = 64
EVENTS = 6
RESTARTS = 10
IDENTITY, SPARED = "x-chaos-id", "x-chaos-spared"
START, END = "2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z"

CUSTOMERS, EDIT = "/v1/customers", "/v2/contracts/edit"
ENTRY, INGEST = "/v1/contracts/addManualBalanceLedgerEntry", "/v1/ingest"


def control(base_url: str, name: str, body: str | None = None) -> Any:
    """Asks the simulator itself: with a GET, or with a POST if there is a body."""
    data = None if body is None else body.encode()
    with urllib.request.urlopen(urllib.request.Request(f"{base_url}/_simulator/{name}", data=data)) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def account(client: Metronome, number: int) -> dict[str, str]:
    """A customer with a contract and a credit."""
    headers = {SPARED: "yes"}
    customer = client.v1.customers.create(name=f"account-{number}", extra_headers=headers).data.id
    contract = client.v1.contracts.create(customer_id=customer, starting_at=START, extra_headers=headers).data.id
    schedule: Any = {"schedule_items": [{"amount": 0, "starting_at": START, "ending_before": END}]}
    credit = client.v1.customers.credits.create(
        customer_id=customer, product_id="prepaid", priority=1, access_schedule=schedule, extra_headers=headers
    ).data.id
    listed = client.v1.customers.credits.list(customer_id=customer, credit_id=credit, extra_headers=headers)
    segment = listed.data[0].access_schedule.schedule_items[0].id
    return {"customer_id": customer, "contract_id": contract, "id": credit, "segment_id": segment}


def write(number: int, accounts: list[dict[str, str]], now: str) -> dict[str, Any]:
    """The write with this number, as in the example: every other customer has an alias, every other edit a key."""
    turn = number // 4
    guarded, owner = turn % 2 == 0, accounts[turn % len(accounts)]
    if number % 4 == 0:
        name = f"customer-{number}"
        alias = {"ingest_aliases": [f"alias-{number}"]} if guarded else {}
        return load("v1.customers.create", {"name": name, **alias}, CUSTOMERS, [name])
    if number % 4 == 1:
        name = f"seats-{number}"
        delta = {"starting_at": "2026-07-01T00:00:00Z", "quantity_delta": 1 + number % 9}
        body = {
            "customer_id": owner["customer_id"],
            "contract_id": owner["contract_id"],
            "update_subscriptions": [{"subscription_id": name, "quantity_updates": [delta]}],
            **({"uniqueness_key": f"edit-{number}"} if guarded else {}),
        }
        return load("v2.contracts.edit", body, EDIT, [name])
    if number % 4 == 2:
        name = f"entry-{number}"
        body = {field: owner[field] for field in ("customer_id", "id", "segment_id")}
        body |= {"amount": 1 + number % 100, "reason": name}
        return load("v1.contracts.add_manual_balance_entry", body, ENTRY, [name])
    names = [f"event-{number}-{event}" for event in range(EVENTS)]
    of = {"customer_id": owner["customer_id"], "event_type": "api_call", "timestamp": now}
    return load("v1.usage.ingest", {"usage": [{"transaction_id": name, **of} for name in names]}, INGEST, names)


def load(operation: str, arguments: dict[str, Any], path: str, effects: list[str]) -> dict[str, Any]:
    return {"operation": operation, "arguments": arguments, "path": path, "effects": effects}


def prepare(base_url: str, token: str, faults: str, writes: str) -> None:
    client = Metronome(base_url=base_url, bearer_token=token, webhook_secret="unused")
    accounts = [account(client, number) for number in range(ACCOUNTS)]
    control(base_url, "faults", Path(faults).read_text())
    now = datetime.now(timezone.utc).isoformat()
    print(json.dumps([write(number, accounts, now) for number in range(int(writes))]))


async def send(base_url: str, token: str, path: str) -> None:
    writes = json.loads(Path(path).read_text())
    client = AsyncMetronome(base_url=base_url, bearer_token=token, webhook_secret="unused")
    places, done, every = asyncio.Semaphore(AT_ONCE), Counter(), max(len(writes) // (RESTARTS + 1), 1)

    async def one(number: int) -> str:
        async with places:
            told = await outcome(client, number, writes[number])
        done["calls"] += 1
        if done["calls"] % every == 0:
            await asyncio.to_thread(control, base_url, "restart", "")
        return told

    print(json.dumps(await asyncio.gather(*(one(number) for number in range(len(writes))))))


async def outcome(client: AsyncMetronome, number: int, sent: dict[str, Any]) -> str:
    """What the caller knows: whether the write took effect."""
    method: Any = client
    for part in sent["operation"].split("."):
        method = getattr(method, part)
    try:
        await method(**sent["arguments"], extra_headers={IDENTITY: f"write-{number}"})
    except metronome.APIStatusError as error:
        return "no" if error.status_code < 500 else "unknown"
    except Exception:
        return "unknown"
    return "yes"


def effect(entry: dict[str, Any]) -> tuple[str, str]:
    body, path = entry["body"], entry["path"]
    if path == EDIT:
        return path, body["update_subscriptions"][0]["subscription_id"]
    return path, body.get({CUSTOMERS: "name", ENTRY: "reason", INGEST: "transaction_id"}.get(path, ""), "")


def audit(base_url: str, _: str, path: str, told_path: str, name: str) -> None:
    control(base_url, "settle", "")
    entries = control(base_url, "ledger")
    begun = Counter(map(effect, entries))
    # An event of half a batch is an event.
    whole = Counter(effect(entry) for entry in entries if not entry["partial"] or entry["path"] == INGEST)
    counts: Counter[str] = Counter()
    for sent, told in zip(json.loads(Path(path).read_text()), json.loads(Path(told_path).read_text()), strict=True):
        effects = [(sent["path"], text) for text in sent["effects"]]
        is_begun, is_whole = any(begun[one] for one in effects), all(whole[one] for one in effects)
        counts["succeeded"] += told == "yes"
        counts["twice"] += any(begun[one] > 1 for one in effects)
        counts["lost"] += (told == "yes" and not is_whole) or (told == "no" and is_begun)
        counts["in doubt"] += told == "unknown"
        counts["all"] += 1
    share = 100 * counts["succeeded"] / counts["all"]
    print(f"{name:<28}{share:>9.2f} %{counts['twice']:>15}{counts['lost']:>7}{counts['in doubt']:>11}")


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "send":
        asyncio.run(send(*arguments))
    else:
        {"prepare": prepare, "audit": audit}[command](*arguments)
