"""The experiments of DexCompose as jobs: skills, held states, masks, residuals, bundles, and what is judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sleight_training.compose.residual.methods import FAMILY_MASKS, METHODS, Method
from sleight_training.reproduce.dexcompose.preset import Pair, Preset
from sleight_training.reproduce.job import OUT, Command, Job, JobGraph
from sleight_training.reproduce.kept import take_policy

#: Judged together, before any second residual is trained.
PLAIN = (Method.OURS_ZS, Method.MASK_ONLY, Method.FROZEN, Method.DECOMPOSED, Method.STABILISER_ONLY)
#: Baseline and ablations that need a second residual of their own.
STUDIED = (
    Method.RESIDUAL,
    Method.NO_ALLOCATION,
    Method.NO_STABILISER,
    Method.NO_MASK,
    Method.NO_TRANSITION,
)
#: The method with the mask of the other selector (Table 3).
HEURISTIC = "heuristic"
_PLAIN_FILE = "plain"


def pair_name(pair: Pair) -> str:
    """How jobs and files name a pair."""
    return "_".join(pair)


def method_name(method: str) -> str:
    """A method on the command line, or `HEURISTIC`."""
    return method.value if isinstance(method, Method) else method


def harness_method(method: str) -> Method:
    """What is played for a method: with the heuristic mask it is the method itself."""
    return Method.OURS if method == HEURISTIC else Method(method)


def evaluation_job(pair: Pair, method: str) -> str:
    """The job that judges a pair under a method, or with the heuristic mask."""
    name = f"eval_{pair_name(pair)}"
    return name if method in PLAIN else f"{name}_{_word(method)}"


def evaluation_file(pair: Pair, method: str) -> str:
    """Where a method's rows are, in the results folder."""
    return f"eval/{pair_name(pair)}/{_PLAIN_FILE if method in PLAIN else _word(method)}.json"


def mask_file(pair: Pair, selector: str = "task-aware") -> str:
    """Where a selector's choice is, in the results folder."""
    return f"masks/{pair_name(pair)}{'_heuristic' if selector == HEURISTIC else ''}.json"


def dexcompose_graph(preset: Preset, kept: Path | None = None) -> JobGraph:
    """Return all jobs of a reproduction.

    Args:
        preset: Its sizes.
        kept: A folder with policies by the names of their jobs, `NAME.safetensors`; these are taken instead of
            trained.
    """
    jobs = [*_skills(preset), *_attribution(preset), *(_stabiliser(preset, first) for first in preset.firsts)]
    for pair in preset.pairs:
        jobs += [_plain(preset, pair), _second(preset, pair, Method.OURS)]
        jobs += [_bundle(f"export_{pair_name(pair)}", (pair,)), _judged(preset, pair, Method.OURS)]
    for pair in preset.studied:
        for method in STUDIED:
            jobs += [_second(preset, pair, method), _judged(preset, pair, method)]
    for pair in preset.selectors:
        jobs += [_second(preset, pair, HEURISTIC), _judged(preset, pair, HEURISTIC)]
    jobs.append(_bundle("export", preset.pairs))
    if kept is not None:
        jobs = [_kept(job, kept) for job in jobs]
    return JobGraph(jobs)


def _kept(job: Job, folder: Path) -> Job:
    file = folder / f"{job.name}.safetensors"
    trained = job.name.startswith(("skill_", "hold_", "pair_"))
    return take_policy(job, file, f"runs/{job.name}") if trained and file.is_file() else job


def _skills(preset: Preset) -> Iterator[Job]:
    """Demonstrations, skills, and their success by DDIM steps (appendix A, Table 4)."""
    for task in (*preset.firsts, *preset.seconds):
        count = str(preset.demonstrations)
        collect = ("demonstrations", "collect", task, "--count", count, "--out", f"{OUT}/demonstrations")
        file = f"demonstrations/{task}.hdf5"
        yield Job(
            name=f"demonstrations_{task}",
            about=f"{count} demonstrations of {task}, each replayed",
            commands=(Command(args=collect),),
            outputs=(file,),
        )
        run = f"runs/skill_{task}"
        train = ("train", "skill", "--task", task, "--demonstrations", f"{OUT}/{file}", "--preset", preset.training)
        ends = ("--seed", "0", "--episodes", "0", "--device", preset.device, "--out", f"{OUT}/{run}")
        yield Job(
            name=f"skill_{task}",
            about=f"diffusion policy of {task}",
            commands=(Command(args=(*train, *ends), resume_from=f"{run}/config.json"),),
            needs=(f"demonstrations_{task}",),
            inputs=(file,),
            outputs=(run,),
        )
        steps = tuple(word for count in preset.sample_steps for word in ("--sample-steps", str(count)))
        measure = ("compose", "skill", f"{OUT}/{run}", *steps, "--episodes", str(preset.skill_episodes))
        yield Job(
            name=f"eval_skill_{task}",
            about=f"success of {task} by DDIM steps; the chosen number",
            commands=(Command(args=(*measure, "--out", f"{OUT}/skills/{task}")),),
            needs=(f"skill_{task}",),
            inputs=(run,),
            outputs=(f"skills/{task}",),
        )


