"""The manifest's section of skills that share a hand: DexCompose on board.

One bundle holds any number of skills, of pairs of them, and of sequences of three. A skill is a diffusion policy: a
graph that makes a chunk of actions from the latest observations and noise. A pair says which fingers the first skill
keeps while the second acts (the mask), by how much each may be corrected (the bounds), by which residual networks, and
how the hand gets from one to the other. A sequence says the same of a third skill that follows a pair. How it runs is
said in `sleight_core.compose`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sleight_core.bundle.fields import Name, Positive, Section, Vec3
from sleight_core.observation import TermSpec
from sleight_core.observation.estimated_terms import QUANTITIES

#: Names of the graphs' inputs and outputs.
HISTORY, NOISE, ACTIONS = "history", "noise", "actions"
OBSERVATION, RESIDUAL, FEATURES = "obs", "residual", "features"
#: What an acting skill sees of joints that it does not own: where they are, or where it would have moved them itself.
OthersJoints = Literal["measured", "intended"]


class EstimateSection(Section):
    """A quantity that an estimator tells.

    Attributes:
        name: Which, as in `sleight_core.observation.estimated_terms`.
        size: Elements of the estimator's output.
    """

    name: Name
    size: int = Field(ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> EstimateSection:
        if self.size not in QUANTITIES.get(self.name, ()):
            known = ", ".join(f"'{name}' of {' or '.join(map(str, sizes))}" for name, sizes in QUANTITIES.items())
            raise ValueError(f"no quantity '{self.name}' of {self.size} elements; there are {known}")
        return self


class EstimatorSection(Section):
    """What a skill sees of its task, estimated: input ``obs`` (1, D), output ``features`` (1, E).

    Attributes:
        graph: Role of its graph.
        observation: Terms of its input, in order: clouds and the robot's own sensors.
        outputs: What its output is, in order, in the skill's own frame.
    """

    graph: Name
    observation: tuple[TermSpec, ...] = Field(min_length=1)
    outputs: tuple[EstimateSection, ...] = Field(min_length=1)

    @property
    def observation_size(self) -> int:
        """D, elements of the input."""
        return sum(term.size for term in self.observation)

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the quantities by name, in order; E is their sum."""
        return {row.name: row.size for row in self.outputs}

    @model_validator(mode="after")
    def _consistent(self) -> EstimatorSection:
        if len(self.sizes) != len(self.outputs):
            raise ValueError(f"a quantity occurs twice: {[row.name for row in self.outputs]}")
        return self


class SkillSection(Section):
    """A skill: chunks of actions, of which the first are executed (a diffusion policy in a receding horizon).

    Its graph has the inputs ``history`` (1, history, O), oldest first, in raw units, and ``noise`` (1, horizon, A),
    standard normal; and the output ``actions`` (1, horizon, A), as the action parts say.

    Attributes:
        name: Its name, as goals of the Compose action say it.
        graph: Role of its graph.
        observation: Terms of one observation, in order.
        goal: Where its object should go, in the skill's own frame, m.
        place: Origin of the skill's own frame in the task frame, m: a skill that was trained at one place of a table
            acts at another one. What it sees, and where it wants the wrist, is relative to it; directions are the same.
        history: Latest observations that it sees.
        horizon: Actions in a chunk.
        execute: Actions of a chunk that are executed before the next chunk takes over.
        lead: So many actions before that the next chunk is asked for; its first `lead` actions are then of the past.
        estimator: Makes what its `estimated_` terms are of; None for a skill that has none.
    """

    name: Name
    graph: Name
    observation: tuple[TermSpec, ...] = Field(min_length=1)
    goal: Vec3 = (0.0, 0.0, 0.0)
    place: Vec3 = (0.0, 0.0, 0.0)
    history: int = Field(ge=1, le=100)
    horizon: int = Field(ge=1, le=1000)
    execute: int = Field(ge=1)
    lead: int = Field(ge=1)
    estimator: EstimatorSection | None = None

    @property
    def observation_size(self) -> int:
        """O, elements of one observation."""
        return sum(term.size for term in self.observation)

    @model_validator(mode="after")
    def _consistent(self) -> SkillSection:
        if self.execute + self.lead > self.horizon:
            raise ValueError(f"execute {self.execute} and lead {self.lead} are more than the horizon {self.horizon}")
        if self.lead > self.execute:
            raise ValueError(f"lead {self.lead} is above execute {self.execute}")
        names = [term.name for term in self.observation]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"terms occur twice: {twice}")
        return self


