"""The experiments of the ResDex paper as jobs: which policies are trained, and on what each is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sleight_core.errors import SleightError

from sleight_training.presets import choose_preset
from sleight_training.reproduce.job import OUT, Command, Job, JobGraph
from sleight_training.reproduce.kept import take_kept
from sleight_training.reproduce.resdex.scans import Scans

#: Columns of the paper's tables.
SETS = ("train", "unseen_object", "unseen_category")
#: Numbers of base policies that the paper compares.
COUNTS = (1, 2, 3, 4, 5, 6)
#: Of six base policies' objects Figure 2 trains one policy each.
FIGURE_2 = 6
#: Objects on which Figure 3 shows grasps, and along whose episodes Figure 6 shows weights.
SHOWN_OBJECTS = "household:kettle:0+household:tape_measure:0+household:mug:0+household:headphones:0"
#: Names of their evaluation beside those of `SETS`, and of that on scanned objects (B.1).
SHOWN = "shown"
SCANNED = "scanned"
#: The robot of B.2, and the hand whose grasp proposals it takes.
LEAP, LEAP_ALONE = "leap_ur5e", "leap"
STUDENT = ("train", "student")
SHADOW = "shadow"


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
        shown: Objects of Figures 3, 4 and 6.
        scanned: Episodes with each scanned object (B.1).
        leap_k: Number of base policies of the LEAP Hand (B.2); 0 for none of its jobs.
        leap_action: How it acts on the arm: "joints" as in the paper, or "pose" (docs/leap_arm.md).
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
    scanned: int = Field(default=50, ge=1)
    leap_k: int = Field(default=4, ge=0)
    leap_action: Literal["pose", "joints"] = "pose"

    @model_validator(mode="after")
    def _known(self) -> Preset:
        if set(self.objects) != set(SETS) or set(self.episodes) != set(SETS):
            raise ValueError(f"an object set and a number of episodes for each of {SETS}")
        if wrong := [k for k in self.ks if k not in COUNTS]:
            raise ValueError(f"k is one of {COUNTS}, not {wrong[0]}")
        if len(set(self.ks)) != len(self.ks) or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("k and seeds are named once each, seeds from 0")
        if self.leap_k and self.leap_k not in self.ks:
            raise ValueError(f"the LEAP Hand's k is one of {self.ks}, or 0")
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
        scanned=100,
        leap_action="joints",
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
        scanned=1,
        leap_k=1,
        leap_action="joints",
    ),
}


def reproduction(name: str, ks: Iterable[int] = (), seeds: Iterable[int] = ()) -> Preset:
    """Return a preset, with other numbers of base policies or other seeds where they are given.

    Raises:
        SleightError: There is no such preset, or a number is not one of the paper's.
    """
    chosen = choose_preset(PRESETS, name).model_dump()
    chosen.update({key: tuple(value) for key, value in (("ks", ks), ("seeds", seeds)) if tuple(value)})
    if chosen["leap_k"] and chosen["leap_k"] not in chosen["ks"]:
        chosen["leap_k"] = max(chosen["ks"])
    try:
        return Preset(**chosen)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise SleightError("--k or --seeds", value=reason, remedy="e.g. --k 1,4 --seeds 0,1,2") from error


@dataclass(frozen=True)
class Line:
    """Policies of one robot that build on each other.

    Attributes:
        prefix: What their names begin with.
        bases: The same of their base policies, which another line may have trained.
        hand: The robot; "" for that of the training presets, the Shadow Hand.
        proposals: Name of the grasp proposals that they follow; "" for none.
    """

    prefix: str = ""
    bases: str = ""
    hand: str = ""
    proposals: str = ""


@dataclass(frozen=True)
class Policy:
    """A policy that is trained, exported and judged.

    Attributes:
        name: Its name: that of its run and bundle.
        kind: "base", "full_obs", "full_pose", "stage1", "stage2", "moe", "norm", "ppo" or "student".
        k: Number of experts; for single-object policies the number in whose choice the object is.
        seed: Its seed; for single-object policies the index of the object.
        norm: Rule of normalisation, for "norm".
        line: The robot, and what it is built on.
    """

    name: str
    kind: str
    k: int
    seed: int
    norm: str = ""
    line: Line = Line()


def policies(preset: Preset) -> list[Policy]:
    """Return all policies of a reproduction, in the order in which they are trained."""
    most = max(preset.ks)
    line = Line(proposals="train" if preset.proposals else "")
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
    return [replace(policy, line=line) for policy in found] + leap_policies(preset)


def leap_lines(preset: Preset) -> list[Line]:
    """Return the LEAP Hand's line without proposals, as in the paper, and that with generated ones, if any."""
    if not preset.leap_k:
        return []
    lines = [Line("leap_", "leap_", LEAP)]
    if preset.proposals:
        # Where base policies follow no proposals, both lines have the same.
        bases = "leap_proposals_" if preset.training == "full" else "leap_"
        lines.append(Line("leap_proposals_", bases, LEAP, "leap_train"))
    return lines


