"""The names of the accounts that messages in the queue belong to."""

from console.invocation import Invocation
from db.engine import run_reading
from db.queries import accounts


def account_names(invocation: Invocation, account_ids: set[int]) -> dict[int, str]:
    """The names of these accounts, by number."""
    with invocation.gateway(current=False) as engine:
        found = run_reading(engine, lambda connection: accounts.by_id(connection, sorted(account_ids)))
    return {number: account.settings.name for number, account in found.items()}