class ResidualSection(Section):
    """A residual network: input ``obs`` (1, D), output ``residual`` (1, A) before squashing, bound and mask.

    Attributes:
        graph: Role of its graph.
        observation: Terms of its input, in order.
    """

    graph: Name
    observation: tuple[TermSpec, ...] = Field(min_length=1)

    @property
    def observation_size(self) -> int:
        """D, elements of the input."""
        return sum(term.size for term in self.observation)


class TransitionSection(Section):
    """From one skill's success to the next skill's start; counts are of actions.

    Attributes:
        hold: All fingers and the wrist stay where they are, the first skill's residual acts.
        leave: Then the wrist moves by `retreat`, without turning, and the next skill's fingers go to `target`.
        retreat: How the wrist leaves what the skill before has touched, m, task frame.
        steps: Then the next skill's elements move to `target`, with minimum jerk.
        settle: Then they stay there.
        target: (A,) in the action's units; elements of earlier skills are not used.
    """

    hold: int = Field(default=0, ge=0, le=10_000)
    leave: int = Field(default=0, ge=0, le=10_000)
    retreat: Vec3 = (0.0, 0.0, 0.0)
    steps: int = Field(ge=0, le=10_000)
    settle: int = Field(default=0, ge=0, le=10_000)
    target: tuple[float, ...]


class PairSection(Section):
    """Two skills on disjoint parts of the action (DexCompose 3.3).

    Attributes:
        first, second: Names of the skills.
        preserved: Fingers that the first skill keeps; the others and the wrist are the second's.
        mask: For each action element, whether the second skill owns it; must be what `preserved` gives.
        bounds: For each action element, the bound on its owner's residual, in the action's units.
        first_residual: The stabiliser; None: the hold reference as it is.
        second_residual: None: the second skill's action as it is.
        hold_reference: What the first skill's fingers are to hold: the targets that were sent last, which keep a grip's
            force, or the joints as measured.
        others_joints: What the acting skill sees of joints that it does not own: where they are, or where it would have
            moved them itself. Residuals see where they are.
        transition: How the second skill gets to its start.
    """

    first: Name
    second: Name
    preserved: tuple[str, ...] = Field(min_length=1)
    mask: tuple[bool, ...]
    bounds: tuple[Annotated[float, Field(ge=0)], ...]
    first_residual: ResidualSection | None = None
    second_residual: ResidualSection | None = None
    hold_reference: Literal["sent", "measured"] = "sent"
    others_joints: OthersJoints = "measured"
    transition: TransitionSection

    @property
    def skills(self) -> tuple[str, ...]:
        """Names of the skills in the order in which they act."""
        return self.first, self.second

    @property
    def residuals(self) -> dict[str, ResidualSection]:
        """Those that are there, by the field's name."""
        named = {"first_residual": self.first_residual, "second_residual": self.second_residual}
        return {name: section for name, section in named.items() if section is not None}

    @model_validator(mode="after")
    def _consistent(self) -> PairSection:
        if self.first == self.second:
            raise ValueError(f"a pair needs two skills, not '{self.first}' twice")
        return self


class SequenceSection(PairSection):
    """A third skill after a pair: `first` keeps what it has, `between` has acted, `second` acts now.

    It begins where the pair of `first` and `between` is when this skill is engaged. What is said of a pair holds: the
    first residual is the first skill's stabiliser, and corrects the fingers that it has kept since then.

    Attributes:
        between: The pair's second skill.
        preserved: All fingers that are kept: those of the pair, and any more, which `between` keeps where they are.
        mask: Whether the third skill owns an element.
    """

    between: Name

    @property
    def skills(self) -> tuple[str, ...]:
        """Names of the skills in the order in which they act."""
        return self.first, self.between, self.second

    @model_validator(mode="after")
    def _three(self) -> SequenceSection:
        if self.between in (self.first, self.second):
            raise ValueError(f"a sequence needs three skills, not '{self.between}' twice")
        return self