def leap_policies(preset: Preset) -> list[Policy]:
    """Return the policies of B.2, with the first seed: the paper's figure is one number."""
    found, k, seed = [], preset.leap_k, preset.seeds[0]
    for line in leap_lines(preset):
        if line.bases == line.prefix:
            found += [Policy(f"{line.prefix}base_k{k}_{i}", "base", k, i, line=line) for i in range(k)]
        for stage in ("stage1", "stage2"):
            found.append(Policy(f"{line.prefix}hyper_k{k}_s{seed}_{stage}", stage, k, seed, line=line))
        found.append(Policy(f"{line.prefix}student_k{k}_s{seed}", "student", k, seed, line=line))
    return found


def zero_shot(preset: Preset) -> list[Policy]:
    """Return the policies that are judged on scanned objects: what each k ends with, and the vision students."""
    return [policy for policy in policies(preset) if policy.kind in ("stage2", "student") and not policy.line.hand]


def judged_on(policy: Policy) -> tuple[str, ...]:
    """Return the columns in which a policy is judged: single-object policies and ablations on the training set."""
    whole = policy.kind in ("stage1", "stage2", "ppo", "student") or (policy.kind == "base" and policy.k == 1)
    return SETS if whole else ("train",)


def result_file(policy: str, column: str) -> str:
    """Return where an evaluation's result is, in the results folder."""
    return f"eval/{policy}/{column}.json"


def resdex_graph(preset: Preset, kept: Path | None = None, scans: Scans | None = None) -> JobGraph:
    """Return all jobs of a reproduction.

    Args:
        preset: Its sizes.
        kept: A folder with weights of policies, `NAME.safetensors`; these are taken instead of trained.
        scans: Scanned objects on which finished policies are judged as well.
    """
    jobs = [_codes(preset), *_proposals(preset)]
    for policy in policies(preset):
        training = _training(preset, policy)
        if kept is not None and (file := kept / f"{policy.name}.safetensors").is_file():
            training = take_kept(training, file, f"runs/{policy.name}")
        jobs += [training, _export(policy), _evaluation(preset, policy)]
        if policy.kind == "stage2" and policy.seed == preset.seeds[0]:
            jobs.append(_shown(preset, policy))
    if scans is not None:
        jobs += [_scanned(preset, policy, scans) for policy in zero_shot(preset)]
    return JobGraph(jobs)