def _states_by(preset: Preset, task: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Who plays a task where states and finger use are gathered: argument, needs and inputs."""
    if preset.states == "scripted":
        return "scripted", (), ()
    return f"{OUT}/skills/{task}", (f"eval_skill_{task}",), (f"skills/{task}",)


def _attribution(preset: Preset) -> Iterator[Job]:
    """Held states, release tests, finger use and masks (3.2, B.3, B.4, B.7)."""
    for task in preset.firsts:
        who, needs, inputs = _states_by(preset, task)
        file, folder = f"held/{task}.npz", f"release/{task}"
        sizes = ("--count", str(preset.held), "--worlds", str(preset.held_worlds), "--seed", "0")
        # --resume begins where there is no file, and goes on with one that is not finished.
        collect = ("compose", "held", "collect", "--task", task, "--skill", who, *sizes, "--resume")
        yield Job(
            name=f"held_{task}",
            about=f"{preset.held} held states of {task}, {preset.states} skill",
            commands=(Command(args=(*collect, "--out", f"{OUT}/{file}")),),
            needs=needs,
            inputs=inputs,
            outputs=(file,),
        )
        test = ("compose", "release", "test", "--held", f"{OUT}/{file}", "--rollouts", str(preset.release_rollouts))
        yield Job(
            name=f"release_{task}",
            about=f"release tests of {task}",
            commands=(Command(args=(*test, "--out", f"{OUT}/{folder}")),),
            needs=(f"held_{task}",),
            inputs=(file,),
            outputs=(folder,),
        )
    for task in preset.seconds:
        who, needs, inputs = _states_by(preset, task)
        use = ("compose", "release", "use", "--task", task, "--skill", who, "--episodes", str(preset.use_episodes))
        yield Job(
            name=f"use_{task}",
            about=f"fingers that {task} uses, {preset.states} skill",
            commands=(Command(args=(*use, "--out", f"{OUT}/use/{task}.json")),),
            needs=needs,
            inputs=inputs,
            outputs=(f"use/{task}.json",),
        )
    yield from (_mask(pair, "task-aware") for pair in preset.pairs)
    yield from (_mask(pair, HEURISTIC) for pair in preset.selectors)


def _mask(pair: Pair, selector: str) -> Job:
    first, second = pair
    file = mask_file(pair, selector)
    args = ["compose", "release", "select", "--release", f"{OUT}/release/{first}", "--second", second]
    args += ["--selector", selector, "--json", f"{OUT}/{file}"]
    needs, inputs = [f"release_{first}"], [f"release/{first}"]
    if selector != HEURISTIC:
        args += ["--use", f"{OUT}/use/{second}.json"]
        needs.append(f"use_{second}")
        inputs.append(f"use/{second}.json")
    return Job(
        name=_mask_job(pair, selector),
        about=f"fingers that keep {first} for {second}, {selector}",
        commands=(Command(args=tuple(args)),),
        needs=tuple(needs),
        inputs=tuple(inputs),
        outputs=(file,),
    )


def _mask_job(pair: Pair, selector: str) -> str:
    return f"mask_{pair_name(pair)}{'_heuristic' if selector == HEURISTIC else ''}"


def _stabiliser(preset: Preset, first: str) -> Job:
    """The first residual (B.1), trained on every mask that a method preserves for this task."""
    chosen = [(pair, "task-aware") for pair in preset.pairs if pair[0] == first]
    chosen += [(pair, HEURISTIC) for pair in preset.selectors if pair[0] == first]
    files = tuple(mask_file(*choice) for choice in chosen)
    masks = (*(f"{OUT}/{file}" for file in files), ",".join(FAMILY_MASKS[first]))
    run, held = f"runs/hold_{first}", f"held/{first}.npz"
    args = ("compose", "residual", "first", first, *(word for mask in masks for word in ("--mask", mask)))
    ends = ("--held", f"{OUT}/{held}", "--preset", preset.training, "--seed", "0", "--out", f"{OUT}/{run}")
    return Job(
        name=f"hold_{first}",
        about=f"stabiliser of {first}",
        commands=(Command(args=(*args, *ends), resume_from=f"{run}/config.json"),),
        needs=(f"held_{first}", *(_mask_job(*choice) for choice in chosen)),
        inputs=(held, *files),
        outputs=(run,),
    )


def _composition(pair: Pair, method: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What a method is composed of besides its second residual: arguments, needs and inputs."""
    first, second = pair
    chosen = METHODS[harness_method(method)]
    args = ("--held", f"{OUT}/held/{first}.npz", "--skill", f"{OUT}/skills/{second}")
    needs = (f"held_{first}", f"eval_skill_{second}")
    inputs = (f"held/{first}.npz", f"skills/{second}")
    if chosen.mask == "selected":
        selector = HEURISTIC if method == HEURISTIC else "task-aware"
        file = mask_file(pair, selector)
        args, needs = (*args, "--mask", f"{OUT}/{file}"), (*needs, _mask_job(pair, selector))
        inputs = (*inputs, file)
    if chosen.stabiliser:
        run = f"runs/hold_{first}"
        args, needs = (*args, "--stabiliser", f"{OUT}/{run}"), (*needs, f"hold_{first}")
        inputs = (*inputs, run)
    return args, needs, inputs


def _second(preset: Preset, pair: Pair, method: str) -> Job:
    """The second residual of a pair for a method (B.2)."""
    first, second = pair
    name = f"pair_{pair_name(pair)}_{_word(method)}"
    args, needs, inputs = _composition(pair, method)
    begins = ("compose", "residual", "second", first, second, "--method", harness_method(method).value)
    ends = ("--preset", preset.training, "--seed", "0", "--out", f"{OUT}/runs/{name}")
    return Job(
        name=name,
        about=f"second residual of {first} + {second}, {_title(method)}",
        commands=(Command(args=(*begins, *args, *ends), resume_from=f"runs/{name}/config.json"),),
        needs=needs,
        inputs=inputs,
        outputs=(f"runs/{name}",),
    )


def _judged(preset: Preset, pair: Pair, method: str) -> Job:
    """Composite success of a method with a second residual of its own; the method itself by its exported bundle."""
    about = f"{pair[0]} + {pair[1]}, {_title(method)}"
    if method == Method.OURS:
        held, bundle = f"held/{pair[0]}.npz", f"bundles/{pair_name(pair)}"
        words = ("--method", Method.OURS.value, "--held", f"{OUT}/{held}", "--bundle", f"{OUT}/{bundle}")
        needs = (f"held_{pair[0]}", f"export_{pair_name(pair)}")
        return _evaluation(preset, pair, method, f"{about}, the bundle", words, needs, (held, bundle))
    run = f"pair_{pair_name(pair)}_{_word(method)}"
    args, needs, inputs = _composition(pair, method)
    words = ("--method", harness_method(method).value, *args, "--residual", f"{OUT}/runs/{run}")
    return _evaluation(preset, pair, method, about, words, (*needs, run), (*inputs, f"runs/{run}"))


def _plain(preset: Preset, pair: Pair) -> Job:
    """Composite success of the methods without a second residual."""
    args, needs, inputs = _composition(pair, Method.OURS_ZS)
    words = (*(word for method in PLAIN for word in ("--method", method.value)), *args)
    about = f"{pair[0]} + {pair[1]}, methods without second residual"
    return _evaluation(preset, pair, PLAIN[0], about, words, needs, inputs)


def _evaluation(
    preset: Preset,
    pair: Pair,
    method: str,
    about: str,
    words: tuple[str, ...],
    needs: tuple[str, ...],
    inputs: tuple[str, ...],
) -> Job:
    file = evaluation_file(pair, method)
    # The second skill alone is measured by its own job, over more episodes.
    sizes = ("--seeds", str(preset.seeds), "--rollouts", str(preset.rollouts), "--alone", "0")
    return Job(
        name=evaluation_job(pair, method),
        about=about,
        commands=(Command(args=("compose", "eval", *pair, *words, *sizes, "--json", f"{OUT}/{file}")),),
        needs=needs,
        inputs=inputs,
        outputs=(file,),
    )


def _bundle(name: str, pairs: tuple[Pair, ...]) -> Job:
    """A bundle of pairs, with their skills, masks and both residuals."""
    tasks = tuple(dict.fromkeys(task for pair in pairs for task in pair))
    residuals = tuple(f"pair_{pair_name(pair)}_{Method.OURS.value}" for pair in pairs)
    bundle = "bundles/" + ("all_pairs" if name == "export" else name.removeprefix("export_"))
    args = tuple(word for task in tasks for word in ("--skill", f"{OUT}/skills/{task}"))
    args += tuple(word for run in residuals for word in ("--pair", f"{OUT}/runs/{run}"))
    firsts = tuple(dict.fromkeys(first for first, _ in pairs))
    args += tuple(word for first in firsts for word in ("--stabiliser", f"{OUT}/runs/hold_{first}"))
    runs = tuple(f"runs/{run}" for run in (*residuals, *(f"hold_{first}" for first in firsts)))
    return Job(
        name=name,
        about="bundle of " + (" + ".join(pairs[0]) if len(pairs) == 1 else "all pairs"),
        commands=(Command(args=("export", "compose", *args, "--force", "--out", f"{OUT}/{bundle}")),),
        needs=(
            *(f"eval_skill_{task}" for task in tasks),
            *residuals,
            *(f"hold_{first}" for first in firsts),
        ),
        inputs=(*(f"skills/{task}" for task in tasks), *runs),
        outputs=(bundle,),
        requires=("export", "compose"),
    )


def _word(method: str) -> str:
    """A method in the name of a job."""
    return method_name(method).replace("-", "_")


def _title(method: str) -> str:
    return "heuristic mask" if method == HEURISTIC else METHODS[Method(method)].title
