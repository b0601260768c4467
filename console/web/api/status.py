"""The status of the installation."""

from http import HTTPStatus

from aiohttp import web

from console.web.api.declarations import Answer, AnyOperation, Nothing, Operation
from console.web.api.models import Status
from console.web.api.requests import answer_json
from console.web.rights import Role
from console.web.routes import GET
from console.web.visit import Visit
from console.wiring.overview import OverviewReader


def operations_of(reader: OverviewReader) -> list[AnyOperation]:
    """The operation."""

    async def show(_visit: Visit, _parameters: Nothing, _body: Nothing) -> web.StreamResponse:
        return answer_json((await reader.read()).data())

    return [
        Operation(
            "getStatus",
            GET,
            "/status",
            "Show the state of the installation, as `status --json`",
            Role.VIEWER,
            Nothing,
            None,
            Answer(HTTPStatus.OK, Status, "The state now"),
            show,
        )
    ]