def jobs_of_hand(preset: Preset, graph: JobGraph, hand: str, only: Sequence[str] = ()) -> list[str]:
    """Return the jobs of one hand's policies.

    Args:
        preset: The reproduction.
        graph: Its jobs.
        hand: "shadow", or the robot of B.2.
        only: Patterns; of the hand's jobs, those that they name.

    Raises:
        SleightError: The reproduction has no such hand, or none of its jobs is named.
    """
    hands = {policy.line.hand or SHADOW for policy in policies(preset)}
    if hand not in hands:
        raise SleightError("no jobs for this hand", value=hand, remedy=f"choose one of {sorted(hands)}")
    own = {policy.name for policy in policies(preset) if (policy.line.hand or SHADOW) == hand}
    about = ("", "export_", "eval_", "shown_", f"{SCANNED}_")
    names = [name for name in graph.order if any(name.removeprefix(word) in own for word in about)]
    found = [name for name in names if not only or any(fnmatch(name, pattern) for pattern in only)]
    if not found:
        raise SleightError(f"no such job of the hand '{hand}'", value=" ".join(only), remedy="'--list' shows the jobs")
    return found


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
    columns = {"train": "train", "unseen_category": "unseen_category"} if preset.proposals else {}
    leap = {line.proposals: "train" for line in leap_lines(preset) if line.proposals}
    for name, column in (columns | leap).items():
        hand = ("--hand", LEAP_ALONE) if name in leap else ()
        args = ("objects", "proposals", preset.objects[column], "--count", str(preset.proposals), *hand)
        folder = f"{OUT}/proposals/{name}"
        # Exit status 1: some objects have fewer than were asked for; what has none falls back to the posture.
        command = Command(args=(*args, *preset.proposal_effort, "--out", folder), accepts=(0, 1))
        about = f"{'LEAP Hand: ' if hand else ''}grasp proposals for {preset.objects[column]}"
        yield Job(name=f"proposals_{name}", about=about, commands=(command,), outputs=(f"proposals/{name}",))


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
    seed, line = ("--seed", str(policy.seed)), policy.line
    given = ("--proposals", f"{OUT}/proposals/{line.proposals}" if line.proposals else "none")
    proposals = (f"proposals_{line.proposals}",) if line.proposals else ()
    if policy.kind in ("base", "full_obs", "full_pose"):
        which = ("--k", str(policy.k), "--index", str(policy.seed), "--choice", f"{OUT}/runs/codes/chosen.json")
        more = {"full_obs": ("--full-observation",), "full_pose": ("--full-pose",)}.get(policy.kind, ())
        hand = ("--hand", line.hand, "--arm-action", preset.leap_action) if line.hand else ()
        # On two cores a base policy learns on objects of many sizes instead, for which no proposals fit.
        follows = policy.kind == "full_pose" or preset.training == "full"
        pose = given if follows else ("--proposals", "none")
        rest, before = ("--seed", "0"), ("codes", *(proposals if follows else ()))
        # Figure 2 compares three policies of one object: there each learns from scratch.
        if policy.kind == "base" and preset.base_iterations and policy.k in preset.ks:
            first, others = preset.base_iterations
            rest += ("--iterations", str(others if policy.seed else first))
            if policy.seed:
                start = f"{line.bases}base_k{policy.k}_0"
                rest, before = (*rest, "--start", f"{OUT}/runs/{start}"), (*before, start)
        return ("base", *which, *more, *hand, *pose, *rest), before
    if policy.kind == "ppo":
        envs = ("--envs", str(preset.all_envs)) if preset.all_envs else ()
        options = ("--object", preset.objects["train"], "--full-observation", "--proposals", "none")
        return ("base", *options, *envs, *seed), ("codes",)
    if policy.kind == "student":
        teacher = f"{line.prefix}hyper_k{policy.k}_s{policy.seed}_stage2"
        return ("student", "--teacher", f"{OUT}/runs/{teacher}", *seed), (teacher,)
    learnt = ("--objects", preset.objects["train"], "--codes", f"{OUT}/runs/codes/encoder.safetensors")
    if policy.kind == "stage2":
        before = f"{line.prefix}hyper_k{policy.k}_s{policy.seed}_stage1"
        start = ("--stage", "2", "--start", f"{OUT}/runs/{before}", "--proposals", "none")
        return ("hyper", *start, *learnt, *seed), (before, "codes")
    bases = tuple(f"{line.bases}base_k{policy.k}_{i}" for i in range(policy.k))
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
        args += [*_seen(policy), *preset.evaluation]
        # Table 4's distance, of the Shadow Hand only.
        if preset.proposals and column == SETS[2] and policy.kind in ("stage1", "stage2") and not policy.line.hand:
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


def _seen(policy: Policy) -> tuple[str, str]:
    # The paper's state-based policies know the object exactly; a student sees it as cameras do.
    return "--perception", "modelled" if policy.kind == "student" else "exact"


def _scanned(preset: Preset, policy: Policy, scans: Scans) -> Job:
    """Success of a policy with scanned objects that it has never seen (B.1)."""
    file = result_file(policy.name, SCANNED)
    args = ["eval", "--bundle", f"{OUT}/bundles/{policy.name}", "--objects", f"scans:{scans.folder}"]
    args += ["--mesh-scale", f"{scans.mesh_scale:g}", "--episodes", str(preset.scanned * len(scans.names))]
    args += ["--json", f"{OUT}/{file}", *_seen(policy), *preset.evaluation]
    return Job(
        name=f"{SCANNED}_{policy.name}",
        about=f"success of {policy.name} with {len(scans.names)} scanned objects (B.1)",
        commands=(Command(args=tuple(args)),),
        needs=(f"export_{policy.name}",),
        inputs=(f"bundles/{policy.name}",),
        outputs=(file,),
        reads=scans.sha256,
        requires=STUDENT if policy.kind == "student" else (),
    )


def _shown(preset: Preset, policy: Policy) -> Job:
    """Grasps and weights of a policy on a few objects (Figures 3, 4 and 6)."""
    objects = preset.shown
    count = str(len(objects.split("+")))
    args = ("eval", "--bundle", f"{OUT}/bundles/{policy.name}", "--objects", objects, "--episodes", count)
    ends = ("--perception", "exact", "--pictures", f"{OUT}/pictures/{policy.name}")
    file = result_file(policy.name, SHOWN)
    return Job(
        name=f"shown_{policy.name}",
        about=f"grasps of {policy.name} ({'Figure 4' if policy.line.hand else 'Figures 3 and 6'})",
        commands=(Command(args=(*args, *ends, "--json", f"{OUT}/{file}")),),
        needs=(f"export_{policy.name}",),
        inputs=(f"bundles/{policy.name}",),
        outputs=(file, f"pictures/{policy.name}"),
    )


def _about(policy: Policy) -> str:
    which = f"object {policy.seed} of {policy.k}"
    hand = "LEAP Hand: " if policy.line.hand else ""
    if policy.line.hand and policy.line.proposals:
        hand = "LEAP Hand with proposals: "
    return (
        hand
        + {
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
    )
