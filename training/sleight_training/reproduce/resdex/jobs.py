"""The experiments of the ResDex paper as jobs: which policies are trained, and on what each is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sleight_core.errors import SleightError

from sleight_training.presets import choose_preset
from sleight_training.reproduce.job import OUT, Command, Job, JobGraph
from sleight_training.reproduce.kept import take_kept

#: Columns of the paper's tables.
SETS = ("train", "unseen_object", "unseen_category")
#: Numbers of base policies that the paper compares.
COUNTS = (1, 2, 3, 4, 5, 6)
#: Of six base policies' objects Figure 2 trains one policy each.
FIGURE_2 = 6
#: Objects on which Figure 3 shows grasps, and along whose episodes Figure 6 shows weights.
SHOWN_OBJECTS = "household:kettle:0+household:tape_measure:0+household:mug:0+household:headphones:0"
#: Name of their evaluation beside those of `SETS`.
SHOWN = "shown"
STUDENT = ("train", "student")


class Preset(BaseModel):
    """Sizes of a reproduction.

    Attributes:
        name: Its name.
        training: Preset of the training commands.
        ks: Numbers of base policies.
        seeds: Seeds of the hyper-policies.
        single: Objects on which Figure 2's single-object policies learn.
        objects: The set for each column; that of "train" is learnt on.
        episodes: Episodes of an evaluation on each.
        proposals: Grasp proposals an object; 0 for a training without.
        proposal_effort: Options of `sleight objects proposals`.
        base_iterations: Learning iterations of the first base policy, and of the others, which then go on from the
            first; None: the training preset's, each from scratch as in the paper.
        all_envs: Environments of the baseline that learns on all objects without experts.
        norms: Further rules of normalisation, compared at the largest k.
        evaluation: More options of `sleight eval`.
        shown: Objects of Figures 3 and 6.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    training: str
    ks: tuple[int, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    single: int = Field(ge=0, le=FIGURE_2)
    objects: dict[str, str]
    episodes: dict[str, int]
    proposals: int = Field(ge=0)
    proposal_effort: tuple[str, ...] = ()
    base_iterations: tuple[int, int] | None = None
    all_envs: int | None = None
    norms: tuple[Literal["l1", "l2"], ...] = ("l1", "l2")
    evaluation: tuple[str, ...] = ()
    shown: str = SHOWN_OBJECTS

    @model_validator(mode="after")
    def _known(self) -> Preset:
        if set(self.objects) != set(SETS) or set(self.episodes) != set(SETS):
            raise ValueError(f"an object set and a number of episodes for each of {SETS}")
        if wrong := [k for k in self.ks if k not in COUNTS]:
            raise ValueError(f"k is one of {COUNTS}, not {wrong[0]}")
        if len(set(self.ks)) != len(self.ks) or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("k and seeds are named once each, seeds from 0")
        return self


_SPLITS = {name: f"household:{name}" for name in SETS}
_EFFORT = ("--table", "--samples", "48", "--rounds", "2", "--improvements", "1", "--no-picture")

PRESETS: dict[str, Preset] = {
    "cpu": Preset(
        name="cpu",
        training="cpu",
        ks=(1, 4),
        seeds=(0, 1, 2),
        single=2,
        objects=_SPLITS,
        episodes={"train": 1600, "unseen_object": 705, "unseen_category": 500},
        proposals=8,
        proposal_effort=_EFFORT,
        base_iterations=(560, 400),
        all_envs=3200,
    ),
    "full": Preset(
        name="full",
        training="full",
        ks=COUNTS,
        seeds=(0, 1, 2),
        single=FIGURE_2,
        objects=_SPLITS,
        episodes={"train": 6400, "unseen_object": 2820, "unseen_category": 2000},
        proposals=20,
        proposal_effort=("--table", "--no-picture"),
        all_envs=11000,
    ),
    "smoke": Preset(
        name="smoke",
        training="smoke",
        ks=(1, 2),
        seeds=(0,),
        single=1,
        objects={"train": "household:all", "unseen_object": "household:can:7", "unseen_category": "household:can:8"},
        episodes=dict.fromkeys(SETS, 2),
        proposals=0,
        norms=("l1",),
        shown="household:mug:0",
    ),
}


def reproduction(name: str, ks: Iterable[int] = (), seeds: Iterable[int] = ()) -> Preset:
    """Return a preset, with other numbers of base policies or other seeds where they are given.

    Raises:
        SleightError: There is no such preset, or a number is not one of the paper's.
    """
    chosen = choose_preset(PRESETS, name).model_dump()
    chosen.update({key: tuple(value) for key, value in (("ks", ks), ("seeds", seeds)) if tuple(value)})
    try:
        return Preset(**chosen)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise SleightError("--k or --seeds", value=reason, remedy="e.g. --k 1,4 --seeds 0,1,2") from error


@dataclass(frozen=True)
class Policy:
    """A policy that is trained, exported and judged.

    Attributes:
        name: Its name: that of its run and bundle.
        kind: "base", "full_obs", "full_pose", "stage1", "stage2", "moe", "norm", "ppo" or "student".
        k: Number of experts; for single-object policies the number in whose choice the object is.
        seed: Its seed; for single-object policies the index of the object.
        norm: Rule of normalisation, for "norm".
    """

    name: str
    kind: str
    k: int
    seed: int
    norm: str = ""


def policies(preset: Preset) -> list[Policy]:
    """Return all policies of a reproduction, in the order in which they are trained."""
    most = max(preset.ks)
    wanted = {(k, i) for k in preset.ks for i in range(k)} | {(FIGURE_2, i) for i in range(preset.single)}
    found = [Policy(f"base_k{k}_{i}", "base", k, i) for k, i in sorted(wanted)]
    for seed in preset.seeds:
        # The best one first: the headline is there early.
        for k in sorted(preset.ks, reverse=True):
            found += [Policy(f"hyper_k{k}_s{seed}_{stage}", stage, k, seed) for stage in ("stage1", "stage2")]
        found.append(Policy(f"student_k{most}_s{seed}", "student", most, seed))
    found += [Policy(f"moe_k{k}_s{seed}", "moe", k, seed) for seed in preset.seeds for k in preset.ks if k > 1]
    found += [
        Policy(f"norm_{norm}_k{most}_s{seed}", "norm", most, seed, norm)
        for seed in preset.seeds
        for norm in preset.norms
    ]
    found += [Policy(f"ppo_s{seed}", "ppo", 0, seed) for seed in preset.seeds]
    for i in range(preset.single):
        found.append(Policy(f"full_obs_{i}", "full_obs", FIGURE_2, i))
        if preset.proposals:
            found.append(Policy(f"full_pose_{i}", "full_pose", FIGURE_2, i))
    return found


def judged_on(policy: Policy) -> tuple[str, ...]:
    """Return the columns in which a policy is judged: single-object policies and ablations on the training set."""
    whole = policy.kind in ("stage1", "stage2", "ppo", "student") or (policy.kind == "base" and policy.k == 1)
    return SETS if whole else ("train",)


def result_file(policy: str, column: str) -> str:
    """Return where an evaluation's result is, in the results folder."""
    return f"eval/{policy}/{column}.json"


def resdex_graph(preset: Preset, kept: Path | None = None) -> JobGraph:
    """Return all jobs of a reproduction.

    Args:
        preset: Its sizes.
        kept: A folder with weights of policies, `NAME.safetensors`; these are taken instead of trained.
    """
    jobs = [_codes(preset), *_proposals(preset)]
    for policy in policies(preset):
        training = _training(preset, policy)
        if kept is not None and (file := kept / f"{policy.name}.safetensors").is_file():
            training = take_kept(training, file, f"runs/{policy.name}")
        jobs += [training, _export(policy), _evaluation(preset, policy)]
        if policy.kind == "stage2" and policy.seed == preset.seeds[0]:
            jobs.append(_shown(preset, policy))
    return JobGraph(jobs)


def _codes(preset: Preset) -> Job:
    args = ("train", "codes", "--objects", preset.objects["train"], "--preset", preset.training)
    return Job(
        name="codes",
        about="object set, object codes, and the objects of the base policies",
        commands=(Command(args=(*args, "--out", f"{OUT}/runs/codes"), resume_from="runs/codes/codes.json"),),
        outputs=("runs/codes",),
    )


def _proposals(preset: Preset) -> Iterator[Job]:
    """Proposals of the objects learnt on, and of those on which Table 4 judges grasps."""
    for column in ("train", "unseen_category") if preset.proposals else ():
        args = ("objects", "proposals", preset.objects[column], "--count", str(preset.proposals))
        folder = f"{OUT}/proposals/{column}"
        # Exit status 1: some objects have fewer than were asked for; what has none falls back to the posture.
        command = Command(args=(*args, *preset.proposal_effort, "--out", folder), accepts=(0, 1))
        about = f"grasp proposals for {preset.objects[column]}"
        yield Job(name=f"proposals_{column}", about=about, commands=(command,), outputs=(f"proposals/{column}",))


def _training(preset: Preset, policy: Policy) -> Job:
    run = f"runs/{policy.name}"
    ends = ("--preset", preset.training, "--out", f"{OUT}/{run}")
    args, needs = _training_args(preset, policy)
    return Job(
        name=policy.name,
        about=_about(policy),
        commands=(Command(args=("train", *args, *ends), resume_from=f"{run}/config.json"),),
        needs=needs,
        inputs=tuple(f"runs/{need}" for need in needs if not need.startswith("proposals")),
        outputs=(run,),
        requires=STUDENT if policy.kind == "student" else (),
    )


def _training_args(preset: Preset, policy: Policy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the arguments of a training command, and the jobs that it needs."""
    seed = ("--seed", str(policy.seed))
    given = ("--proposals", f"{OUT}/proposals/train" if preset.proposals else "none")
    proposals = ("proposals_train",) if preset.proposals else ()
    if policy.kind in ("base", "full_obs", "full_pose"):
        which = ("--k", str(policy.k), "--index", str(policy.seed), "--choice", f"{OUT}/runs/codes/chosen.json")
        more = {"full_obs": ("--full-observation",), "full_pose": ("--full-pose",)}.get(policy.kind, ())
        # On two cores a base policy learns on objects of many sizes instead, for which no proposals fit.
        follows = policy.kind == "full_pose" or preset.training == "full"
        pose = given if follows else ("--proposals", "none")
        rest, before = ("--seed", "0"), ("codes", *(proposals if follows else ()))
        # Figure 2 compares three policies of one object: there each learns from scratch.
        if policy.kind == "base" and preset.base_iterations and policy.k in preset.ks:
            first, others = preset.base_iterations
            rest += ("--iterations", str(others if policy.seed else first))
            if policy.seed:
                start = f"base_k{policy.k}_0"
                rest, before = (*rest, "--start", f"{OUT}/runs/{start}"), (*before, start)
        return ("base", *which, *more, *pose, *rest), before
    if policy.kind == "ppo":
        envs = ("--envs", str(preset.all_envs)) if preset.all_envs else ()
        options = ("--object", preset.objects["train"], "--full-observation", "--proposals", "none")
        return ("base", *options, *envs, *seed), ("codes",)
    if policy.kind == "student":
        teacher = f"hyper_k{policy.k}_s{policy.seed}_stage2"
        return ("student", "--teacher", f"{OUT}/runs/{teacher}", *seed), (teacher,)
    learnt = ("--objects", preset.objects["train"], "--codes", f"{OUT}/runs/codes/encoder.safetensors")
    if policy.kind == "stage2":
        before = f"hyper_k{policy.k}_s{policy.seed}_stage1"
        start = ("--stage", "2", "--start", f"{OUT}/runs/{before}", "--proposals", "none")
        return ("hyper", *start, *learnt, *seed), (before, "codes")
    bases = tuple(f"base_k{policy.k}_{i}" for i in range(policy.k))
    experts = tuple(word for base in bases for word in ("--experts", f"{OUT}/runs/{base}"))
    more = {"moe": ("--moe-only",), "norm": ("--normalisation", policy.norm)}.get(policy.kind, ())
    rule = () if policy.kind == "norm" else ("--normalisation", "softmax")
    return ("hyper", "--stage", "1", *experts, *learnt, *rule, *more, *given, *seed), ("codes", *proposals, *bases)


def _export(policy: Policy) -> Job:
    bundle = f"bundles/{policy.name}"
    args = ("export", f"{OUT}/runs/{policy.name}", "--out", f"{OUT}/{bundle}", "--name", policy.name, "--force")
    return Job(
        name=f"export_{policy.name}",
        about=f"bundle of {policy.name}",
        commands=(Command(args=args),),
        needs=(policy.name,),
        inputs=(f"runs/{policy.name}",),
        outputs=(bundle,),
        requires=STUDENT if policy.kind == "student" else (),
    )


def _evaluation(preset: Preset, policy: Policy) -> Job:
    commands, needs = [], [f"export_{policy.name}"]
    for column in judged_on(policy):
        args = ["eval", "--bundle", f"{OUT}/bundles/{policy.name}", "--objects", preset.objects[column]]
        args += ["--episodes", str(preset.episodes[column]), "--json", f"{OUT}/{result_file(policy.name, column)}"]
        # The paper's state-based policies know the object exactly; a student sees it as cameras do.
        args += ["--perception", "modelled" if policy.kind == "student" else "exact", *preset.evaluation]
        if preset.proposals and column == "unseen_category" and policy.kind in ("stage1", "stage2"):
            args += ["--proposals", f"{OUT}/proposals/{column}"]
            needs.append(f"proposals_{column}")
        commands.append(Command(args=tuple(args)))
    return Job(
        name=f"eval_{policy.name}",
        about=f"success of {policy.name}",
        commands=tuple(commands),
        needs=tuple(needs),
        inputs=(f"bundles/{policy.name}",),
        outputs=tuple(result_file(policy.name, column) for column in judged_on(policy)),
        requires=STUDENT if policy.kind == "student" else (),
    )


def _shown(preset: Preset, policy: Policy) -> Job:
    """Grasps and weights of a policy on a few objects (Figures 3 and 6)."""
    objects = preset.shown
    count = str(len(objects.split("+")))
    args = ("eval", "--bundle", f"{OUT}/bundles/{policy.name}", "--objects", objects, "--episodes", count)
    ends = ("--perception", "exact", "--pictures", f"{OUT}/pictures/{policy.name}")
    file = result_file(policy.name, SHOWN)
    return Job(
        name=f"shown_{policy.name}",
        about=f"grasps of {policy.name} (Figures 3 and 6)",
        commands=(Command(args=(*args, *ends, "--json", f"{OUT}/{file}")),),
        needs=(f"export_{policy.name}",),
        inputs=(f"bundles/{policy.name}",),
        outputs=(file, f"pictures/{policy.name}"),
    )


def _about(policy: Policy) -> str:
    which = f"object {policy.seed} of {policy.k}"
    return {
        "base": f"base policy on {which}",
        "full_obs": f"as a base policy on {which}, seeing orientation and velocities",
        "full_pose": f"as a base policy on {which}, paid for the whole grasp proposal",
        "stage1": f"hyper-policy, {policy.k} experts, seed {policy.seed}, stage 1",
        "stage2": f"hyper-policy, {policy.k} experts, seed {policy.seed}, stage 2",
        "moe": f"{policy.k} experts without residual, seed {policy.seed}",
        "norm": f"{policy.k} experts, {policy.norm} weights, seed {policy.seed}",
        "ppo": f"PPO on all objects without experts, seed {policy.seed}",
        "student": f"vision student of the {policy.k}-expert policy, seed {policy.seed}",
    }[policy.kind]