class ComposedSkills(Section):
    """Skills that share a hand, and the pairs and sequences of them that were trained.

    The action's parts are a wrist pose and all finger joints. Each action lasts `action_ticks` control ticks, at each
    of which a proportional servo turns the pose's error into the wrist's twist.

    Attributes:
        action_ticks: Control ticks an action.
        wrist_gain: Wrist speed for each unit of pose error, 1/s.
        skills: The skills.
        pairs: The pairs.
        sequences: What may follow them.
    """

    kind: Literal["composed_skills"] = "composed_skills"
    action_ticks: int = Field(ge=1, le=100)
    wrist_gain: Positive
    skills: tuple[SkillSection, ...] = Field(min_length=1)
    pairs: tuple[PairSection, ...] = ()
    sequences: tuple[SequenceSection, ...] = ()

    @property
    def compositions(self) -> dict[str, PairSection]:
        """Pairs and sequences, by their place in the manifest."""
        rows = {f"composition.pairs.{i}": pair for i, pair in enumerate(self.pairs)}
        rows.update({f"composition.sequences.{i}": row for i, row in enumerate(self.sequences)})
        return rows

    @property
    def skill_names(self) -> tuple[str, ...]:
        """Names of the skills."""
        return tuple(skill.name for skill in self.skills)

    def skill(self, name: str) -> SkillSection | None:
        """A skill by name, if there is one."""
        return next((skill for skill in self.skills if skill.name == name), None)

    def pair(self, first: str, second: str) -> PairSection | None:
        """A pair by its skills' names, if it was trained."""
        return next((pair for pair in self.pairs if (pair.first, pair.second) == (first, second)), None)

    def sequence(self, first: str, between: str, third: str) -> SequenceSection | None:
        """A sequence by its skills' names, if it was trained."""
        return next((row for row in self.sequences if row.skills == (first, between, third)), None)

    def terms(self) -> list[tuple[str, TermSpec]]:
        """Every term that any graph sees, with its place in the manifest."""
        rows = [
            (f"composition.skills.{i}.observation.{j}", term)
            for i, skill in enumerate(self.skills)
            for j, term in enumerate(skill.observation)
        ]
        rows += [
            (f"composition.skills.{i}.estimator.observation.{j}", term)
            for i, skill in enumerate(self.skills)
            if skill.estimator is not None
            for j, term in enumerate(skill.estimator.observation)
        ]
        rows += [
            (f"{place}.{name}.observation.{j}", term)
            for place, pair in self.compositions.items()
            for name, section in pair.residuals.items()
            for j, term in enumerate(section.observation)
        ]
        return rows

    def graph_roles(self) -> dict[str, str]:
        """Role of every graph that is used, by its place in the manifest."""
        rows = {f"composition.skills.{i}.graph": skill.graph for i, skill in enumerate(self.skills)}
        rows |= {
            f"composition.skills.{i}.estimator.graph": skill.estimator.graph
            for i, skill in enumerate(self.skills)
            if skill.estimator is not None
        }
        for place, pair in self.compositions.items():
            rows |= {f"{place}.{name}.graph": part.graph for name, part in pair.residuals.items()}
        return rows

    @model_validator(mode="after")
    def _consistent(self) -> ComposedSkills:
        names = self.skill_names
        if len(set(names)) != len(names):
            raise ValueError(f"a skill occurs twice: {names}")
        pairs = [(pair.first, pair.second) for pair in self.pairs]
        if len(set(pairs)) != len(pairs):
            raise ValueError(f"a pair occurs twice: {pairs}")
        if unknown := sorted({name for pair in pairs for name in pair} - set(names)):
            raise ValueError(f"pairs name skills that are not there: {unknown}")
        self._check_sequences()
        return self

    def _check_sequences(self) -> None:
        chains = [row.skills for row in self.sequences]
        if len(set(chains)) != len(chains):
            raise ValueError(f"a sequence occurs twice: {chains}")
        for row in self.sequences:
            if self.skill(row.second) is None:
                raise ValueError(f"a sequence names a skill that is not there: '{row.second}'")
            pair = self.pair(row.first, row.between)
            if pair is None:
                raise ValueError(f"a sequence follows a pair that is not there: {row.first} + {row.between}")
            if lost := sorted(set(pair.preserved) - set(row.preserved)):
                raise ValueError(f"'{row.second}' would take fingers that {row.first} keeps: {lost}")
