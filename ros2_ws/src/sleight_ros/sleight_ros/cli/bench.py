"""Measure this machine: simulation, policy, ROS, perception, training, drivers; each figure beside its reference."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from sleight_core.cli.main import summary
from sleight_core.errors import SleightError

#: More benchmarks can be registered in this entry-point group.
GROUP = "sleight.benches"
#: Benchmark -> its module, which has a typer `app`. Each room keeps its own; one that is not there is listed as such.
MODULES = {
    "sim": "sleight_sim.bench.sim",
    "policy": "sleight_ros.bench.policy",
    "ros": "sleight_ros.bench.ros",
    "perception": "sleight_sim.bench.perception",
    "train": "sleight_training.bench",
    "leap": "sleight_ros.bench.leap",
}

app = typer.Typer(help=__doc__, add_completion=False)


def benches() -> dict[str, EntryPoint]:
    """All benchmarks by name."""
    own = {name: EntryPoint(name, f"{module}:app", GROUP) for name, module in MODULES.items()}
    return own | {point.name: point for point in entry_points(group=GROUP)}


# The arguments after the name belong to the benchmark, its --help included.
@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="sim, policy, ros, perception, train or leap")] = None,
) -> None:
    """Run one benchmark; `sleight bench NAME --help` says what it measures."""
    points = benches()
    if name in (None, "-h", "--help"):
        print(
            "Usage: sleight bench NAME [--json FILE] [ARGS]...\n\nBenchmarks ('sleight bench NAME --help' says more):"
        )
        for point in points.values():
            print(f"  {point.name:<12}{summary(point)}")
        raise typer.Exit(0 if name else 2)
    assert name is not None
    if name not in points:
        raise SleightError("no such benchmark", value=name, remedy=f"choose one of {', '.join(points)}")
    point = points[name]
    try:
        loaded: Any = point.load()
    except ModuleNotFoundError as error:
        if error.name and point.module.startswith(error.name):
            raise SleightError("this benchmark is not installed", value=name) from error
        raise
    command = typer.main.get_command(loaded)
    status = command.main(args=context.args, prog_name=f"sleight bench {name}", standalone_mode=False)
    raise typer.Exit(status if isinstance(status, int) else 0)
