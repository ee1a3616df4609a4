"""``ray-pipeline serve up|status|down``: answers over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ray_pipeline.text import visible

from .console import note, print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from ray_pipeline.serve.status import ServeStatus

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Answer over HTTP on Ray Serve.")

AddressOption = Annotated[
    str | None,
    typer.Option("--ray-address", help="A Ray cluster; else RAY_ADDRESS, else a private Ray on this machine."),
]


@app.command()
def up(
    config: ConfigOption = None,
    sets: SetOption = None,
    ray_address: AddressOption = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="On a cluster: return when requests are answered.")
    ] = True,
) -> None:
    """Answer requests with the champion of serve.model.

    Without a cluster this runs here until Ctrl-C, SIGTERM or `serve down`; on a cluster it deploys and returns. A model
    that is promoted meanwhile takes over without a failed request.
    """
    from ray_pipeline.config import load_config
    from ray_pipeline.serve.up import up as serve_up

    serve_up(
        load_config(config, sets or ()),
        ray_address=ray_address,
        wait=wait,
        on_message=note,
        on_up=lambda found: print_line(visible(f"{found.url}: POST /predict; /docs says what to send")),
    )


@app.command()
def status(
    config: ConfigOption = None,
    sets: SetOption = None,
    ray_address: AddressOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show where the model is served, and whether it answers. Exit code 3: it does not."""
    from ray_pipeline.config import load_config
    from ray_pipeline.serve.status import serve_status

    found = serve_status(load_config(config, sets or ()), ray_address=ray_address)
    if output is Output.JSON:
        print_json(found.to_json())
    else:
        print_status(found)
    raise typer.Exit(int(found.outcome))


@app.command()
def down(
    config: ConfigOption = None,
    sets: SetOption = None,
    ray_address: AddressOption = None,
) -> None:
    """End what `serve up` began, here or on a cluster; requests in flight are answered first."""
    from ray_pipeline.config import load_config
    from ray_pipeline.serve.status import serve_down

    ended = serve_down(load_config(config, sets or ()), ray_address=ray_address)
    print_line("ended" if ended else "nothing is served")


def print_status(found: ServeStatus) -> None:
    """Print one line, and one for each reason."""
    state = ("ready" if found.ready else "not ready") if found.up else "not up"
    answers = f"{found.model}/{found.version}" if found.version is not None else f"{found.model}, no version"
    replicas = ", ".join(f"{number} {name.lower()}" for name, number in (found.replicas or {}).items())
    print_line(
        visible(f"{found.url}: {state}: {answers}" + (f"; replicas: {replicas}" if replicas else ""))
        + (f" (process {found.pid})" if found.pid is not None else "")
    )
    for name, said in {**found.reasons, **found.warnings}.items():
        note(f"{name}: {said}" if said else name)
