"""People of the tenants who can sign in, with the app roles and groups that their tokens name."""

from dataclasses import dataclass, field


@dataclass(eq=False)
class User:
    """A user of one tenant.

    `roles` are the values of the app roles assigned to the user, in every application of the tenant; `groups` the
    object ids of the groups. Both count from the next token on, as in Entra. `sessions` counts the revocations: a
    refresh token of an earlier one is refused.
    """

    tenant_id: str
    object_id: str
    username: str
    name: str
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    enabled: bool = True
    sessions: int = field(default=0, repr=False)


class Users:
    """All users; names and ids are compared without regard to case."""

    def __init__(self) -> None:
        self._users: list[User] = []

    def add(self, user: User) -> None:
        """Add a user.

        Raises:
            ValueError: the tenant has one with this name.
        """
        if self.find(user.tenant_id, user.username) is not None:
            msg = f"tenant {user.tenant_id} has a user {user.username}"
            raise ValueError(msg)
        self._users.append(user)

    def of_tenant(self, tenant_id: str) -> list[User]:
        """Return the users of a tenant, in the order in which they were added."""
        return [user for user in self._users if user.tenant_id.lower() == tenant_id.lower()]

    def find(self, tenant_id: str, name: str) -> User | None:
        """Return the user of that user name or object id, if there is one."""
        wanted = name.lower()
        named = (
            user for user in self.of_tenant(tenant_id) if wanted in {user.username.lower(), user.object_id.lower()}
        )
        return next(named, None)

    def remove(self, user: User) -> None:
        """Delete a user; a repeat does nothing."""
        self._users = [each for each in self._users if each is not user]
