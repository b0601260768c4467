"""Injected faults."""

from dataclasses import dataclass, field


@dataclass
class Fault:
    """`where`: send, settle, management, attach or token. After `skip` times it happens `count` times."""

    kind: str
    where: str
    count: int = 1
    skip: int = 0
    seconds: float = 0.0


@dataclass
class Faults:
    """The faults that are still to come."""

    waiting: list[Fault] = field(default_factory=list)

    def take(self, where: str) -> Fault | None:
        """Return the fault that happens here and now."""
        for fault in self.waiting:
            if fault.where != where:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                return None
            fault.count -= 1
            if fault.count <= 0:
                self.waiting.remove(fault)
            return fault
        return None
