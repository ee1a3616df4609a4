"""Where a replica listens: never on all interfaces unasked, and with ``serve.direct`` where the configuration says.

Ray 2.60 starts a server for calls between deployments in every replica, on all interfaces and without a token, and
unpickles what it gets: whoever reaches it runs code. No setting changes that. It is started after the deployment's
constructor, so the constructor can bind it to the node's own address, on which the rest of Ray listens as well.
"""

from __future__ import annotations

import socket
from typing import Any, Final

from ray_pipeline.errors import RayPipelineError

DIRECT: Final = {
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
    # Shutting down would wait for half a minute, for load balancers that there may be.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
    # Of port numbers that we do not use.
    "RAY_SERVE_PORT_QUARANTINE_S": "0",
}
"""What Serve's controller and the replicas read while they import Ray Serve."""


class RayServeChangedError(RayPipelineError):
    """This Ray Serve is another one than the code was written for; a replica would listen openly."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"Ray Serve has no {self.name} any more, so a replica cannot be kept from listening on all interfaces"


def listen_as_told(port: int | None) -> None:
    """Bind what this replica will start to the node's address; with ``port``, serve HTTP there, together with others.

    Call it in the deployment's constructor. ``port`` is None where requests come through Serve's proxy.
    """
    import ray
    from ray.serve._private import replica

    module: Any = replica
    util: Any = ray.util
    for name in ("add_port_to_grpc_server", "start_asgi_http_server"):
        if not hasattr(module, name):
            raise RayServeChangedError(name)
    add, own = module.add_port_to_grpc_server, str(util.get_node_ip_address())

    def add_here(server: Any, address: str) -> Any:
        return add(server, address.replace("[::]", own))

    module.add_port_to_grpc_server = add_here
    if port is None:
        return
    start = module.start_asgi_http_server

    async def together(app: Any, options: Any, *, event_loop: Any, enable_so_reuseport: bool = False) -> Any:  # noqa: ARG001
        # Ray would give each replica a port of its own, and none to one that takes the place of a crashed one.
        there = options.model_copy(update={"port": port})
        return await start(app, there, event_loop=event_loop, enable_so_reuseport=True)

    module.start_asgi_http_server = together


def free_port(host: str, port: int) -> int:
    """Return ``port``, or any free one for 0; raise ``OSError`` where somebody listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((host, port))
        return int(one.getsockname()[1])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
